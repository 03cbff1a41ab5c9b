"""What goes in and out of a game, and how it is shown and scored."""
