"""Exporting a generator: files that load without this package and hold the same function."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
from small_generators import make_run, pictures, points

from zoo.errors import UsageError
from zoo.outputs import export as export_module
from zoo.outputs import keras_alone
from zoo.outputs.export import ARTEFACTS, DISCRIMINATORS, export
from zoo.runs import assembly, checkpoints, config, network_files

ROOT = pathlib.Path(__file__).parents[2]
BACKEND = keras.config.backend()


def has(*modules):
    return all(importlib.util.find_spec(module) for module in modules)


# Most tests here check what happens around the conversion, and JAX would compile each operation.
QUICK = "tensorflow" if has("tensorflow") else BACKEND
needs_tensorflow = pytest.mark.skipif(not has("tensorflow"), reason="TensorFlow is not installed")
needs_onnx = pytest.mark.skipif(
    not has("tensorflow", "tf2onnx", "onnxruntime"), reason="the onnx extra is not installed"
)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    # The names differ from the contract, because the export sets the names of the inputs.
    model = pictures(channels=3, classes=4, names=("noise", "digit"), groups=2)
    return make_run(tmp_path_factory.mktemp("runs") / "labelled", model, backend=BACKEND)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "plain", pictures())


def run_python(code, cwd, backend):
    """Runs code where zoo cannot be imported; returns what it printed."""
    text = f"import sys; sys.modules['zoo'] = None\n{code}"
    environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Runs the printed code of each format and stores its results: {format: (z, label, images)}.
REPLAY = """
import json, sys
import numpy as np
results = {{}}
for name, lines in json.loads({blocks!r}).items():
    space = {{}}
    exec(lines, space)
    results[name + ".z"], results[name + ".label"] = space["z"], space["label"]
    results[name + ".images"] = np.asarray(space["images"])
    if name in ("savedmodel", "serving"):
        signature = space["module"].signatures["serving_default"]
        inputs = {{n: list(s.shape) for n, s in signature.structured_input_signature[1].items()}}
        assert inputs == {{"z": [None, 6], "label": [None]}}
        assert list(signature.structured_outputs["images"].shape) == [None, 8, 8, 3]
        three = signature(z=space["z"][:3], label=space["label"][:3])["images"]
        results[name + ".signature"] = np.asarray(three)
    if "onnx" in name:
        inputs = {{i.name: i.shape for i in space["session"].get_inputs()}}
        assert inputs == {{"z": ["batch", 6], "label": ["batch"]}}
    for size in (1, 7):
        given = {{"z": space["z"][:size], "label": space["label"][:size]}}
        if "onnx" in name:
            assert space["session"].run(None, given)[0].shape == (size, 8, 8, 3)
        if "tflite" in name:
            assert space["run"](**given)["images"].shape == (size, 8, 8, 3)
