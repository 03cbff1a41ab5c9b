"""A page in the browser to play with a network: `ganzoo app`."""
