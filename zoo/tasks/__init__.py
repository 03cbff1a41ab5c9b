"""Tasks: the inputs and outputs of a game, and how to show, score, generate and export them."""
