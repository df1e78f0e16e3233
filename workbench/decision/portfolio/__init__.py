"""What to commit, of whom, by when: a demand and capacities become the plan that serves it at the least cost."""

from workbench.decision.portfolio.capacity import Capacity
from workbench.decision.portfolio.solver import relaxed, repriced, solve

__all__ = ["Capacity", "relaxed", "repriced", "solve"]
