"""The page on exporting: its commands and its lines of Python and HTML run as they stand."""

import http.server
import importlib.util
import inspect
import json
import re
import shlex
import threading

import helpers
import keras
import numpy as np
import pytest
import test_web

from zoo.errors import UsageError
from zoo.outputs import web

PAGE = (helpers.ROOT / "docs" / "export.md").read_text("utf-8")
NEEDS = ("tensorflow", "tf2onnx", "onnxruntime", "ai_edge_litert", "openvino")
needs = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, NEEDS)), reason=f"needs {', '.join(NEEDS)}"
)
# Runs each block by itself; one process loads all libraries once.
REPLAY = """
import json, sys
import numpy as np
sys.modules["zoo"] = None
blocks = json.loads(sys.argv[1])
drawn = []
for block in blocks:
    space = {}
    exec(block, space)
    drawn.append(np.asarray(space["images"]))
np.savez("drawn.npz", *drawn)
"""


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with what the commands of the page write, written by one command."""
    folder = tmp_path_factory.mktemp("exported")
    commands = [shlex.split(block) for block in blocks("bash")]
    given = {flag for command in commands for flag in command[2:] if "--format" not in flag}
    formats = [flag.removeprefix("--format=") for c in commands for flag in c if "--format" in flag]
    assert {command[1] for command in commands} == {"export.py"} and len(formats) == 2
    try:
        web.runtime()
    except UsageError:
        formats.remove("web")
    flags = [*given, f"--format={','.join(formats)}"]
    helpers.python(helpers.ROOT / "export.py", *flags, cwd=folder, backend="tensorflow")
    return folder


def expected():
    """Noise of the page, and the pictures of it that Keras draws."""
    z = np.random.default_rng(0).standard_normal((16, 100), dtype="float32")
    path = helpers.ROOT / "pretrained" / "dcgan_mnist.keras"
    return z, helpers.numpy(keras.models.load_model(path, compile=False)(z, training=False))


@pytest.mark.slow  # exports in processes of their own, and loads five libraries in one
@needs
def test_each_way_to_load_what_was_exported_draws_the_same(exported):
    helpers.python("-c", REPLAY, json.dumps(blocks("python")), cwd=exported, backend="tensorflow")
    _, images = expected()
    assert images.std() > 0.3
    with np.load(exported / "drawn.npz") as drawn:
        assert len(drawn.files) == len(NEEDS)
        for name in drawn.files:
            np.testing.assert_allclose(drawn[name], images, atol=1e-4)


@pytest.mark.slow  # shares what the test above exported, and starts a browser
@needs
@pytest.mark.skipif(test_web.CHROMIUM is None, reason="needs Chromium")
def test_the_lines_for_a_page_of_your_own_draw_the_same(exported):
    folder = exported / "exports" / "generator_web"
    if not folder.exists():
        pytest.skip("npm cannot fetch onnxruntime-web")
    z, images = expected()
    (page,) = blocks("html")
    look = """<pre id="pixels"></pre><script>
    const drawn = document.getElementById("drawn");
    draw(%s).then(() => { document.getElementById("pixels").textContent =
      [...drawn.getContext("2d").getImageData(0, 0, drawn.width, drawn.height).data]; });
    </script>"""
    (folder / "index.html").write_text(page + look % json.dumps(z[0].tolist()))
    (pixels,) = re.findall(r'<pre id="pixels">(.*?)</pre>', test_web.shown(folder))
    pixels = np.array(pixels.split(","), "float32").reshape(28, 28, 4)
    assert (pixels[..., 3] == 255).all()
    grey = np.repeat((images[0] + 1) * 127.5, 3, -1)
    np.testing.assert_allclose(pixels[..., :3], grey, atol=0.51)


class Serving(http.server.BaseHTTPRequestHandler):
    """Answers as https://www.tensorflow.org/tfx/serving/api_rest says: one output has no name."""

    def do_POST(self):
        assert self.path == "/v1/models/generator:predict"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert list(asked) == ["inputs"] and list(asked["inputs"]) == ["z"]
        answer = json.dumps({"outputs": asked["inputs"]["z"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *arguments):
        pass


def test_the_call_of_a_server_is_what_its_documentation_says():
    space = {}
    (code,) = blocks("py")
    exec(code, space)
    z, _ = expected()
    with http.server.HTTPServer(("127.0.0.1", 0), Serving) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        default = inspect.signature(space["images"]).parameters["address"].default
        address = default.replace("localhost:8501", f"127.0.0.1:{server.server_port}")
        np.testing.assert_array_equal(np.array(space["images"](z, address), "float32"), z)
