"""Sliders in a notebook, a form for each question: a scenario goes in and comes out, and the answer follows."""
