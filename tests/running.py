"""Small runs for the tests of this folder, and `train.py` many times in one process."""

import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import traceback
import unittest.mock

ROOT = pathlib.Path(__file__).parents[1]

# 1,618 digits make 16 steps an epoch and leave 18 samples over.
SETTINGS = {"image_size": 16, "width": 4, "latent_dim": 8, "batch_size": 100, "epochs": 4}
SETTINGS["score_every"] = None
STEPS = 16


def resolve(**changes):
    """Returns the config of a small run."""
    from zoo.runs import config

    return config.resolve("dcgan", "digits", overrides=SETTINGS | changes)


def build(**changes):
    """Returns a small compiled model and the completed config it was built with."""
    from zoo.runs import assembly

    config = resolve(**changes)
    config = assembly.complete(config, assembly.load_data(config, assembly.Source()))
    return assembly.build(config), config


def start(runs_dir, name, *, init_from=None, overwrite=False, **changes):
    from zoo.runs import assembly
    from zoo.training import train

    return train.start(
        resolve(**changes),
        source=assembly.Source(),
        runs_dir=runs_dir,
        name=name,
        overwrite=overwrite,
        init_from=init_from,
    )


def go_on(runs_dir, name, path, *, overwrite=False, **changes):
    """Starts a new run that goes on from the one at `path`."""
    from zoo.runs import assembly, config
    from zoo.training import train

    return train.start(
        config.continued(path, changes),
        source=assembly.Source(),
        runs_dir=runs_dir,
        name=name,
        overwrite=overwrite,
        continue_from=path,
    )


def resume(path, **changes):
    from zoo.runs import assembly
    from zoo.training import train

    return train.resume(path, source=assembly.Source(), changes=changes)


def stopped_at(path, step, **changes):
    """Resumes a run and stops it after a step, as Ctrl-C would."""
    from zoo.training import callbacks

    class Until(callbacks.Checkpoints):
        def on_train_batch_end(self, batch, logs=None):
            if self.session.step == step:
                self.session.stop = "interrupted"
                self.model.stop_training = True
            super().on_train_batch_end(batch, logs)

    with unittest.mock.patch.object(callbacks, "Checkpoints", Until):
        return resume(path, max_minutes=None, **changes)


def flags(**changes):
    """Returns the command line of a small run."""
    import keras

    return [
        "--model=dcgan",
        "--dataset=digits",
        f"--backend={keras.config.backend()}",
        *(f"--set={name}={value}" for name, value in (SETTINGS | changes).items()),
    ]


def assert_equal_runs(path, other):
    """Compares what the seed determines: the last checkpoint and metrics.csv."""
    from zoo.runs import checkpoints

    meta, arrays = checkpoints.read(checkpoints.listing(path / "checkpoints")[-1])
    expected_meta, expected = checkpoints.read(checkpoints.listing(other / "checkpoints")[-1])
    assert meta["step"] == expected_meta["step"]
    assert arrays.keys() == expected.keys()
    groups = {name.partition("/")[0] for name in arrays}
    assert groups == {"trainable", "other", "optimizer", "metrics"}
    differing = [n for n in arrays if arrays[n].tobytes() != expected[n].tobytes()]
    assert not differing
    assert (path / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()


def launch(arguments, **options):
    """Starts train.py in a new process."""
    return subprocess.Popen(
        [sys.executable, "train.py", *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def ask(folder, cases):
    """Runs train.py for each of `cases` (name -> arguments), one after another in one process.

    Args:
        folder: the working directory.

    Returns:
        dict of name -> (exit code, stdout, stderr, list of files that are new or gone).
    """
    import keras

    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps(list(cases.values())),
        cwd=folder,
        env=os.environ | {"KERAS_BACKEND": keras.config.backend()},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.splitlines()[-1])
    return dict(zip(cases, map(tuple, answers), strict=True))


def answer(arguments):
    from zoo.cli import programs, train

    before, finders = tree(), list(sys.meta_path)
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["train.py", *arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            programs.main(train.run)
            code = None
        except SystemExit as exit:
            code = exit.code or 0
        except BaseException:
            traceback.print_exc()
            code = 1
    # Reset what a new process would not have.
    sys.meta_path[:] = finders
    for flag in train.FLAGS:
        train.FLAGS[flag].unparse()
    train.FLAGS.unparse_flags()
    return code, out.getvalue(), err.getvalue(), sorted(before ^ tree())


def tree():
    return {str(p) for p in pathlib.Path().rglob("*")}


def fill_the_disk():
    """Saves again and again in the small file system of the working directory as it fills up."""
    import keras
    import numpy as np

    from zoo.errors import UsageError
    from zoo.runs import checkpoints
    from zoo.training import callbacks
    from zoo.training.session import Session

    gan, _ = build()
    run = pathlib.Path("run").absolute()
    session = Session(run, {}, STEPS)
    watcher = callbacks.Checkpoints(session)
    watcher.set_model(gan)
    watcher.save()
    needed = sum(path.stat().st_size for path in run.rglob("*.*"))
    refused = 0
    for room in np.linspace(0, needed, 9).astype(int):
        session.step += 1
        space = os.statvfs(".")
        filler = pathlib.Path("filler")
        filler.write_bytes(b"x" * max(space.f_bavail * space.f_frsize - int(room), 0))
        try:
            watcher.save()
        except UsageError as error:
            assert "could not be written" in str(error), error
            refused += 1
        filler.unlink()
        assert not [p for p in run.rglob("*") if "part" in p.name]
        for path in checkpoints.listing(run / "checkpoints"):
            checkpoints.read(path)
        keras.models.load_model(run / "generator.keras")
    assert 4 <= refused < 9, refused
    print("refused often, never damaged")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    if sys.argv[1:] == ["full"]:
        fill_the_disk()
    else:
        print(json.dumps([answer(arguments) for arguments in json.load(sys.stdin)]))
