"""Training a run: from a config to a directory with a generator.

`generator.keras` is the generator of the last checkpoint. generate.py, evaluate.py and export.py
read it with --run. If pictures are scored during training, the best generator is kept beside it, as
`generator-best.keras` (use it with --generator=FILE) and `checkpoints/best.npz`.
"""

import contextlib
import functools
import json
import pathlib
import sys
import zlib

import zoo
from zoo import backend
from zoo.backend import ALONE
from zoo.data import batches
from zoo.data.catalog import LOCAL, located
from zoo.drawing import pictures
from zoo.errors import UsageError
from zoo.progress import say
from zoo.report import report
from zoo.runs import assembly, checkpoints, directory
from zoo.runs import config as configs
from zoo.scoring.judge import find_judge
from zoo.tasks.task import task_of
from zoo.training import callbacks, continuation, memory, notes, old_run, transfer
from zoo.training.progress import TrainingProgress
from zoo.training.session import Clock, DirectoryThere, FiniteLosses, Session, StopSignals


def start(
    config,
    *,
    source,
    runs_dir,
    name=None,
    overwrite=False,
    init_from=None,
    continue_from=None,
    layout=ALONE,
):
    """Trains a new run and returns its final `Session`.

    Args:
        config: as `zoo.runs.config.resolve` returns it, or `continued`.
        source: `zoo.runs.assembly.Source` of the data.
        runs_dir: path in which the run directory is made.
        name: of the run, or None.
        overwrite: bool, whether an existing run of this name is deleted.
        init_from: path of a run directory or generator file with initial weights, or None.
        continue_from: path of a run directory with the initial weights, averages and optimizer
            states, or None. `config.continued` gives the config.
        layout: `zoo.backend.Layout`, the devices to train on.

    Raises:
        UsageError: see the messages.
    """
    if init_from is not None and continue_from is not None:
        raise UsageError(
            "--continue_from takes all of a run, --init_from the weights that fit. Leave one of "
            f"them out. Received: --continue_from={continue_from} --init_from={init_from}."
        )
    rounds = config.get("warm_start_rounds", 0)
    if init_from is not None and rounds:
        raise UsageError(
            "--init_from and warm_start_rounds both decide what the generator begins with. Leave "
            f"one of them out. Received: --init_from={init_from}, warm_start_rounds={rounds}."
        )
    dataset = load(config, source)
    config = assembly.complete(config, dataset)
    old, lines, begun = None, [], continue_from or init_from
    if continue_from is not None:
        old = old_run.read(pathlib.Path(continue_from), with_optimizers=True)
        config["rounds_before"] = old.rounds
    steps = assembly.steps_per_epoch(config, dataset)
    check_workers(layout, config)
    gan = assembly.build(config, layout)
    if old is not None:
        lines = continuation.go_on(gan, config, old)
        del old  # and its memory
    elif init_from is not None:
        lines = transfer.take(gan, config, pathlib.Path(init_from))
    if not layout.chief:
        return train(gan, dataset, Session(None, config, steps, layout=layout))
    judge = find_judge(config, source.data_dir)
    path = directory.create(runs_dir, name, config["model"], config["dataset"], overwrite, begun)
    with directory.locked(path):
        directory.write_json(path / "config.json", config)
        shared = {"replicas": layout.replicas, "workers": layout.workers}
        environment = {**directory.environment(), **shared, "begins_with": begun and str(begun)}
        directory.write_json(path / "environment.json", environment)
        for line in (*lines, *(f"note: {note}" for note in notes.notes(dataset, config))):
            say(line)
        if dataset.skipped:
            lines = "".join(f"{name}\t{reason}\n" for name, reason in dataset.skipped)
            # Names of files may be no UTF-8.
            file = path / "skipped.tsv"
            file.write_text(lines, encoding="utf-8", errors="backslashreplace")
            print(
                f"warning: {len(dataset.skipped)} files were skipped; see {file}", file=sys.stderr
            )
        memory.tell(gan, dataset, config)
        session = Session(path, config, steps, judge=judge, layout=layout)
        return train(gan, dataset, session)


