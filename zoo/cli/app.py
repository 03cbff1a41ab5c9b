"""Opens a page in the browser to play with a network.

python app.py --pretrained=dcgan_mnist
python app.py --run=mnist5 --port=8000
python app.py --run=mnist5 --space=my/space

The page answers this machine only, unless --host=0.0.0.0 lets others in. It needs no internet.
"""

import importlib.util
import os
import shlex

from absl import flags

from zoo.app.ports import free_port
from zoo.cli import programs
from zoo.errors import UsageError
from zoo.installation import install
from zoo.progress import say

programs.define_source_flags()
flags.adopt_module_key_flags(programs)
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address that the page listens at.")
PORT = flags.DEFINE_integer("port", 7860, "Port; if it is in use, the next free one.", 1, 65535)
SPACE = programs.DEFINE_path(
    "space",
    None,
    "Write this folder, which runs the page by itself, as a Hugging Face Space; open no page.",
)


def run():
    FLAGS = flags.FLAGS
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(f"The page needs Gradio, which is not installed: `{install('app')}`.")
    source = programs.source()
    if SPACE.value is not None:
        _write_space(source)
        return
    given = next(name for name in ("pretrained", "run", "generator") if FLAGS[name].value)
    programs.choose_backend(FLAGS.backend, programs.recorded_backend(source))
    with programs.quietly():
        from zoo.app import page

    named = [given, *(["runs_dir"] if given == "run" and FLAGS["runs_dir"].present else [])]
    words = shlex.join(f"--{name}={FLAGS[name].value}" for name in named)
    built = page.build(source, FLAGS[given].value, words)
    port = free_port(HOST.value, PORT.value)
    if port != PORT.value:
        say(f"port {PORT.value} is in use: the page takes the next free one")
    page.serve(built, HOST.value, port)


def _write_space(source):
    os.environ["KERAS_BACKEND"] = "tensorflow"  # as the folder will
    with programs.quietly():
        from zoo.app import space

    folder = space.write(SPACE.value, source)
    print(f"space      {folder}")
    say("`python app.py` in it opens the page; its README.md says how to publish it")


def start():
    """Runs the program and exits the process."""
    programs.main(run)
