"""The page: what a network takes and gives, as Gradio shows it."""

import atexit
import contextlib
import os
import shutil
import tempfile

import gradio

from zoo.app import holes, holes_tab, loading, noise, pictures, pictures_tab, samples_tab

LARGEST_UPLOAD = "20mb"
# Seconds between looks for files of visitors, and how old those are that are removed.
FORGOTTEN = 3600, 24 * 3600
# Fonts of the reader's machine; the default theme asks a server for its own.
THEME = gradio.themes.Default(
    font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
)
# Small pictures are enlarged without blurring them.
STYLE = """
.gradio-container {width: 100%; max-width: 1200px !important; margin: auto}
.pixels img {image-rendering: pixelated; object-fit: contain}
.many .grid-wrap {min-height: 0 !important; max-height: none !important}
.many .grid-container {
  grid-template-columns: repeat(var(--grid-cols), minmax(0, 1fr)) !important;
  grid-auto-rows: auto !important;
  grid-template-rows: none !important;
}
@media (max-width: 700px) {
  .many .grid-container {grid-template-columns: repeat(4, minmax(0, 1fr)) !important}
}
"""


def build(source, name, flags):
    """Returns the page of a run or a file, a `gradio.Blocks`.

    Args:
        source: run directory or network file.
        name: str, the heading.
        flags: str, the flags that name it in a command, such as "--run=mnist5".

    Raises:
        UsageError: it cannot be loaded, or no page can show what it makes.
    """
    kind, networks = loading.load(source)
    if "GRADIO_TEMP_DIR" not in os.environ:
        folder = os.environ["GRADIO_TEMP_DIR"] = tempfile.mkdtemp(prefix="ganzoo-page-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    title = f"{name} - GAN zoo"
    with gradio.Blocks(title=title, analytics_enabled=False, delete_cache=FORGOTTEN) as page:
        gradio.Markdown(f"# {name}")
        if kind == "pictures":
            made = pictures.Pictures(source, flags, networks)
            (pictures_tab.enlarging if made.enlarges else pictures_tab.translation)(made)
            return page
        (network,) = networks.values()
        if kind == "holes":
            holes_tab.learnt(holes.Holes(source, flags, network))
            return page
        made = noise.Noise(source, flags, network)
        if not made.draws_pictures:
            samples_tab.plot(made)
            return page
        with gradio.Tab("Samples"):
            samples_tab.samples(made)
        with gradio.Tab("Walk"):
            samples_tab.walk(made)
        with gradio.Tab("Fill a hole"):
            holes_tab.search(holes.Holes(source, flags, network))
    return page


def serve(page, host, port):
    """Serves a page until the process ends.

    Args:
        page: of `build`.
        host: str, address to listen at.
        port: int, a free one.
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
    print(f"page       {address}\nCtrl-C ends it", flush=True)  # a log or a pipe may be waiting
    with contextlib.suppress(KeyboardInterrupt):
        page.block_thread()
