"""What goes into a game and what comes out: how it is shown, scored, generated and exported."""
