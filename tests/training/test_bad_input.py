"""train.py and what a person gets wrong: one sentence, exit code 2, nothing made, nothing lost."""

import json
import shutil
import subprocess

import pytest
import running
import warm

pytestmark = pytest.mark.faults

SMALL = ["--model=dcgan", "--dataset=digits", "--set=image_size=16", "--set=width=4"]

# name -> (arguments, parts of the message)
WRONG = {
    "nothing": ([], ["--model", "--dataset", "--list"]),
    "no data set": (["--model=dcgan"], ["--dataset"]),
    "no model": (["--dataset=digits"], ["--model"]),
    "unknown model": (["--model=dcgna", "--dataset=digits"], ["'dcgna'", "Did you mean 'dcgan'"]),
    "unknown data set": (["--model=dcgan", "--dataset=digit"], ["'digit'", "'digits'"]),
    "unknown flag": ([*SMALL, "--epoch=3"], ["epoch", "epochs"]),
    "not a flag": ([*SMALL, "epochs=3"], ["epochs=3"]),
    "unknown backend": ([*SMALL, "--backend=theano"], ["theano", "tensorflow"]),
    "unknown precision": ([*SMALL, "--precision=float16"], ["float16", "mixed_bfloat16"]),
    "unknown precision set": ([*SMALL, "--set=precision=float16"], ["float16", "mixed_bfloat16"]),
    "unknown preset": ([*SMALL, "--preset=papper"], ["'papper'", "'paper'"]),
    "unknown key": ([*SMALL, "--set=widht=4"], ["'widht'", "Did you mean 'width'"]),
    "key without value": ([*SMALL, "--set=width"], ["--set key=value"]),
    "wrong type": ([*SMALL, "--set=width=abc"], ["`width`", "int", "'abc'"]),
    "wrong type of a flag": ([*SMALL, "--epochs=many"], ["epochs", "many"]),
    "no epochs": ([*SMALL, "--epochs=0"], ["`epochs`", "at least 1"]),
    "negative seed": ([*SMALL, "--seed=-1"], ["`seed`", "at least 0"]),
    "devices of no machine": ([*SMALL, f"--devices={10**20}"], ["--devices", str(10**20)]),
    "seed of no library": ([*SMALL, f"--seed={10**20}"], ["`seed`", str(10**20)]),
    "width of no machine": ([*SMALL, f"--set=width={10**20}"], ["`width`", str(10**20)]),
    "negative minutes": ([*SMALL, "--max_minutes=-1"], ["`max_minutes`", "at least 0"]),
    "out of range": ([*SMALL, "--set=beta_1=2"], ["`beta_1`", "beta_1=2"]),
    "no warm start": (
        [*SMALL, "--set=warm_start_rounds=-1"],
        ["`warm_start_rounds`", "at least 0"],
    ),
    "no number of rounds": ([*SMALL, "--set=warm_start_rounds=vae:1"], ["int", "'vae:1'"]),
    "unknown loss": ([*SMALL, "--set=loss=hing"], ["hing", "hinge"]),
    "unknown norm": ([*SMALL, "--set=discriminator_norm=layer"], ["layer", "batch"]),
    "no such size": ([*SMALL, "--set=image_size=8"], ["at least 9 pixels", "(8, 8, 1)"]),
    "no size": ([*SMALL, "--set=image_size=0"], ["image_size", "1 to 4096"]),
    "no such channels": ([*SMALL, "--set=channels=2"], ["channels", "2"]),
    "no such resize": ([*SMALL, "--set=resize=squash"], ["squash", "stretch"]),
    "large batch": ([*SMALL, "--batch_size=1619"], ["at most 1618", "1619"]),
    "large batches": (
        [*SMALL, "--batch_size=800", "--set=n_critic=3"],
        ["at most 539", "3 batches", "Received: 800"],
    ),
    "more moves than samples": ([*SMALL, "--set=n_critic=2000"], ["at least 2000", "n_critic=1"]),
    "no range of pixels": ([*SMALL, "--set=pixel_range=9"], ["LOW,HIGH", "0,4095", "'9'"]),
    "range of 8 bits": ([*SMALL, "--set=pixel_range=0,9"], ["no option 'pixel_range'"]),
    "no classes": (
        ["--model=gaussian", "--dataset=gaussian", "--set=even_classes=true"],
        ["no classes to draw evenly"],
    ),
    "no such folder": (["--model=dcgan", "--dataset=folder:nowhere"], ["nowhere"]),
    "existing run": ([*SMALL, "--name=done"], ["exists", "--resume=done", "--overwrite"]),
    "overwrite no run": ([*SMALL, "--name=notes", "--overwrite"], ["is not a run", "notes"]),
    "overwrite a file": ([*SMALL, "--name=file", "--overwrite"], ["file"]),
    "overwrite, wrong flag": ([*SMALL, "--name=done", "--overwrite", "--set=width=0"], ["width"]),
    "name is a path": ([*SMALL, "--name=../up"], ["--name", "../up"]),
    "empty name": ([*SMALL, "--name=", "--runs_dir=new", "--epochs=1"], ["--name"]),
    "runs_dir is a file": ([*SMALL, "--runs_dir=file"], ["file"]),
    "resume no run": (["--resume=dnoe"], ["'dnoe'", "done"]),
    "resume notes": (["--resume=notes"], ["is not a run"]),
    "resume, other values": (
        ["--resume=done", "--set=width=8", "--seed=3", "--epochs=9", "--dataset=mnist"],
        [
            *("width: 4 in the run, 8", "seed: 0 in the run, 3", "'digits' in the run, 'mnist'"),
            "--continue_from=done in the place of --resume",
        ],
    ),
    "resume, other model": (["--resume=done", "--model=wgan"], ["'dcgan'", "'wgan'"]),
    "resume, unknown key": (["--resume=done", "--set=widht=4"], ["'widht'", "'width'"]),
    "resume, wrong type": (["--resume=done", "--set=width=abc"], ["`width`", "'abc'"]),
    "resume, no epochs": (["--resume=spare", "--epochs=0"], ["`epochs`", "at least 1"]),
    "resume, sample_every": (
        ["--resume=spare", "--epochs=5", "--set=sample_every=0"],
        ["`sample_every`", "at least 1"],
    ),
    "resume, negative minutes": (
        ["--resume=spare", "--epochs=5", "--max_minutes=-1"],
        ["`max_minutes`", "at least 0"],
    ),
    "resume, damaged config": (["--resume=torn"], ["config.json"]),
    "resume, empty config": (["--resume=hollow"], ["config.json"]),
    "resume, other data": (["--resume=changed"], ["changed", "--continue_from"]),
    "resume, other features": (["--resume=weights"], ["features_hash: '000000", "--init_from"]),
    "resume, no checkpoint": (["--resume=bare"], ["no checkpoint", "--overwrite"]),
    "init from nothing": ([*SMALL, "--name=new", "--init_from=dnoe"], ["'dnoe'", "done"]),
    "init from text": ([*SMALL, "--name=new", "--init_from=text.keras"], ["text.keras"]),
    "init from half": ([*SMALL, "--name=new", "--init_from=half.keras"], ["half.keras"]),
    "init from a bare run": ([*SMALL, "--name=new", "--init_from=bare"], ["no checkpoint"]),
    "init from other shapes": (
        [*SMALL, "--name=new", "--init_from=done", "--set=width=8"],
        ["runs/done", "shapes", "differ", "width: 4 in the run, 8"],
    ),
    "init from other shapes in a file": (
        [*SMALL, "--name=new", "--init_from=runs/done/generator.keras", "--set=width=8"],
        ["shapes", "differ", "generator.keras"],
    ),
    "init from what is overwritten": (
        [*SMALL, "--name=done", "--init_from=done", "--overwrite"],
        ["--overwrite would delete runs/done", "another --name"],
    ),
    "continue from nothing": (["--continue_from=dnoe"], ["'dnoe'", "done"]),
    "continue from a bare run": (["--continue_from=bare"], ["no checkpoint"]),
    "continue and resume": (
        ["--continue_from=done", "--resume=done"],
        ["Leave one of them out", "--resume=done --continue_from=done"],
    ),
    "continue and begin": (
        ["--continue_from=done", "--init_from=spare"],
        ["Leave one of them out", "--init_from=runs/spare"],
    ),
    "continue, other model": (
        ["--continue_from=done", "--model=vanilla"],
        ["'dcgan' in the run, 'vanilla'", "--init_from=runs/done"],
    ),
    "continue, other preset": (["--continue_from=done", "--preset=paper"], ["'paper'"]),
    "continue, unknown key": (["--continue_from=done", "--set=widht=4"], ["'widht'", "'width'"]),
    "continue, other shapes": (
        ["--continue_from=done", "--set=image_size=32"],
        ["shapes of its networks", "--init_from=runs/done", "image_size: 16 in the run, 32"],
    ),
    "continue, other optimizer": (
        ["--continue_from=done", "--set=optimizer=rmsprop"],
        ["momentum and velocity", "'adam' in the run, 'rmsprop'"],
    ),
    "continue over itself": (
        ["--continue_from=done", "--name=done", "--overwrite"],
        ["--overwrite would delete runs/done"],
    ),
    "continue, existing run": (["--continue_from=done", "--name=spare"], ["runs/spare exists"]),
}

