"""The parts of the page that fill a hole in a picture."""

import gradio
import numpy as np

from zoo.app import noise, widgets
from zoo.app.widgets import working
from zoo.drawing.pictures import pillow

BRUSH = gradio.Brush(default_size="auto", colors=["#ff00ff"], color_mode="fixed")


def search(made):
    """Adds a picture to paint on, and several answers of a search. `made` is a `Holes`."""
    height, width = made.size
    gradio.Markdown(
        f"Upload a picture and paint over what is to be filled in. The network draws pictures of "
        f"{width}x{height}, so the middle of yours is brought to this size. It takes a while."
    )
    with gradio.Row():
        with gradio.Column(min_width=280):
            editor = _editor()
        with gradio.Column(min_width=280):
            seed = widgets.seed()
            start = gradio.Button("Fill", variant="primary")
            answers = gradio.Gallery(
                label="Answers, the best first",
                columns=2,
                format="png",
                buttons=["download_all"],
                elem_classes="pixels",
            )
            how = widgets.command()

    @working
    def fill(drawn, seed):
        seed = noise.checked(seed)
        found = made.filled(*widgets.painted(drawn), seed)
        shown = [pillow(noise.large(np.atleast_3d(image))) for image in found]
        return shown, made.command(seed)

    start.click(fill, [editor, seed], [answers, how])


def learnt(made):
    """Adds a picture to paint on, and the answer of a network that has learnt to fill holes."""
    gradio.Markdown("Upload a picture and paint over what is to be filled in.")
    with gradio.Row():
        with gradio.Column(min_width=280):
            editor = _editor()
        with gradio.Column(min_width=280):
            start = gradio.Button("Fill", variant="primary")
            answer, how = widgets.shown("Answer"), widgets.command()

    @working
    def fill(drawn):
        (found,) = made.filled(*widgets.painted(drawn))
        return found, made.command()

    start.click(fill, [editor], [answer, how])


def _editor():
    return widgets.editor("Your picture", BRUSH, sources=["upload", "clipboard"])
