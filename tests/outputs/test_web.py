"""The page that draws in a browser: what it draws is what Keras draws, and what can be wrong."""

import contextlib
import functools
import html
import http.server
import json
import os
import re
import shutil
import subprocess
import threading

import keras
import numpy as np
import pytest
import small_generators
import small_translators
from keras import layers

from zoo.errors import UsageError
from zoo.outputs import converters, web
from zoo.outputs.export import export
from zoo.outputs.loading_code import loading_code

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@contextlib.contextmanager
def served(folder):
    """The address of a plain file server of a folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *arguments: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def shown(folder, query=""):
    """The document that Chromium makes of the page in a folder, as text."""
    with served(folder) as address:
        command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--dump-dom"]
        command += ["--virtual-time-budget=30000", f"{address}/index.html{query}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout


def numbers_in(document):
    """What the page shows for `?numbers`."""
    (numbers,) = re.findall(r'<pre id="numbers">(.*?)</pre>', document, re.S)
    return json.loads(html.unescape(numbers))


@pytest.fixture
def runtime():
    """The folder of onnxruntime-web, where it and a browser can be had."""
    pytest.importorskip("tf2onnx")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    try:
        return web.runtime()
    except UsageError as error:
        pytest.skip(str(error))


@pytest.mark.slow  # exports, and starts a browser twice
def test_the_browser_draws_what_keras_draws(tmp_path, runtime):
    generator = small_generators.pictures(classes=3)
    names = ["none", "</script><b>one", "two"]
    run = small_generators.make_run(tmp_path / "run", generator, class_names=names)
    (folder,) = export(run, ["web"], str(tmp_path / "out"))
    assert sorted(os.listdir(folder)) == sorted([*web.RUNTIME, "index.html", "network.onnx"])
    for name in web.RUNTIME:
        assert os.path.getsize(os.path.join(folder, name)) == os.path.getsize(
            os.path.join(runtime, name)
        )
    documents = [shown(folder, f"?seed={seed}&count=3&label=1&numbers") for seed in (5, 6)]
    drawn = []
    for document in documents:
        numbers = numbers_in(document)
        given = numbers["inputs"]
        z = np.array(given["z"]["data"], "float32").reshape(given["z"]["dims"])
        labels = np.array(given["label"]["data"], "int32")
        assert labels.tolist() == [1] * 3 and abs(z).max() < 6 and len(np.unique(z)) == z.size
        outputs = np.array(numbers["outputs"]["data"]).reshape(numbers["outputs"]["dims"])
        expected = keras.ops.convert_to_numpy(generator([z, labels], training=False))
        np.testing.assert_allclose(outputs, expected, atol=1 / 255)
        assert document.count("<canvas") == document.count("class &lt;/script&gt;&lt;b&gt;one") == 3
        pixels = np.array(numbers["pixels"]).reshape(8, 8, 4)
        grey = np.repeat((outputs[-1] + 1) * 127.5, 3, -1)
        np.testing.assert_allclose(pixels[..., :3], grey, atol=0.51)
        assert (pixels[..., 3] == 255).all() and np.ptp(grey) > 50
        drawn.append(z)
    # Sample i of a seed is the first sample of the seed + i.
    np.testing.assert_array_equal(drawn[0][1:], drawn[1][:2])


# A visitor opens a file that is no picture, and then a picture.
VISITOR = """<script>
const open = async (name, done) => {
  const chosen = new DataTransfer();
  chosen.items.add(new File([await (await fetch(name)).blob()], name));
  by("image").files = chosen.files;
  by("image").dispatchEvent(new Event("input", {bubbles: true}));
  while (!by("said").textContent.includes(done)) await new Promise(next => setTimeout(next, 50));
  document.body.appendChild(document.createElement("h2")).textContent = by("said").textContent;
};
(async () => {
  while (!session) await new Promise(next => setTimeout(next, 50));
  await open("notes.txt", "did not work");
  await open("picture.png", "drawn in");
})();
</script>"""


@pytest.mark.slow  # exports, and starts a browser
@pytest.mark.filterwarnings("ignore")  # tf2onnx asks numpy for names that it no longer has
@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_that_a_visitor_opens_is_translated_as_keras_does(channels, tmp_path, runtime):
    network = small_translators.linear(channels=channels)
    network(
        np.zeros((1, 4, 4, channels), "float32")
    )  # Keras exports no model that was never called
    converters.save_web(network, ["image"], "images", tmp_path / "page")
    facts = {"inputs": ["image"], "shape": [32, 32, channels], "any_size": 4, "classes": 0}
    web.add_page(tmp_path / "page", facts, "negative", runtime)
    picture = small_translators.picture(0, (24, 36))
    small_translators.save(picture, tmp_path / "page" / "picture.png")
    (tmp_path / "page" / "notes.txt").write_text("no picture")
    with (tmp_path / "page" / "index.html").open("a") as file:
        file.write(VISITOR)
    document = shown(tmp_path / "page", "?numbers")
    said = re.findall(r"<h2>(.*?)</h2>", document)
    assert "notes.txt is no picture that this browser can open. Choose a PNG" in said[0]
    assert "nothing is sent anywhere" in said[1] and document.count("<canvas") == 2
    numbers = numbers_in(document)
    image = np.array(numbers["inputs"]["image"]["data"], "float32")
    image = image.reshape(numbers["inputs"]["image"]["dims"])
    weights = np.eye(3) if channels == 3 else np.array([[0.299], [0.587], [0.114]])
    expected = (picture @ weights / 127.5 - 1)[np.newaxis]
    np.testing.assert_allclose(image, expected, atol=1e-5)
    outputs = np.array(numbers["outputs"]["data"]).reshape(numbers["outputs"]["dims"])
    expected = keras.ops.convert_to_numpy(network(image, training=False))
    np.testing.assert_allclose(outputs, expected, atol=1 / 255)
    pixels = np.array(numbers["pixels"]).reshape(24, 36, 4)
    shade = np.broadcast_to((outputs[0] + 1) * 127.5, (24, 36, 3))
    np.testing.assert_allclose(pixels[..., :3], shade, atol=0.51)


def made(folder, **facts):
    facts = {"inputs": ["z"], "shape": [4], "any_size": None, "classes": 0} | facts
    runtime = folder / "runtime"
    runtime.mkdir(exist_ok=True)
    for name in web.RUNTIME:
        (runtime / name).write_text(name)
    web.add_page(folder, facts, facts.pop("title", "a run"), runtime)
    return (folder / "index.html").read_text("utf-8")


def test_a_page_holds_its_network_and_no_address_elsewhere(tmp_path):
    page = made(tmp_path, title="a <run>", inputs=["image"], shape=[32, 32, 3], any_size=4)
    assert "<title>a &lt;run&gt;</title>" in page and "{{" not in page
    network = json.loads(re.findall(r"const NETWORK = (.*);", page)[0])
    assert network["kind"] == "image" and network["any_size"] == 4
    assert not re.findall(r"https?://", page)
    assert [(tmp_path / name).read_text() for name in web.RUNTIME] == [*web.RUNTIME]


def test_the_lines_serve_the_folder():
    code = loading_code("web", "/a folder", ["z"], [4], 0, "images")
    assert "--bind=127.0.0.1 --directory='/a folder'" in code
    assert all(line.startswith("#") for line in code.splitlines())


def test_a_network_that_the_page_cannot_show_is_one_sentence():
    with pytest.raises(UsageError, match=r"cannot show the filler.*Received: inputs image, mask"):
        web.check({"inputs": ["image", "mask"]}, "filler")


def test_a_runtime_that_is_not_there_is_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=rf"{tmp_path} has no ort.wasm.min.js, .*npm install"):
        web.runtime(str(tmp_path))
    monkeypatch.setenv("ZOO_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match=r"there is no npm.*--web_runtime=FOLDER"):
        web.runtime()
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error: offline' >&2; exit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(UsageError, match=r"it said: npm error: offline.*--web_runtime=FOLDER"):
        web.runtime()


def test_a_folder_that_is_no_page_is_left_alone(tmp_path):
    keras.Sequential([keras.Input((2,), name="z"), layers.Dense(2)]).save(tmp_path / "g.keras")
    (tmp_path / "out" / "generator_web").mkdir(parents=True)
    with pytest.raises(UsageError, match="is not a web artefact"):
        export(str(tmp_path / "g.keras"), ["web"], str(tmp_path / "out"))
