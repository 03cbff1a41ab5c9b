"""Setup of the programs before Keras is imported."""
