"""The page: what a network takes and gives, as Gradio shows it."""

import contextlib
import functools
import html
import os

# Read when Gradio is imported: without it, it would call home.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
import gradio
import numpy as np

from zoo import seeds
from zoo.app import noise, pictures
from zoo.drawing.pictures import pillow
from zoo.errors import UsageError
from zoo.installation import as_typed
from zoo.outputs import inpaint, translate

FAR = 5.0  # standard deviations that a slider reaches
LARGEST_UPLOAD = "20mb"
# Fonts of the reader's machine; the default theme asks a server for its own.
THEME = gradio.themes.Default(
    font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
)
# Small pictures are enlarged without blurring them.
STYLE = """
.gradio-container {width: 100%; max-width: 1200px !important; margin: auto}
.pixels img {image-rendering: pixelated; object-fit: contain}
@media (max-width: 700px) {
  .many .grid-container {grid-template-columns: repeat(4, minmax(0, 1fr)) !important}
}
"""
HOW = "The same again"
CANVAS = 512  # pixels to paint on


def build(source, name, flags):
    """Returns the page of a run or a file, a `gradio.Blocks`.

    Args:
        source: run directory or network file.
        name: str, the heading.
        flags: str, the flags that name it in a command, such as "--run=mnist5".

    Raises:
        UsageError: it cannot be loaded.
    """
    with gradio.Blocks(title=f"{name} - GAN zoo", analytics_enabled=False) as page:
        gradio.Markdown(f"# {name}")
        if inpaint.fills(source):
            _filling(source, flags)
        elif translate.translates(source):
            made = pictures.Pictures(source, flags)
            (_enlarging if made.enlarges else _translation)(made)
        else:
            made = noise.Noise(source, flags)
            if made.draws_pictures:
                with gradio.Tab("Samples"):
                    _samples(made)
                with gradio.Tab("Walk"):
                    _walk(made)
                with gradio.Tab("Fill a hole"):
                    _holes(made)
            else:
                _plots(made)
    return page


