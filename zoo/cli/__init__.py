"""What a program does before Keras is imported."""
