"""The recipes, one file per model: what `train.py` uses unless told otherwise."""