# name -> (arguments, part of stdout); these are valid and train nothing
RIGHT = {
    "list": (["--list"], ["dcgan", "digits", "folder:PATH"]),
    "dry run": (
        [*SMALL, "--dry_run", "--batch_size=100", "--epochs=2"],
        ["parameters", "32, 16 in an epoch", "width", "MiB"],
    ),
    "dry run of the paper": (
        ["--model=dcgan", "--dataset=digits", "--dry_run", "--preset=paper", "--set=width=4"],
        ["0.0002", "128"],
    ),
    "complete": (["--resume=done"], ["is complete: 4 epochs, 64 steps", "--epochs=8"]),
    "complete, by path": (["--resume=runs/done", "--set=width=4"], ["is complete"]),
    "dry run of other settings": (
        ["--continue_from=done", "--batch_size=50", "--epochs=2", "--dry_run"],
        ["64, 32 in an epoch"],
    ),
    "dry run of more": (["--resume=more", "--epochs=5", "--dry_run"], ["parameters"]),
}


def edit(path, **changes):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | changes))


@pytest.fixture(scope="module")
def folder(straight, tmp_path_factory):
    """A working directory with runs in several states."""
    folder = tmp_path_factory.mktemp("bad_input")
    runs = folder / "runs"
    for name in ("done", "spare", "more", "torn", "changed", "weights", "bare"):
        shutil.copytree(straight[0].directory, runs / name)
    (runs / "torn" / "config.json").write_text('{"model": "dc')
    edit(runs / "changed", data_fingerprint="0" * 64)
    of_features = {"discriminator_features": "efficientnet_lite0", "features_hash": "0" * 64}
    edit(runs / "weights", model="cats_and_dogs", **of_features)
    shutil.rmtree(runs / "bare" / "checkpoints")
    (runs / "hollow").mkdir()
    (runs / "hollow" / "config.json").write_text("{}")
    (runs / "notes").mkdir()
    (runs / "notes" / "mine.txt").write_text("mine")
    (runs / "file").write_text("mine")
    (folder / "file").write_text("mine")
    (folder / "text.keras").write_text("hello")
    content = (runs / "done" / "generator.keras").read_bytes()
    (folder / "half.keras").write_bytes(content[: len(content) // 2])
    return folder


@pytest.fixture(scope="module")
def answers(folder):
    """What train.py answered to each case; one process, because starting Keras takes seconds."""
    return running.ask(folder, {name: case[0] for name, case in (WRONG | RIGHT).items()})


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence_and_exit_code_2(answers, case):
    code, _, err, changed = answers[case]
    assert "Traceback" not in err, err
    lines = [line for line in err.splitlines() if not line.startswith("warning: ")]
    assert code == 2 and len(lines) == 1 and lines[0].startswith("error: "), err
    missing = [words for words in WRONG[case][1] if words not in lines[0]]
    assert not missing, err
    assert changed == []


@pytest.mark.parametrize("case", RIGHT)
def test_looking_changes_nothing(answers, case):
    code, out, err, changed = answers[case]
    assert (code, err, changed) == (0, "", [])
    missing = [words for words in RIGHT[case][1] if words not in out]
    assert not missing, out


def test_a_dry_run_counts_the_parameters(answers):
    gan, _ = running.build(latent_dim=100)
    _, out, _, _ = answers["dry run"]
    for network in (gan.generator, gan.discriminator):
        assert f"{network.count_params():,} parameters" in out


# Starts a process, because only there can one see what TensorFlow prints from C++.
@pytest.mark.slow
@pytest.mark.backend
def test_a_mistake_is_the_only_line_that_is_shown(tmp_path):
    arguments = [*running.flags(), f"--runs_dir={tmp_path / 'runs'}", "--set=width=abc"]
    process = running.launch(arguments)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 2 and out == ""
    assert err.startswith("error: `width`") and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("flag", "code", "message"),
    [("--help", 0, "--resume"), ("--list", 0, "folder:PATH"), ("--epochs=x", 2, "error: flag")],
)
def test_what_needs_no_keras_does_not_wait_for_it(flag, code, message):
    program = (
        "import runpy, sys\n"
        f"sys.argv = ['train.py', {flag!r}]\n"
        "sys.path.insert(0, '.')\n"
        "try:\n"
        "    runpy.run_path('train.py', run_name='__main__')\n"
        "finally:\n"
        "    assert not {'keras', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [warm.PYTHON, "-c", program], cwd=running.ROOT, capture_output=True, text=True
    )
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr
    assert message in (done.stderr if code else done.stdout)