def resume(path, *, source, changes=None, layout=ALONE):
    """Continues a run from its newest good checkpoint and returns its final `Session`.

    Args:
        path: pathlib.Path of the run directory.
        source: `zoo.runs.assembly.Source` of the data.
        changes: dict, new settings; only those in `config.RESUMABLE` may differ, and the path in
            the name of a data set.
        layout: `zoo.backend.Layout`, the devices to train on; their number may differ from before.
            All workers read the same run directory.

    Raises:
        UsageError: a setting differs that changes the computation, the data have changed, no
            checkpoint can be read, another process trains in the run, or the workers do not read
            the same checkpoint.
    """
    config = configs.read(path)
    changes = changes or {}
    # None asks for the default, which may depend on the samples.
    unset = config | {name: None for name, value in changes.items() if value is None}
    sized = configs.sized(unset, config["sample_shape"])
    changes = {name: sized[name] if value is None else value for name, value in changes.items()}
    # The fingerprint decides whether a folder in another place holds the same data.
    kinds = {name.partition(":")[0] for name in (config["dataset"], changes.get("dataset") or "")}
    moved = ("dataset",) if len(kinds) == 1 and kinds <= set(LOCAL) else ()
    ignored = (*configs.RESUMABLE, *moved)
    differing = configs.differences(config, changes, ignored=ignored)
    if differing:
        raise UsageError(
            f"{path} was started with other settings. Leave them out to go on, or go on with them "
            f"in a new run, with --continue_from={path.name} in the place of --resume. "
            f"Received: {'; '.join(differing)}."
        )
    config |= {name: changes[name] for name in ignored if name in changes}
    config["dataset"] = located(config["dataset"])  # runs of before may have a relative path
    configs.check(config)
    dataset = load(config, source)
    if dataset.fingerprint != config["data_fingerprint"]:
        raise UsageError(
            f"The data set {config['dataset']} has changed since {path} was started, so the run "
            "cannot go on as it began. Expected the fingerprint "
            f"{config['data_fingerprint'][:12]}; restore the data, or go on with these in a new "
            f"run, --continue_from={path}. Received: {dataset.fingerprint[:12]}."
        )
    changed = configs.differences(config, assembly.dependencies(config))
    if changed:
        raise UsageError(
            f"{path} depends on files that are others here, so the run cannot go on as it began. "
            f"Start a new run with --init_from={path}. Received: {'; '.join(changed)}."
        )
    # Only the chief writes.
    with directory.locked(path) if layout.chief else contextlib.nullcontext():
        return go_on(path, config, dataset, source, layout)


def go_on(path, config, dataset, source, layout):
    """Trains the rest of a run from its newest good checkpoint; see `resume`."""
    if layout.chief:
        checkpoints.tidy(path / "checkpoints")
    steps = assembly.steps_per_epoch(config, dataset)
    checkpoint = checkpoints.newest(path / "checkpoints")
    check_workers(layout, config, checkpoint)
    if checkpoint is None:
        raise UsageError(
            f"{path} has no checkpoint that can be read, so there is nothing to go on from. Start "
            f"it anew with --name={path.name} --overwrite."
        )
    meta, arrays = checkpoint
    gan = assembly.build(config, layout)
    checkpoints.restore(gan, arrays)
    memory.tell(gan, dataset, config)
    session = Session(
        path,
        config,
        steps,
        step=meta["step"],
        seconds=meta["seconds"],
        cpu_seconds=meta.get("cpu_seconds", 0.0),
        layout=layout,
    )
    if session.step >= session.total_steps:
        print(
            f"{path} is complete: {config['epochs']} epochs, {session.step:,} steps. "
            f"Go on with --resume={path.name} --epochs={config['epochs'] * 2}."
        )
        return session
    if session.step % steps:
        session.metrics = [arrays[n] for n in sorted(arrays) if n.startswith("metrics/")]
    prepare(session, source)
    say(f"going on with {path} at step {session.step:,} of {session.total_steps:,}")
    return train(gan, dataset, session)


def prepare(session, source):
    """Writes the config of a resumed run and finds its judge, on the worker that writes."""
    if session.layout.chief:
        session.judge = find_judge(session.config, source.data_dir)
        directory.write_json(session.directory / "config.json", session.config)


