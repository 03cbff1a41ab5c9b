"""The parts of the page that turn a picture into another: translation, enlarging."""

import gradio

from zoo.app import widgets
from zoo.app.widgets import told, working

DOWNLOAD = "Download in full size"


def translation(made):
    """Adds a picture to upload or draw, and what becomes of it. `made` is a `Pictures`."""
    with gradio.Row():
        given = widgets.upload()
        result = widgets.shown("Result", type="filepath")
    direction = gradio.Radio(
        made.directions,
        value=made.directions[0] if made.directions else None,
        label="Direction",
        visible=bool(made.directions),
    )
    height, width = made.size
    resized = gradio.Checkbox(
        made.resizable,
        label=f"Bring the picture to {width}x{height}, the size that the network learnt from",
        visible=made.resizable,
    )
    with gradio.Row():
        start = gradio.Button("Translate", variant="primary")
        saved = gradio.DownloadButton(DOWNLOAD, interactive=False)
    how = widgets.command()
    gradio.Markdown("## Draw instead")
    height, width = made.canvas
    canvas = widgets.editor(
        "Your drawing",
        gradio.Brush(default_size=max(4, width // 40), colors=made.colours, color_mode="defaults"),
        sources=(),
        canvas_size=(width, height),
        fixed_canvas=True,
    )
    use = gradio.Button("Translate the drawing", variant="primary")

    @working
    def run(path, direction, resized):
        path = made.translated(path, direction, resized)
        return path, _download(path), made.command(direction, resized)

    @told
    def draw(drawn):
        layers = [] if drawn is None else drawn["layers"]
        return made.drawn(layers[0] if layers else None)

    asked, results = [given, direction, resized], [result, saved, how]
    gradio.on([start.click, given.upload, direction.input, resized.input], run, asked, results)
    use.click(draw, canvas, given).success(run, asked, results)


def enlarging(made):
    """Adds a picture to upload, and it enlarged beside interpolation. `made` is a `Pictures`."""
    given = widgets.upload()
    with gradio.Row():
        start = gradio.Button("Enlarge", variant="primary")
        saved = gradio.DownloadButton(DOWNLOAD, interactive=False)
    both = gradio.ImageSlider(
        label="Bicubic | network",
        type="filepath",
        format="png",
        interactive=False,
        buttons=["fullscreen"],
    )
    how = widgets.command()

    @working
    def run(path):
        before, after = made.enlarged(path)
        return (before, after), _download(after), made.command()

    gradio.on([start.click, given.upload], run, [given], [both, saved, how])


def _download(path):
    return gradio.DownloadButton(DOWNLOAD, value=path, interactive=True)
