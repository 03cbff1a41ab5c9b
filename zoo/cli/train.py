"""Trains a model of the zoo.

python train.py --model=dcgan --dataset=mnist
python train.py --resume=dcgan-mnist
python train.py --list
"""

import json
import os
import pathlib
import subprocess
import sys

from absl import flags

from zoo.cli import programs
from zoo.data.catalog import DATASETS, located
from zoo.errors import UsageError
from zoo.installation import ROOT, as_typed
from zoo.progress import say
from zoo.registry import MODELS

FLAGS = flags.FLAGS
flags.adopt_module_key_flags(programs)
STRATEGIES = ("auto", "none", "mirrored", "multiworker")

flags.DEFINE_string("model", None, "Which variant; --list shows them.")
flags.DEFINE_string("dataset", None, "Which data; --list shows them.")
AUTO = "; auto measures what is fastest"
flags.DEFINE_enum("backend", None, [*programs.BACKENDS, "auto"], f"What Keras computes with{AUTO}.")
flags.DEFINE_enum("strategy", "auto", STRATEGIES, "How devices share the work; auto: all GPUs.")
flags.DEFINE_integer("devices", None, "How many; without GPUs the CPU is divided into so many.")
flags.DEFINE_string("name", None, "Name of the run; by default from model and data set.")
programs.DEFINE_path("runs_dir", "runs", "Where run directories are kept.")
flags.DEFINE_string(
    "preset",
    "default",
    "default (the best measured, where it was), paper, or another that the model has.",
)
flags.DEFINE_multi_string("set", [], "key=value, any setting of the run or the model; repeatable.")
flags.DEFINE_integer("epochs", None, "Passes over the data.")
flags.DEFINE_float("max_minutes", None, "Budget of training time; a resumed run gets it again.")
flags.DEFINE_integer("batch_size", None, "Samples in one discriminator update.")
flags.DEFINE_integer("seed", None, "Seed of weights, noise and the order of the data.")
flags.DEFINE_enum(
    "precision",
    None,
    ["float32", "mixed_bfloat16", "mixed_float16", "auto"],
    f"Precision of the arithmetic{AUTO}.",
)
programs.DEFINE_path("data_dir", None, "Where TFDS finds prepared data sets.")
flags.DEFINE_bool("strict", False, "Refuse a folder with unreadable pictures.")
programs.DEFINE_path("resume", None, "Continue this run (a name or a path).")
programs.DEFINE_path(
    "continue_from",
    None,
    "Go on from this run in a new one with other settings: its weights, averages and optimizers.",
)
programs.DEFINE_path(
    "init_from", None, "Begin with the weights of a run or generator file, as far as they fit."
)
flags.DEFINE_bool("overwrite", False, "Delete an existing run of the same name.")
flags.DEFINE_bool("dry_run", False, "Show what would be trained, and stop.")
flags.DEFINE_bool("list", False, "Show the models and data sets, and stop.")

SHORTHANDS = ("epochs", "max_minutes", "batch_size", "seed", "precision")


def run():
    if FLAGS.list:
        return show_list()
    if FLAGS.resume is not None and FLAGS.continue_from is not None:
        raise UsageError(
            "--resume goes on with a run as it is, --continue_from in a new run with other "
            "settings. Leave one of them out. Received: "
            f"--resume={FLAGS.resume} --continue_from={FLAGS.continue_from}."
        )
    old = FLAGS.resume or FLAGS.continue_from
    path = programs.find_run(old, FLAGS.runs_dir) if old else None
    if path is None and not (FLAGS.model and FLAGS.dataset):
        raise UsageError(
            "Expected --model and --dataset, as in --model=dcgan --dataset=digits, or "
            "--resume=RUN or --continue_from=RUN. See them with --list."
        )
    recorded = programs.recorded_backend(path) if path else None
    if "auto" in (FLAGS.backend, FLAGS.precision):
        choose_fastest(path)
    backend = programs.choose_backend(FLAGS.backend, recorded)

    from zoo.backend import distribute

    layout = distribute(FLAGS.strategy, FLAGS.devices)
    code = work(path, layout, recorded, backend)
    layout.leave()
    return code


