"""Opens a page in the browser to play with a network.

python app.py --pretrained=dcgan_mnist
python app.py --run=mnist5 --port=8000

The page answers this machine only, unless --host=0.0.0.0 lets others in. It needs no internet.
"""

import importlib.util
import shlex
import socket

from absl import flags

from zoo.cli import programs
from zoo.errors import UsageError
from zoo.installation import install
from zoo.progress import say

programs.define_source_flags()
flags.adopt_module_key_flags(programs)
HOST = flags.DEFINE_string("host", "127.0.0.1", "Address that the page listens at.")
PORT = flags.DEFINE_integer("port", 7860, "Port; if it is in use, the next free one.", 1, 65535)
PORTS = 100  # that are tried


def run():
    FLAGS = flags.FLAGS
    if importlib.util.find_spec("gradio") is None:
        raise UsageError(f"The page needs Gradio, which is not installed: `{install('app')}`.")
    source = programs.source()
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


def free_port(host, port):
    """Returns the first free port from `port` on. Raises UsageError if there is none."""
    for candidate in range(port, min(port + PORTS, 2**16)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((host, candidate))
                return candidate
            except socket.gaierror as error:
                raise UsageError(
                    f"{host} is no address of this machine. Expected --host=127.0.0.1, or 0.0.0.0 "
                    "for visitors from elsewhere."
                ) from error
            except OSError:
                continue
    raise UsageError(f"No port is free from {port} on. Choose another with --port.")


def start():
    """Runs the program and exits the process."""
    programs.main(run)
