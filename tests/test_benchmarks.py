"""The benchmarks run, and what they compare is comparable. No test looks at times."""

import importlib.util
import json
import os
import runpy
import subprocess
import sys

import helpers
import keras
import numpy as np
import pytest
from keras import layers

import zoo
from benchmarks import commands, operations, table
from benchmarks.measure import BATCH

WIDTH = 4


def run(*flags):
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *flags],
        cwd=helpers.ROOT,
        env=os.environ | {"KERAS_BACKEND": keras.config.backend()},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow  # a process for each measurement, each of which imports and compiles
def test_quick_measures_every_column(tmp_path):
    backend = keras.config.backend()
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- benchmarks -->\nold\n<!-- /benchmarks -->\nafter\n")
    flags = "--quick", "--models=dcgan", f"--backends={backend}", "--json", f"--out={tmp_path}"
    done = run(*flags, "--seconds=0.1", "--batch_sizes=16", f"--readme={page}")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results == json.loads((tmp_path / "results.json").read_text())
    assert {row["backend"] for row in results["rows"]} == {backend}
    for row in results["rows"]:
        for column in table.COLUMNS:
            assert row[column]["min"] <= row[column]["median"] <= row[column]["max"]
            assert row[column]["min"] > 0, (row["label"], column)
    labels = [row["label"] for row in results["rows"]]
    assert sum("bfloat16" in label for label in labels) == 1
    assert sum("batch size 16" in label for label in labels) == 1
    references = {row["implementation"] for row in results["rows"]} - {table.OURS}
    assert {ratio["reference"] for ratio in results["ratios"]} == references
    text = (tmp_path / "table.md").read_text()
    assert page.read_text() == f"before\n<!-- benchmarks -->\n{text}<!-- /benchmarks -->\nafter\n"
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert "round 1 of 1" in done.stderr and "left" in done.stderr


def test_what_is_compared_has_the_batch_of_the_references():
    candidates = runpy.run_module("benchmarks", run_name="benchmarks")["candidates"]
    compared = [c for c in candidates(["dcgan"], ["jax"], [64]) if "no penalty" in c.label]
    assert len(compared) == 2
    assert {c.spec["overrides"]["batch_size"] for c in compared} == {BATCH}


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--models=dcgn", "--models=dcgn"),
        ("--backends=cntk", "Received: --backends=cntk"),
        ("--rounds=0", "--rounds=0"),
        ("--widths=64,wide", "Received: --widths=64,wide"),
        ("--batch_sizes=0", "Received: --batch_sizes=0"),
        ("--readme=/nowhere.md", "--readme=/nowhere.md cannot be read"),
        ("--fast", "fast"),
    ],
)
def test_a_bad_flag_is_one_sentence(flag, message):
    done = run(flag)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_a_page_without_a_place_for_the_table_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- /benchmarks --> <!-- benchmarks -->")
    done = run(f"--readme={page}")
    assert done.returncode == 2 and "The table has no place in" in done.stderr


def test_operations_of_a_tiny_network_are_those_worked_out_by_hand():
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    network = keras.Sequential(
        [
            keras.Input((5, 5, 2)),
            # 3x3 positions of 3x3 taps, 2 channels to 4: 9 * 9 * 2 * 4 multiplications.
            layers.Conv2D(4, 3, 2, "same"),
            layers.BatchNormalization(),
            # Each of the 3x3 positions is multiplied by 2x2 taps, 4 channels to 1: 9 * 4 * 4.
            layers.Conv2DTranspose(1, 2, 2, "same"),
            # 6 rows of 6 columns: a dense layer at each of 6 positions, 6 to 6: 6 * 36.
            layers.Reshape((6, 6)),
            layers.Dense(6),
            # 4 positions of 3 taps, 6 channels to 2: 4 * 3 * 6 * 2.
            layers.Conv1D(2, 3),
            # 3 positions of 2 taps in each of two groups, 1 channel to 1: 3 * 2 * 2.
            layers.Conv1D(2, 2, groups=2),
            layers.Flatten(),
            # 6 to 2, in a model of its own: 12.
            inner,
        ]
    )
    by_hand = 9 * 9 * 2 * 4 + 9 * 4 * 4 + 6 * 36 + 4 * 3 * 6 * 2 + 3 * 2 * 2 + 12
    assert operations.of_network(network) == 2 * by_hand


