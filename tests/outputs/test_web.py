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
from keras import layers

from zoo.errors import UsageError
from zoo.outputs import web
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


@pytest.mark.slow  # exports, and starts a browser twice
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.skipif(shutil.which("npm") is None, reason="fetches onnxruntime-web by npm")
def test_the_browser_draws_what_keras_draws(tmp_path):
    pytest.importorskip("tf2onnx")
    try:
        runtime = web.runtime()
    except UsageError as error:
        pytest.skip(str(error))
    generator = small_generators.pictures(classes=3)
    generator.save(tmp_path / "generator.keras")
    (folder,) = export(str(tmp_path / "generator.keras"), ["web"], str(tmp_path / "out"))
    assert sorted(os.listdir(folder)) == sorted([*web.RUNTIME, "index.html", "network.onnx"])
    for name in web.RUNTIME:
        assert os.path.getsize(os.path.join(folder, name)) == os.path.getsize(
            os.path.join(runtime, name)
        )
    documents = [shown(folder, f"?seed={seed}&count=3&label=1&numbers") for seed in (5, 6)]
    drawn = []
    for document in documents:
        (numbers,) = re.findall(r'<pre id="numbers">(.*?)</pre>', document, re.S)
        numbers = json.loads(html.unescape(numbers))
        given = numbers["inputs"]
        z = np.array(given["z"]["data"], "float32").reshape(given["z"]["dims"])
        labels = np.array(given["label"]["data"], "int32")
        assert labels.tolist() == [1] * 3 and abs(z).max() < 6 and len(np.unique(z)) == z.size
        outputs = np.array(numbers["outputs"]["data"]).reshape(numbers["outputs"]["dims"])
        expected = keras.ops.convert_to_numpy(generator([z, labels], training=False))
        np.testing.assert_allclose(outputs, expected, atol=1 / 255)
        assert document.count("<canvas") == 3
        pixels = np.array(numbers["pixels"]).reshape(8, 8, 4)
        grey = np.repeat((outputs[0] + 1) * 127.5, 3, -1)
        np.testing.assert_allclose(pixels[..., :3], grey, atol=0.51)
        assert (pixels[..., 3] == 255).all() and np.ptp(grey) > 50
        drawn.append(z)
    # Sample i of a seed is the first sample of the seed + i.
    np.testing.assert_array_equal(drawn[0][1:], drawn[1][:2])


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
