"""What the parts of the page share: how they take pictures, show results and report."""

import functools
import html
import inspect

import gradio
import numpy as np

from zoo import progress
from zoo.errors import UsageError

HOW = "The same again"


def told(function):
    """Shows the visitor the sentence of a UsageError."""

    @functools.wraps(function)
    def wrapped(*arguments):
        try:
            return function(*arguments)
        except UsageError as error:
            # What the visitor typed may be in the sentence, and would be read as HTML.
            raise gradio.Error(html.escape(str(error)), print_exception=False) from None

    return wrapped


def working(function):
    """Shows the visitor a UsageError, as `told`, and what takes seconds with its progress."""
    heard = told(function)

    @functools.wraps(function)
    def wrapped(*arguments):
        *given, bar = arguments

        def show(what, done, total):
            if total > 1:
                bar((done, total), unit=what.rpartition(": ")[2])

        with progress.heard_by(show):
            return heard(*given)

    # Gradio gives a bar to a function with such a parameter.
    signature, kind = inspect.signature(function), inspect.Parameter.POSITIONAL_OR_KEYWORD
    bar = inspect.Parameter("bar", kind, default=gradio.Progress())
    wrapped.__signature__ = signature.replace(parameters=[*signature.parameters.values(), bar])
    return wrapped


def upload():
    """Adds a place for the visitor's picture, whose value is a path."""
    given = gradio.Image(
        label="Your picture", type="filepath", height=400, sources=["upload", "clipboard"]
    )
    # Of a file that is no picture, Gradio itself would say nothing to the visitor.
    given.preprocess = lambda payload: None if payload is None else payload.path
    return given


def command():
    """Adds the line that makes a result again."""
    return gradio.Textbox(
        label=HOW,
        buttons=["copy"],
        interactive=False,
        lines=1,
        max_lines=6,
        elem_classes="how",
    )


def shown(label, **options):
    """Adds a picture that is a result."""
    return gradio.Image(
        label=label,
        format="png",
        height=400,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes="pixels",
        **options,
    )


def seed(label="Seed", value=0):
    """Adds a number that is a seed."""
    return gradio.Number(value, label=label, precision=0, minimum=0)


def class_of(made):
    """Adds the choice of a class, which exists only where the network has classes."""
    return gradio.Dropdown(
        [(name, number) for number, name in enumerate(made.classes)],
        value=0 if made.classes else None,
        label="Class",
        visible=bool(made.classes),
    )


def truncation():
    """Adds the slider of truncation."""
    info = "Less: more typical, more alike"
    return gradio.Slider(0, 1, 1, step=0.05, label="Truncation", info=info)


def editor(label, brush, **options):
    """Adds a canvas to paint on."""
    return gradio.ImageEditor(
        label=label,
        type="numpy",
        brush=brush,
        layers=False,
        transforms=(),
        format="png",
        **options,
    )


def painted(drawn):
    """Returns the uint8 `(h, w, 3)` picture of an editor and its hole, bool `(h, w)`."""
    background = None if drawn is None else drawn["background"]
    if background is None:
        raise UsageError("There is no picture yet: upload one.")
    layers = [layer[..., 3] > 0 for layer in drawn["layers"]]
    hole = np.any(layers, axis=0) if layers else np.zeros(background.shape[:2], bool)
    return background[..., :3], hole


def on_load(function, inputs, outputs):
    """Calls a function when a visitor opens the page."""
    gradio.context.Context.root_block.load(function, inputs, outputs)
