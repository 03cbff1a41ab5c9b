"""Arrays to pixels."""