@pytest.mark.parametrize(
    ("settings", "passes"),
    [
        ({"penalty": None}, (3, 8)),
        ({"penalty": "r1", "penalty_every": 4}, (3, 9.5)),
        ({"penalty": "r1_r2", "penalty_every": 1}, (3, 14)),
        ({"penalty": "dragan", "penalty_every": 1}, (3, 14)),
        ({"penalty": None, "n_critic": 3}, (5, 20)),
        ({"penalty": None, "packing": 2}, (3, 4)),
        ({"penalty": None, "accumulate": 2}, (4, 8)),
        ({"penalty": None, "loss": "relativistic"}, (3, 9)),
    ],
)
def test_passes_of_a_step_follow_the_rule(settings, passes):
    gan = helpers.small("dcgan", **settings)
    assert operations.passes(gan) == passes
    networks = [operations.of_network(n) for n in (gan.generator, gan.discriminator)]
    total = sum(p * n for p, n in zip(passes, networks, strict=True))
    assert operations.of_step(gan) == total / gan.n_critic


def test_a_step_of_its_own_is_not_counted(gan):
    class Other(type(gan)):
        def train_step(self, data):
            raise NotImplementedError

    other = Other(helpers.IMAGE_SHAPE, width=2)
    for game in (other, helpers.small("pix2pix")):
        assert operations.passes(game) is None and operations.of_step(game) is None


def test_a_variant_without_packing_is_counted():
    assert operations.of_step(helpers.small("conditional")) > 0


def ours():
    return zoo.create("dcgan", width=WIDTH, penalty=None)


def parameters(network):
    """Trainable and other parameters of a Keras network."""
    return [
        sum(int(np.prod(w.shape)) for w in weights)
        for weights in (network.trainable_weights, network.non_trainable_weights)
    ]


@pytest.mark.skipif(keras.config.backend() != "tensorflow", reason="its tapes are TensorFlow's")
@pytest.mark.slow  # traces two networks
def test_the_keras_reference_has_our_networks_and_trains():
    from benchmarks.references import keras_dcgan

    gan, reference = ours(), keras_dcgan.KerasDCGAN(WIDTH)
    for name in ("generator", "discriminator"):
        mine, other = getattr(gan, name), getattr(reference, name)
        assert parameters(mine) == parameters(other)
        assert operations.of_network(mine) == operations.of_network(other)
        other.set_weights(mine.get_weights())
        x = np.random.default_rng(0).normal(size=(3, *mine.input_shape[1:])).astype("float32")
        np.testing.assert_allclose(mine(x), other(x), rtol=1e-4, atol=1e-7)
    reference.compile()
    before = [helpers.numpy(w) for w in reference.trainable_weights]
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), "uint8")
    reference.fit(images, batch_size=8, verbose=0)
    after = [helpers.numpy(w) for w in reference.trainable_weights]
    for a, b, weight in zip(before, after, reference.trainable_weights, strict=True):
        assert np.isfinite(b).all() and not np.array_equal(a, b), weight.path


