"""What leaves a run: samples and exported networks."""
