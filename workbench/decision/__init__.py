"""Models and ranges become an answer. Here the choice between offers; its three further questions are rooms of it:
coldstart, lockin and portfolio. What a choice costs is composed in outcome.py and nowhere else."""
