"""Models and ranges become an answer. Models are composed in outcome.py and nowhere else."""
