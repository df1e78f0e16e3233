"""How slow a model is when it wakes, and the cheapest policy that is fast enough: rows and models put together."""
