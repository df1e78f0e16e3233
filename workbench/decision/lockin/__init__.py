"""What it takes to leave, what it saves, and what being able to leave is worth: rows, law and models put together."""