def work(path, layout, recorded, backend):
    """Trains on the devices of `layout`: a new run, perhaps from `path`, or the rest of `path`."""
    from zoo.runs import assembly, config
    from zoo.training import train

    if not layout.chief:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, until the process ends
    overrides = config.parse_assignments(FLAGS.set)
    overrides |= {n: FLAGS[n].value for n in SHORTHANDS if FLAGS[n].value is not None}
    source = assembly.Source(FLAGS.data_dir, FLAGS.strict)
    if path and FLAGS.resume:
        beside = [f"--{n}" for n in ("name", "overwrite", "init_from") if FLAGS[n].present]
        if beside:
            raise UsageError(
                "--resume goes on with a run as it is. Leave out "
                f"{', '.join(beside)}, or start a new run without --resume."
            )
        if recorded and backend != recorded:
            say(f"note: begun with {recorded}; with {backend} it goes on, but not bit for bit")
        new_settings = changes(path, overrides)
        if FLAGS.dry_run:
            print(train.dry_run(config.read(path) | new_settings, source, layout))
            return 0
        session = train.resume(
            pathlib.Path(path), source=source, changes=new_settings, layout=layout
        )
    else:
        if path:
            resolved = config.continued(path, changes(path, overrides))
        else:
            resolved = config.resolve(FLAGS.model, FLAGS.dataset, FLAGS.preset, overrides)
        if FLAGS.dry_run:
            print(train.dry_run(resolved, source, layout))
            return 0
        init_from = FLAGS.init_from
        if init_from and not pathlib.Path(init_from).is_file():
            init_from = programs.find_run(init_from, FLAGS.runs_dir)
        session = train.start(
            resolved,
            source=source,
            runs_dir=FLAGS.runs_dir,
            name=FLAGS.name,
            overwrite=FLAGS.overwrite,
            init_from=init_from,
            continue_from=path,
            layout=layout,
        )
    return finish(session)


def choose_fastest(path):
    """Puts what was measured in the place of "auto"; a run that goes on stays as it is."""
    auto = [name for name in ("backend", "precision") if FLAGS[name].value == "auto"]
    if path:
        for name in auto:
            FLAGS[name].value = None
        return
    if FLAGS.strategy == "multiworker":
        raise UsageError(
            "Workers that measure each for itself may not agree. Expected names instead of auto; "
            f"python -m zoo.fastest --model={FLAGS.model} measures. "
            f"Received: --strategy=multiworker {' '.join(f'--{name}=auto' for name in auto)}."
        )
    command = [sys.executable, "-m", "zoo.fastest", "--json", f"--model={FLAGS.model}"]
    command += [f"--dataset={located(FLAGS.dataset)}", f"--preset={FLAGS.preset}"]
    command += [f"--set={text}" for text in FLAGS.set]
    if FLAGS.data_dir:
        command.append(f"--data_dir={os.path.abspath(FLAGS.data_dir)}")
    if FLAGS.batch_size is not None:
        command.append(f"--set=batch_size={FLAGS.batch_size}")
    if FLAGS.backend != "auto":
        command.append(f"--backends={programs.choose_backend(FLAGS.backend)}")
    elif FLAGS.strategy == "mirrored" or (FLAGS.devices or 1) > 1:
        several = [b for b in programs.installed_backends() if b != "torch"]
        command.append(f"--backends={','.join(several)}")
    if FLAGS.precision != "auto":
        precisions = [text.partition("=")[2] for text in FLAGS.set if text.startswith("precision=")]
        command.append(f"--precisions={FLAGS.precision or (precisions or ['float32'])[-1]}")
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    answer = json.loads(done.stdout)
    for name in auto:
        FLAGS[name].value = answer[name]
    say("fastest    " + ", ".join(answer[name] for name in auto))


def changes(path, overrides):
    """Returns the settings requested beside a run, with the types of that run."""
    from zoo.runs import config

    recorded = config.read(path)
    new_settings = {"model": FLAGS.model} if FLAGS.model else {}
    if FLAGS.dataset:
        new_settings["dataset"] = located(FLAGS.dataset)
    if FLAGS["preset"].present:
        new_settings["preset"] = FLAGS.preset
    recipe = (recorded[name] for name in ("model", "dataset", "preset"))
    return new_settings | config.asked(*recipe, overrides)


def finish(session):
    directory = session.directory
    if not session.layout.chief:
        return 128 + session.signal if session.signal else 0
    if session.stop:
        print(f"stopped at step {session.step:,}: {session.stop}")
    print(f"samples    {directory / 'samples'}")
    print(f"report     {directory / 'report.html'}")
    import zoo

    for network in zoo.get(session.config["model"]).averaged:
        print(f"{network:10} {directory / network}.keras")
    if session.step < session.total_steps:
        print(as_typed(f"go on with: python train.py --resume={directory}"))
    return 128 + session.signal if session.signal else 0


def show_list():
    print("models")
    for name, (_, _, line) in sorted(MODELS.items()):
        print(f"  {name:16} {line}")
    print("data sets")
    for name, line in DATASETS.items():
        print(f"  {name:16} {line}")
    return 0


def start():
    """Runs the program and exits the process."""
    programs.main(run)