def check_workers(layout, config, checkpoint=None):
    """Raises UsageError unless all workers have the same config and the same checkpoint.

    Args:
        layout: `zoo.backend.Layout`.
        config: completed, with the fingerprint of the data.
        checkpoint: as `checkpoints.newest` returns it.
    """
    step = checkpoint[0]["step"] if checkpoint else -1
    digest = zlib.crc32(json.dumps(config, sort_keys=True).encode())
    answers = layout.gather([digest, step])
    if any(other[0] != answers[0][0] for other in answers):
        raise UsageError(
            "The workers do not train the same: their settings or their data differ. Expected all "
            "of them to be started with the same flags and to find the same data. "
            f"Received: {', '.join(f'{int(other[0]):08x}' for other in answers)}."
        )
    if any(other != answers[0] for other in answers):
        raise UsageError(
            "The workers do not find the same checkpoint to go on from. Expected the run directory "
            "to be on a file system that all of them share. Received: the steps "
            f"{', '.join(str(int(other[1])) for other in answers)}."
        )


def train(gan, dataset, session):
    """Runs the remaining steps, then writes the latent walk and the report."""
    watchers = [Clock(session), FiniteLosses(session)]
    with contextlib.ExitStack() as stack:
        if session.layout.chief:
            watchers += writers(dataset, session, stack)
        fit(gan, dataset, session, watchers)
    if session.layout.chief:
        if (walk := task_of(gan.task).walk(gan, dataset)) is not None:
            pictures.save_png(session.directory / "walk.png", *walk)
        report.write_report(session.directory)
    return session


def writers(dataset, session, stack):
    """Returns the callbacks that write and print. Their cleanup goes to an `ExitStack`."""
    config, events = session.config, callbacks.new_events(session)
    stack.enter_context(contextlib.closing(events))
    task = task_of(zoo.get(config["model"]).task)
    if task.judged:
        scores = callbacks.ImageScores(session, events)
    else:
        scores = callbacks.Scores(session, events, dataset, task)
    # Also printed after a run that diverged: its best generator still exists.
    stack.callback(scores.say_best)
    if session.step == 0:
        events.text(
            0, "config", "\n".join(f"- {k}: {v}" for k, v in config.items() if k != "class_names")
        )
    return [
        DirectoryThere(session),
        callbacks.Tables(session, events),
        scores,
        callbacks.Samples(session, events, dataset, task),
        callbacks.Checkpoints(session),
        TrainingProgress(session),
    ]


def fit(gan, dataset, session, watchers):
    """Runs the remaining steps."""
    config, steps = session.config, session.steps_per_epoch
    epoch, done = divmod(session.step, steps)
    # A resumed epoch is shorter than the others, which one call to fit cannot express.
    parts = [(epoch, epoch + 1, steps - done)] if done else []
    parts.append((epoch + len(parts), config["epochs"], steps))
    with (
        StopSignals(session),
        session.layout.training(),
        memory.told(gan, dataset, session),
    ):
        for first, last, length in parts:
            if first >= last or session.stop:
                continue
            # Each part gets its own stream because Keras reads ahead.
            arguments = dataset, assembly.batch_size(config), config["seed"], session.step
            make = functools.partial(tuples, *arguments, config["even_classes"])
            stream = backend.stream(gan, make)
            gan.fit_checked(
                stream,
                initial_epoch=first,
                epochs=last,
                steps_per_epoch=length,
                callbacks=watchers,
                shuffle=False,
                verbose=0,
            )


def load(config, source):
    """Returns the data set of a run. Raises UsageError unless it suits the model."""
    dataset = assembly.load_data(config, source)
    task_of(zoo.get(config["model"]).task).check(config["model"], dataset)
    if config["even_classes"]:
        batches.check_classes(dataset)
    return dataset


def tuples(*arguments):
    """Yields batches in the form Keras expects from a generator: tuples of one."""
    return ((batch,) for batch in batches.batches(*arguments))


def dry_run(config, source, layout=ALONE):
    """Returns a description of a run: config, networks, steps and an estimate of memory."""
    dataset = load(config, source)
    config = assembly.complete(config, dataset)
    steps = assembly.steps_per_epoch(config, dataset)
    gan = assembly.build(config, layout)
    lines = [f"{name:28} {value}" for name, value in config.items() if name != "class_names"]
    lines += [
        "",
        *(f"{n:28} {gan.network(n).count_params():,} parameters" for n in gan.network_names),
        f"{'devices':28} {layout.replicas}",
        f"{'steps':28} {steps * config['epochs']:,}, {steps:,} in an epoch",
        f"{'memory, at least':28} {memory.estimate(gan, config) / 2**20:,.0f} MiB for the step, "
        f"{dataset.bytes_in_memory / 2**20:,.0f} MiB for the data",
    ]
    return "\n".join(lines)