def as_in_torch(kernel, layer):
    """A kernel of ours as the layer of the reference has it; images are flat there by channels."""
    if kernel.ndim == 4:
        return kernel.transpose(3, 2, 0, 1)
    if kernel.ndim == 1:
        return kernel
    if layer.out_features == 1:
        return kernel.reshape(4, 4, -1).transpose(2, 0, 1).reshape(1, -1)
    return kernel.reshape(100, 4, 4, -1).transpose(3, 1, 2, 0).reshape(-1, 100)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_the_pytorch_reference_has_our_networks_and_trains():
    import torch

    from benchmarks.references import pytorch_dcgan

    gan, reference = ours(), pytorch_dcgan.PyTorchDCGAN(WIDTH)
    shapes = {"generator": (100,), "discriminator": (1, 28, 28)}
    for name, shape in shapes.items():
        mine, other = getattr(gan, name), getattr(reference, name)
        statistics = [b for b in other.buffers() if b.ndim]  # without the counts of batches
        assert parameters(mine) == [
            sum(p.numel() for p in group) for group in (other.parameters(), statistics)
        ]
        counted = pytorch_dcgan.operations(other, torch.zeros(1, *shape, device=reference.device))
        assert counted == operations.of_network(mine)
        layers_with_kernels = [m for m in other.modules() if hasattr(m, "weight")]
        kernels = [w for w in mine.weights if w.name in ("kernel", "gamma")]
        for layer, kernel in zip(layers_with_kernels, kernels, strict=True):
            layer.weight.data.copy_(torch.tensor(as_in_torch(helpers.numpy(kernel), layer)))
        x = np.random.default_rng(0).normal(size=(3, *mine.input_shape[1:])).astype("float32")
        seen = torch.tensor(np.moveaxis(x, -1, 1) if x.ndim == 4 else x).to(reference.device)
        drawn = other.eval()(seen).detach().cpu().numpy()
        other.train()
        drawn = np.moveaxis(drawn, 1, -1) if drawn.ndim == 4 else drawn
        expected = helpers.numpy(mine(x))
        np.testing.assert_allclose(drawn, expected, atol=1e-4 * np.abs(expected).max())
    weights = [*reference.generator.parameters(), *reference.discriminator.parameters()]
    before = [w.detach().clone() for w in weights]
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), "uint8")
    assert np.isfinite(float(reference.step(images)))
    for a, b in zip(before, weights, strict=True):
        assert torch.isfinite(b).all() and not torch.equal(a, b)
        assert b.requires_grad


def measured(round, implementation, backend, rate, operations=2.0):
    return {
        **{"round": round, "label": "x", "implementation": implementation, "backend": backend},
        **{"images_per_second": rate, "operations_per_second": operations and operations * rate},
        **{"first_step": 1.0, "import": 1.0, "data": 0.5, "memory": 1e6},
    }


def test_ratios_are_taken_within_a_round_and_the_limit_is_the_fastest_product():
    product = {"label": table.PRODUCT, "devices": ["CPU"], "side": 8}
    summary = table.summary(
        [
            # In the second round the whole machine is ten times slower.
            *(measured(i, table.OURS, "jax", r) for i, r in enumerate((100, 10))),
            *(measured(i, "Other", "torch", r, None) for i, r in enumerate((50, 5))),
            {"round": 0, "backend": "jax", "operations_per_second": 400.0, **product},
            {"round": 1, "backend": "torch", "operations_per_second": 800.0, **product},
        ]
    )
    assert summary["limit"]["backend"] == "torch"
    (ratio,) = summary["ratios"]
    assert [ratio[name] for name in ("median", "min", "max")] == [2, 2, 2]
    first, second = summary["rows"]
    assert first["of_limit"] == {"median": 110 / 800, "min": 20 / 800, "max": 200 / 800}
    assert second["of_limit"] is None
    assert "| jax | 2 |" in table.markdown({**summary, "about": "", "notes": []})


@pytest.mark.slow  # three programs, as whole processes
def test_commands_are_timed_as_whole_processes(tmp_path):
    done = run("--commands", "--quick", "--backends=tensorflow", f"--out={tmp_path}")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "commands.json").read_text())["rows"]
    for row in rows:
        (wall,), (cpu,) = row["wall"], row["cpu"]
        assert wall > 0 and cpu > 0
        assert f"`python {' '.join(row['command'])}`" in done.stdout
    assert [row["label"] for row in rows] == list(commands.commands(quick=True))


def test_a_command_that_fails_is_named_with_what_it_said(monkeypatch):
    monkeypatch.setattr(commands, "commands", lambda quick: {"wrong": ("train.py", "--modle=x")})
    with pytest.raises(RuntimeError, match=r"wrong: exit code 2, error: .*modle"):
        commands.measure("tensorflow", rounds=1)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch")
def test_the_pytorch_reference_trains_in_bfloat16_with_weights_of_float32():
    import torch

    from benchmarks.references import pytorch_dcgan

    reference, kinds = pytorch_dcgan.PyTorchDCGAN(WIDTH, bfloat16=True), []
    for layer in (reference.generator[3], reference.discriminator[2]):
        layer.register_forward_hook(lambda layer, inputs, output: kinds.append(output.dtype))
    images = np.random.default_rng(0).integers(0, 256, (8, 28, 28, 1), "uint8")
    assert np.isfinite(float(reference.step(images)))
    assert kinds == [torch.bfloat16] * 4
    assert {p.dtype for p in reference.discriminator.parameters()} == {torch.float32}
