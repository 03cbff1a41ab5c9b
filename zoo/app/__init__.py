"""A page in the browser to play with a network: `ganzoo app`."""

import os

# Read when Gradio is imported: without it, Gradio would call home.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