def serve(page, host, port, say=print):
    """Serves a page until the process ends.

    Args:
        page: of `build`.
        host: str, address to listen at.
        port: int, a free one.
        say: function called with the address.
    """
    page.queue(default_concurrency_limit=1)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        theme=THEME,
        css=STYLE,
        max_file_size=LARGEST_UPLOAD,
        footer_links=[],
        quiet=True,
        share=False,
        ssr_mode=False,
        prevent_thread_lock=True,
    )
    say(f"page       {address}")
    say("Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        page.block_thread()


def _upload():
    given = gradio.Image(
        label="Your picture", type="filepath", height=400, sources=["upload", "clipboard"]
    )
    # Of a file that is no picture, Gradio itself would say nothing to the visitor.
    given.preprocess = lambda payload: None if payload is None else payload.path
    return given


def _told(function):
    """Shows the visitor the sentence of a UsageError."""

    @functools.wraps(function)
    def wrapped(*arguments):
        try:
            return function(*arguments)
        except UsageError as error:
            # What the visitor typed may be in the sentence, and would be read as HTML.
            raise gradio.Error(html.escape(str(error)), print_exception=False) from None

    return wrapped


def _command():
    return gradio.Textbox(label=HOW, buttons=["copy"], interactive=False, lines=1, max_lines=3)


def _shown(label, **options):
    return gradio.Image(
        label=label,
        format="png",
        height=400,
        interactive=False,
        buttons=["download", "fullscreen"],
        elem_classes="pixels",
        **options,
    )


def _class_of(made):
    """Adds the choice of a class, which exists only where the network has classes."""
    return gradio.Dropdown(
        [(name, number) for number, name in enumerate(made.classes)],
        value=0 if made.classes else None,
        label="Class",
        visible=bool(made.classes),
    )


def _samples(made):
    with gradio.Row():
        first = gradio.Number(0, label="Seed of the first sample", precision=0, minimum=0)
        label = _class_of(made)
        truncation = gradio.Slider(
            0, 1, 1, step=0.05, label="Truncation", info="Less: more typical, more alike"
        )
        again = gradio.Button("Next sixteen", variant="primary")
    grid = gradio.Gallery(
        label="Seeds: choose one",
        columns=8,
        height="auto",
        format="png",
        allow_preview=False,
        buttons=["download_all"],
        elem_classes=["pixels", "many"],
    )
    how_all = _command()
    gradio.Markdown("## One sample, changed")
    with gradio.Row():
        with gradio.Column(min_width=280):
            one = _shown("Sample")
            how = _command()
        with gradio.Column(min_width=280):
            seed = gradio.Number(0, label="Seed", precision=0, minimum=0)
            with gradio.Row():
                other = gradio.Number(1, label="Mix with seed", precision=0, minimum=0)
                share = gradio.Slider(0, 1, 0, step=0.05, label="Share of that seed")
            sliders = [
                gradio.Slider(-FAR, FAR, 0, step=0.1, label=f"Direction {number}")
                for number in range(1, made.directions + 1)
            ]
            reset = gradio.Button("Back to the sample")

    @_told
    def draw_all(first, label, truncation):
        first = noise._seed(first)
        seeds = [first + i for i in range(noise.GRID)]
        return made.grid(first, label, truncation), made.command(seeds, label, truncation)

    @_told
    def draw(seed, label, truncation, other, share, *moves):
        seed, mix = noise._seed(seed), (noise._seed(other), share) if share else None
        point = made.points([seed], label, truncation, moves, mix)
        (picture,) = made.draw(point, label)
        return pillow(noise.large(picture)), made.command([seed], label, truncation, moves, mix)

    def choose(first, event: gradio.SelectData):
        return int(first) + event.index

    page = [first, label, truncation]
    single = [seed, label, truncation, other, share, *sliders]
    gradio.on(
        [first.change, label.change, truncation.change],
        draw_all,
        page,
        [grid, how_all],
        trigger_mode="always_last",
    )
    # A change, not a release: the keyboard moves sliders too.
    gradio.on(
        [part.change for part in (seed, label, truncation, other, share, *sliders)],
        draw,
        single,
        [one, how],
        trigger_mode="always_last",
    )
    again.click(lambda first: (first or 0) + noise.GRID, first, first)
    grid.select(choose, first, seed)
    reset.click(lambda: [0] * (1 + len(sliders)), None, [share, *sliders])
    context = gradio.context.Context.root_block
    context.load(draw_all, page, [grid, how_all])
    context.load(draw, single, [one, how])


def _walk(made):
    with gradio.Row():
        through = gradio.Textbox("1,2,3,4", label="Seeds", info="Such as 1,2,3 or 0-5")
        label = _class_of(made)
        truncation = gradio.Slider(0, 1, 1, step=0.05, label="Truncation")
        start = gradio.Button("Draw the walk", variant="primary")
    film = _shown("From seed to seed", type="filepath")
    how = _command()

    @_told
    def walk(text, label, truncation):
        listed = seeds.parse(text)
        command = made.command(listed, label, truncation, walk=True)
        return made.walk(listed, label, truncation), command

    start.click(walk, [through, label, truncation], [film, how])


def _holes(made):
    height, width = made.generator.outputs[0].shape[1:3]
    gradio.Markdown(
        f"Upload a picture and paint over what is to be filled in. The network draws pictures of "
        f"{width}x{height}, so the middle of yours is brought to this size. It takes a while."
    )
    with gradio.Row():
        editor = _editor()
        with gradio.Column():
            seed = gradio.Number(0, label="Seed", precision=0, minimum=0)
            start = gradio.Button("Fill", variant="primary")
            answers = gradio.Gallery(
                label="Answers, the best first",
                columns=2,
                format="png",
                buttons=["download_all"],
                elem_classes="pixels",
            )
            how = _command()

    @_told
    def bring(drawn):
        picture = pictures.brought(drawn["background"][..., :3], (height, width))
        return {"background": noise.large(picture, CANVAS), "layers": [], "composite": None}

    @_told
    def fill(drawn, seed):
        picture, hole = pictures.reduced(*_painted(drawn), (height, width))
        found = pictures.filled(made.source, picture, hole, noise._seed(seed))
        words = f"--input=PICTURE --mask=MASK --resize=crop --count={len(found)} --seed={int(seed)}"
        command = made.command([int(seed)]).replace(f"--seeds={int(seed)} --format=png", words)
        return [pillow(noise.large(np.atleast_3d(image))) for image in found], command

    editor.upload(bring, editor, editor)
    start.click(fill, [editor, seed], [answers, how])


def _filling(source, flags):
    gradio.Markdown("Upload a picture and paint over what is to be filled in.")
    with gradio.Row():
        editor = _editor()
        with gradio.Column():
            start = gradio.Button("Fill", variant="primary")
            answer, how = _shown("Answer"), _command()

    @_told
    def fill(drawn):
        made = pictures.completed(source, *_painted(drawn))
        return made, as_typed(f"python generate.py {flags} --input=PICTURE --mask=MASK")

    start.click(fill, [editor], [answer, how])


def _editor():
    """Adds a picture to paint a hole on."""
    return gradio.ImageEditor(
        label="Your picture",
        type="numpy",
        brush=gradio.Brush(default_size=40, colors=["#ff00ff"], color_mode="fixed"),
        sources=["upload", "clipboard"],
        layers=False,
        transforms=(),
        format="png",
    )


def _painted(drawn):
    """Returns the uint8 `(h, w, 3)` picture of an editor and its hole, bool `(h, w)`."""
    background = None if drawn is None else drawn["background"]
    if background is None:
        raise UsageError("There is no picture yet: upload one.")
    painted = [layer[..., 3] > 0 for layer in drawn["layers"]]
    hole = np.any(painted, axis=0) if painted else np.zeros(background.shape[:2], bool)
    return background[..., :3], hole


def _plots(made):
    with gradio.Row():
        seed = gradio.Number(0, label="Seed", precision=0, minimum=0)
        truncation = gradio.Slider(0, 1, 1, step=0.05, label="Truncation")
    plot = _shown(f"{noise.CLOUD:,} samples")
    how = _command()

    @_told
    def draw(seed, truncation):
        command = made.command(noise._seed(seed), truncation=truncation)
        return made.plot(seed, truncation), command

    gradio.on(
        [seed.change, truncation.change],
        draw,
        [seed, truncation],
        [plot, how],
        trigger_mode="always_last",
    )
    gradio.context.Context.root_block.load(draw, [seed, truncation], [plot, how])


def _translation(made):
    with gradio.Row():
        given = _upload()
        result = _shown("Result")
    direction = gradio.Radio(
        made.directions,
        value=made.directions[0] if made.directions else None,
        label="Direction",
        visible=bool(made.directions),
    )
    start, how = gradio.Button("Translate", variant="primary"), _command()

    @_told
    def run(path, direction):
        return made.translated(path, direction), made.command(direction)

    gradio.on([start.click, given.upload, direction.input], run, [given, direction], [result, how])


def _enlarging(made):
    given = _upload()
    start = gradio.Button("Enlarge", variant="primary")
    both = gradio.ImageSlider(
        label="Bicubic | network",
        format="png",
        interactive=False,
        buttons=["download", "fullscreen"],
    )
    how = _command()

    @_told
    def run(path):
        return made.enlarged(path), made.command()

    gradio.on([start.click, given.upload], run, [given], [both, how])
