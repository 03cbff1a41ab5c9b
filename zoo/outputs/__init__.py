"""Outputs of a run: samples and exported networks."""