np.savez({out!r}, **results)
"""


@pytest.mark.slow  # TensorFlow starts four times.
@needs_onnx
def test_every_format_is_the_same_function_and_its_printed_lines_run(labelled, tmp_path):
    messages = []
    # The lines for a page are for a shell.
    formats = [name for name in ARTEFACTS if name != "web"]
    paths = export(labelled, formats, out=str(tmp_path / "out"), say=messages.append)
    expected = [str(tmp_path / "out" / ARTEFACTS[name]) for name in formats]
    expected[formats.index("serving")] += "/1"
    assert paths == expected
    assert sorted(os.listdir(tmp_path / "out")) == sorted(ARTEFACTS[name] for name in formats)
    blocks = dict(zip(formats, messages, strict=True))
    savedmodels = {name: blocks.pop(name) for name in ("savedmodel", "serving")}
    # The lines for SavedModel choose TensorFlow by themselves.
    other = "jax" if has("jax") else BACKEND
    for number, (part, backend) in enumerate([(blocks, BACKEND), (savedmodels, other)]):
        out = str(tmp_path / f"{number}.npz")
        run_python(REPLAY.format(blocks=json.dumps(part), out=out), tmp_path, backend)
        original = network_files.load(f"{labelled}/generator.keras")
        with np.load(out) as results:
            for name in part:
                z, label = results[f"{name}.z"], results[f"{name}.label"]
                assert z.shape == (16, 6) and sorted(set(label)) == [0, 1, 2, 3]
                expected = keras.ops.convert_to_numpy(original([z, label]))
                assert expected.std() > 0.1
                if name.endswith("_int8"):
                    levels = np.abs(results[f"{name}.images"] - expected) * 127.5
                    assert 0 < levels.mean() < export_module.INT8_LEVELS
                    assert "of 255 levels in the mean of 64 samples" in blocks[name]
                    continue
                np.testing.assert_allclose(results[f"{name}.images"], expected, atol=1e-5)
                if name in savedmodels:
                    signature = results[f"{name}.signature"]
                    np.testing.assert_allclose(signature, expected[:3], atol=1e-5)


@pytest.mark.slow  # TensorFlow starts twice beside another backend.
@needs_onnx
@pytest.mark.skipif(BACKEND != "tensorflow", reason="the test above exports a run of this backend")
@pytest.mark.skipif(not has("torch"), reason="torch is not installed")
def test_a_torch_run_becomes_savedmodel_and_onnx(plain, tmp_path):
    formats = ["onnx", "savedmodel"]
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        f"from zoo.outputs.export import export\n"
        f"export({plain!r}, {formats}, out={str(tmp_path / 'out')!r})\n"
        f"assert 'tensorflow' not in sys.modules\n"
    )
    environment = os.environ | {"KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sorted(os.listdir(tmp_path / "out")) == sorted(ARTEFACTS[name] for name in formats)
    for name in formats:
        assert f"{ARTEFACTS[name]}: " in done.stdout


def test_the_fresh_process_cannot_import_zoo(tmp_path):
    np.savez(tmp_path / "reference.npz", outputs=np.zeros(1))
    arguments = {"artefacts": {}, "reference": str(tmp_path / "reference.npz")}
    task = {"do": "check", "arguments": [arguments], "answer": str(tmp_path / "answer.json")}
    (tmp_path / "task.json").write_text(json.dumps(task))
    code = (
        "import runpy, sys\n"
        f"sys.argv = ['x', {str(tmp_path / 'task.json')!r}]\n"
        f"runpy.run_path({keras_alone.__file__!r}, run_name='__main__')\n"
        "try:\n"
        "    import zoo\n"
        "except ImportError:\n"
        "    print('blocked')\n"
    )
    # With this path zoo could be imported, installed or not.
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "blocked\n", done.stderr
    assert json.loads((tmp_path / "answer.json").read_text()) == {"results": [{}]}


@pytest.mark.slow  # starts Keras in other processes
def test_a_run_that_trains_on_is_copied_first(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", points(), backend=BACKEND)
    copyfile = export_module.shutil.copyfile

    def copy_and_go_on(source, target):
        copyfile(source, target)
        pathlib.Path(source).write_bytes(b"the next one, still being written")

    monkeypatch.setattr(export_module.shutil, "copyfile", copy_and_go_on)
    messages = []
    (path,) = export(run, ["h5", "h5"], backend=QUICK, say=messages.append)
    assert path == f"{run}/export/generator.h5"
    assert os.listdir(f"{run}/export") == ["generator.h5"]
    assert "samples = generator.predict(z, verbose=0)" in messages[0]
    assert network_files.load(path).inputs[0].shape == (None, 3)


@pytest.mark.slow  # starts Keras in other processes
def test_an_artefact_is_replaced_only_by_one_that_agrees(tmp_path, plain, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    (out / "generator.keras").write_bytes(b"older")
    monkeypatch.setattr(export_module, "TOLERANCE", -1.0)
    messages = []
    with pytest.raises(UsageError, match=r"differs from the generator: keras by .*nothing was"):
        export(plain, ["keras"], out=str(out), backend=QUICK, say=messages.append)
    assert messages == []
    assert os.listdir(out) == ["generator.keras"]
    assert (out / "generator.keras").read_bytes() == b"older"


def test_the_check_sees_a_changed_weight_a_forgotten_label_and_nan(tmp_path):
    model = pictures(classes=4)
    model.save(tmp_path / "original.keras")
    reference = str(tmp_path / "reference.npz")
    keras_alone.convert(str(tmp_path / "original.keras"), str(tmp_path), ["h5"], reference)

    def difference():
        model.save(tmp_path / "changed.keras")
        return keras_alone.check({"keras": str(tmp_path / "changed.keras")}, reference)

    assert difference()["keras"] < 1e-6
    assert keras_alone.check({"h5": str(tmp_path / "generator.h5")}, reference)["h5"] < 1e-6
    embedding = next(v for v in model.variables if "embeddings" in v.path)
    before = keras.ops.convert_to_numpy(embedding)
    embedding.assign(np.repeat(before[:1], 4, axis=0))
    assert difference()["keras"] > 1e-2
    embedding.assign(before)
    model.variables[-1].assign(model.variables[-1] + 1e-3)
    assert 1e-4 < difference()["keras"] < 1e-2
    model.variables[-1].assign(model.variables[-1] * np.nan)
    with pytest.raises(UsageError, match="differs"):
        export_module._check_differences(difference(), reference)
    with pytest.raises(ValueError, match="diverged"):
        path = str(tmp_path / "changed.keras")
        keras_alone.convert(path, str(tmp_path), [], str(tmp_path / "new.npz"))


@keras.saving.register_keras_serializable("zoo")
class Custom(keras.layers.Layer):
    def call(self, x):
        return x


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_custom_object_is_refused_although_this_process_knows_it(suffix, tmp_path):
    z = keras.Input((2,), name="z")
    path = str(tmp_path / f"custom.{suffix}")
    keras.Model(z, Custom()(z)).save(path)
    keras.models.load_model(path, compile=False)
    with pytest.raises(UsageError, match=r"custom object '.*Custom'") as caught:
        export(path, ["keras"], out=str(tmp_path / "out"), backend=QUICK)
    assert "\n" not in str(caught.value) and path in str(caught.value)
    assert os.listdir(tmp_path / "out") == []


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_lambda_layer_is_refused(suffix, tmp_path):
    z = keras.Input((2,), name="z")
    path = str(tmp_path / f"code.{suffix}")
    keras.Model(z, keras.layers.Lambda(lambda x: x * 2)(z)).save(path)
    with pytest.raises(ValueError, match="Lambda layer") as caught:
        network_files.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("damage", ["empty", "half", "text"])
def test_a_damaged_file_is_refused_in_one_sentence(damage, suffix, tmp_path):
    path = tmp_path / f"generator.{suffix}"
    points().save(path)
    complete = path.read_bytes()
    contents = {"empty": b"", "half": complete[: len(complete) // 2], "text": b"hello"}
    path.write_bytes(contents[damage])
    with pytest.raises(ValueError, match=r"cannot be loaded: .*damaged") as caught:
        network_files.load(str(path))
    assert "\n" not in str(caught.value)


def test_the_number_of_classes_is_read_off_the_graph():
    label = keras.Input((), dtype="int32", name="label")
    nested = keras.Sequential([keras.Input(()), keras.layers.Embedding(5, 3)])
    encoded = keras.layers.CategoryEncoding(7, output_mode="one_hot")
    assert network_files.class_count(keras.Model(label, nested(label))) == 5
    assert network_files.class_count(keras.Model(label, encoded(label))) == 7
    assert network_files.class_count(keras.Model(label, keras.ops.one_hot(label, 9))) == 9
    assert network_files.class_count(points()) is None


def test_what_is_not_there_is_refused(plain, tmp_path):
    def refused(match, source=plain, formats=("keras",), out=None):
        with pytest.raises(UsageError, match=match):
            export(source, formats, out=str(out or tmp_path / "out"), backend=QUICK)

    refused(
        "no export format 'onx'.*'onnx'.*Valid: h5, keras, onnx, onnx_int8, savedmodel, serving",
        formats=["onx"],
    )
    refused("at least one format", formats=[])
    refused(r"no generator file .*gone\.keras", source=str(tmp_path / "gone.keras"))
    (tmp_path / "empty").mkdir()
    refused(r"has no generator\.keras yet", source=str(tmp_path / "empty"))
    (tmp_path / "weights.npz").write_bytes(b"")
    refused("neither", source=str(tmp_path / "weights.npz"))
    refused("which is a file", out=tmp_path / "weights.npz")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_someone_else_is_left_alone(plain, tmp_path):
    (tmp_path / "generator.keras").mkdir()
    with pytest.raises(UsageError, match="is not a keras artefact"):
        export(plain, ["keras"], out=str(tmp_path), backend=QUICK)


def test_without_tensorflow_or_tf2onnx_it_says_what_to_install(plain, tmp_path, monkeypatch):
    def refused(format, installed, match):
        monkeypatch.setattr(
            export_module.importlib.util, "find_spec", lambda name: name in installed or None
        )
        with pytest.raises(UsageError, match=f"{match}.*keras and h5 work without"):
            export(plain, ["keras", format], out=str(tmp_path / "out"), backend=QUICK)
        monkeypatch.undo()

    base, onnx = (f"pip install -r requirements{x}.txt`" for x in ("", "-onnx"))
    refused("savedmodel", [], f"needs tensorflow, .*{base}")
    refused("onnx", ["tensorflow"], f"needs tf2onnx and onnxruntime, .*{onnx}")
    refused("onnx_int8", ["tensorflow", "tf2onnx"], f"needs onnxruntime, .*{onnx}")
    refused("onnx", [], f"{base} and `python -m {onnx}")
    refused("tflite_int8", [], base)
    assert not (tmp_path / "out").exists()


def trained(folder, variant, dataset="digits", **settings):
    """Writes a run by hand, with a checkpoint whose weights no other model has.

    Returns:
        `(path, gan)`.
    """
    small = {name: size for name, size in helpers.SMALL.items() if name != "num_classes"}
    known = config.known_settings(variant)
    chosen = {name: value for name, value in small.items() if name in known} | settings
    chosen |= {"image_size": 16} if dataset == "digits" else {}
    resolved = config.resolve(variant, dataset, overrides=chosen)
    resolved = assembly.complete(resolved, assembly.load_data(resolved, assembly.Source()))
    gan = assembly.build(resolved)
    random = np.random.default_rng(0)
    for variable in gan.discriminator.weights:
        noise = random.uniform(0.9, 1.1, variable.shape).astype("float32")
        variable.assign(variable * noise + 0.01)
    path = make_run(folder, gan.inference_generator())
    (folder / "config.json").write_text(json.dumps(resolved))
    checkpoints.save(folder / "checkpoints", gan, {"step": 1})
    return path, gan


# With spectral layers; with labels and of vectors, which build two more networks each. What each
# variant's discriminator is made of is looked at in test_registry.py.
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("conditional", "gaussian")]


@pytest.mark.parametrize("variant", ["dcgan", *SLOW], indirect=True)
def test_a_discriminator_is_exported(variant, request, tmp_path):
    name = request.node.callspec.params["variant"]
    dataset = "gaussian" if variant.sample_field == "sample" else "digits"
    # With the layers that Keras lacks where a variant can have them.
    spectral = {"discriminator_norm": "spectral"} if name == "dcgan" else {}
    path, gan = trained(tmp_path / "run", name, dataset, **spectral)
    messages = []
    export(path, ["keras"], backend=QUICK, say=messages.append, discriminator=True)
    assert sorted(os.listdir(f"{path}/export")) == ["discriminator.keras", "generator.keras"]
    discriminator = network_files.load(f"{path}/export/discriminator.keras", "discriminator")
    first = "image" if dataset == "digits" else "sample"
    assert network_files.input_names(discriminator, "discriminator")[0] == first
    assert all(type(layer).__module__.startswith("keras.") for layer in discriminator.layers)
    inputs = [np.random.default_rng(1).uniform(-1, 1, (3, *gan.seen_shape)).astype("float32")]
    inputs += [np.arange(3, dtype="int32")] if gan.num_classes else []
    inputs = inputs if len(inputs) > 1 else inputs[0]
    logits = helpers.numpy(discriminator(inputs))
    np.testing.assert_allclose(logits, helpers.numpy(gan.discriminator(inputs)), atol=1e-4)
    assert np.ptp(logits) > 1e-5
    space = {}
    exec(messages[1], space)
    assert space["logits"].shape == (16, 1)


@pytest.mark.slow  # compiles the largest networks, and starts a process
def test_cats_and_dogs_h5_files_have_the_names_of_the_tutorial(tmp_path):
    path, _ = trained(tmp_path / "run", "cats_and_dogs")
    export(path, ["h5", "keras"], backend=QUICK, say=lambda _: None, discriminator=True)
    assert sorted(os.listdir(f"{path}/export")) == [
        "cat_dog_discriminator.h5",
        "cat_dog_generator.h5",
        "discriminator.keras",
        "generator.keras",
    ]
    export(path, ["h5"], out=str(tmp_path / "out"), backend=QUICK, say=lambda _: None)
    assert os.listdir(tmp_path / "out") == ["generator.h5"]


@pytest.mark.slow  # TensorFlow starts twice.
@needs_onnx
def test_a_discriminator_with_classes_becomes_savedmodel_and_onnx(tmp_path):
    path, _ = trained(tmp_path / "run", "conditional")
    messages = []
    formats = ["savedmodel", "onnx"]
    paths = export(path, formats, say=messages.append, discriminator=True)
    assert [os.path.basename(p) for p in paths] == [
        *(ARTEFACTS[name] for name in formats),
        *(DISCRIMINATORS[name] for name in formats),
    ]
    for code in messages[2:]:
        run_python(f"{code}\nassert logits.shape == (16, 1)", tmp_path, BACKEND)


@pytest.mark.slow  # exports three times
def test_a_discriminator_that_differs_replaces_nothing(tmp_path, monkeypatch):
    path, _ = trained(tmp_path / "run", "vanilla")
    monkeypatch.setattr(export_module, "LOGIT_TOLERANCE", -1.0)
    with pytest.raises(UsageError, match=r"differs from the discriminator: keras by .*nothing was"):
        export(path, ["keras"], backend=QUICK, discriminator=True)
    assert os.listdir(f"{path}/export") == []


def test_a_discriminator_needs_a_run_with_a_checkpoint(plain, tmp_path):
    def refused(match, source):
        with pytest.raises(UsageError, match=match) as caught:
            export(source, ["keras"], out=str(tmp_path / "out"), discriminator=True)
        assert "\n" not in str(caught.value)

    refused("A generator file holds no discriminator", f"{plain}/generator.keras")
    path, _ = trained(tmp_path / "run", "vanilla")
    for file in checkpoints.listing(tmp_path / "run" / "checkpoints"):
        file.unlink()
    refused("no checkpoint that can be read", path)
    assert not (tmp_path / "out").exists()


def run_program(*arguments):
    done = subprocess.run(
        [sys.executable, "export.py", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.slow  # starts a process
def test_the_program_prints_nothing_but_python(tmp_path):
    make_run(tmp_path / "mine", points(), backend=QUICK)
    done = run_program("--run=mine", f"--runs_dir={tmp_path}", "--format=keras,h5")
    assert (done.returncode, done.stderr) == (0, "")
    compile(done.stdout, "stdout", "exec")
    assert sorted(os.listdir(tmp_path / "mine" / "export")) == ["generator.h5", "generator.keras"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run=mien"], "mine"),
        (["--run=mine", "--format=onx"], "Valid: h5, keras, onnx, onnx_int8, savedmodel"),
        (["--run=mine", "--backend=cntk"], "tensorflow|jax|torch"),
    ],
)
def test_wrong_flags_are_one_sentence_and_exit_2(tmp_path, arguments, message):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps({"backend": QUICK}))
    done = run_program(f"--runs_dir={tmp_path}", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr
