"""Trains and scores every combination of some settings; `python -m zoo.sweep` is the command."""
