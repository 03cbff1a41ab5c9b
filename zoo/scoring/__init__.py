"""Scores of samples: evaluate, the judge of a run in training, tables of results."""
