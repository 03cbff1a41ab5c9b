"""The outputs of a run in training: tables, scores, pictures, checkpoints and the generator."""

import contextlib
import json
import sys
import time

import keras

from zoo import backend, keras_files
from zoo.drawing import pictures
from zoo.errors import UsageError
from zoo.progress import say
from zoo.runs import checkpoints, directory
from zoo.runs.csv_files import append_csv, keep_scores, keep_whole_epochs, read_csv, write_csv
from zoo.runs.events import EventWriter
from zoo.scoring.judge import NO_SCORES
from zoo.training.session import SessionCallback

SCORING = 0.05  # largest share of the training time for scores of pictures
CHECKPOINTING = 0.02  # largest share of the time for writing checkpoints
ALIKE = 0.1  # share of the spread of real samples, below which samples count as collapsed
PATIENCE = 1000  # steps before samples that never differed count as collapsed


class Tables(SessionCallback):
    """metrics.csv, timings.csv and TensorBoard scalars, a row for each epoch.

    metrics.csv depends on the config and the seed alone, so `cmp` can compare two runs. Values that
    differ between machines are in timings.csv.
    """

    def __init__(self, session, events):
        super().__init__(session)
        self.events = events
        self.metrics = session.directory / "metrics.csv"
        self.timings = session.directory / "timings.csv"
        for path in (self.metrics, self.timings):
            keep_whole_epochs(path, session)
        self.mark = None

    def on_train_batch_end(self, batch, logs=None):
        if self.mark is None:
            self.mark = (time.monotonic(), self.session.step)

    def on_epoch_end(self, epoch, logs=None):
        session = self.session
        row = {
            "epoch": epoch + 1,
            "step": session.step,
            "images": session.images,
            **{
                name: float(logs[name]) if name in logs else _mean(tracker)
                for name, tracker in self.model.trackers.items()
                if name != "loss"
            },
        }
        players = self.model.optimizer
        for player, optimizer in zip(players.names, players.optimizers, strict=True):
            rate = keras.ops.convert_to_numpy(optimizer.learning_rate)
            row[f"{player}_learning_rate"] = float(rate)
        append_csv(self.metrics, row)
        (before, first), now = self.mark, time.monotonic()
        speed = (session.step - first) * session.images_per_step / max(now - before, 1e-9)
        self.mark = (now, session.step)
        append_csv(
            self.timings,
            {
                "epoch": epoch + 1,
                "step": session.step,
                "seconds": round(session.seconds + session.elapsed, 3),
                "cpu_seconds": round(session.cpu_seconds + session.cpu_elapsed, 3),
                "images_per_second": round(speed, 1),
            },
        )
        others = ("epoch", "step", "images")
        scalars = {name: x for name, x in row.items() if name not in others and x != ""}
        self.events.scalars(session.step, scalars | {"images_per_second": speed})


def _mean(tracker):
    """Returns the mean of a value that the epoch's last step did not have; "" if no step had it.

    In an epoch in which a phase ends, the steps before the end have other values.
    """
    count = float(backend.value_of(tracker.count))
    return float(backend.value_of(tracker.total)) / count if count else ""


class Samples(SessionCallback):
    """Pictures from the averaged networks, for the same inputs each time.

    If all samples of two pictures in a row are alike, a warning goes to stderr, to TensorBoard and
    to `warnings.csv`, which the report shows. `stop_on_collapse` ends the run. The first samples of
    some networks hardly differ. Before `PATIENCE` steps this does not count as collapse.
    """

    def __init__(self, session, events, dataset, task):
        super().__init__(session)
        self.events = events
        self.dataset = dataset
        self.task = task
        self.alike = []  # steps of the latest pictures in a row with samples all alike
        self.differed = False
        self.path = session.directory / "warnings.csv"
        keep_scores(self.path, session.step, None)

    def on_train_begin(self, logs=None):
        if self.session.step == 0:
            self.draw()

    def on_train_batch_end(self, batch, logs=None):
        if self.session.step % self.session.config["sample_every"] == 0:
            self.draw()

    def on_train_end(self, logs=None):
        self.draw()

    def draw(self):
        session = self.session
        drawn = self.task.draw(self.model, self.dataset, session.config)
        path = session.directory / "samples" / f"step-{session.step:07d}.png"
        pictures.save_png(path, drawn.picture)
        self.events.image(session.step, "real and generated", drawn.comparison)
        if drawn.diversity is not None:
            self.events.scalars(session.step, {"sample_diversity": drawn.diversity})
            self.watch(drawn.diversity)

    def watch(self, diversity):
        session = self.session
        if not diversity < ALIKE:
            self.alike, self.differed = [], True
        elif (self.differed or session.step >= PATIENCE) and session.step not in self.alike:
            self.alike.append(session.step)
            if len(self.alike) == 2:
                self.warn(diversity)

    def warn(self, diversity):
        session = self.session
        text = (
            f"The samples are all alike since step {self.alike[0]:,}: they differ from one another "
            f"by {diversity:.1%} of what real ones do. The generator has collapsed; see "
            'docs/resume.md, "When training goes wrong".'
        )
        append_csv(self.path, {"step": session.step, "warning": text})
        self.events.text(session.step, "warning", text)
        print(f"\nwarning: {text}", file=sys.stderr)
        if session.config["stop_on_collapse"]:
            session.stop_request = "the samples are all alike"
            # With several workers, `Clock` informs the others first.
            if session.layout.workers == 1:
                session.stop = session.stop or session.stop_request
                self.model.stop_training = True


class Scores(SessionCallback):
    """Scores that need no judge, after each epoch: scores.csv, TensorBoard, and evaluation.json."""

    def __init__(self, session, events, dataset, task):
        super().__init__(session)
        self.events = events
        self.dataset = dataset
        self.task = task
        self.path = session.directory / "scores.csv"
        keep_whole_epochs(self.path, session)

    def on_epoch_end(self, epoch, logs=None):
        session = self.session
        scores = self.task.scores(self.model, self.dataset, session.config)
        if not scores:
            return
        scores = {name: float(value) for name, value in scores.items()}
        append_csv(self.path, {"step": session.step, **scores})
        path = session.directory / "evaluation.json"
        content = {"step": session.step, **scores}
        # Results of evaluate.py name their checkpoint, so they stay.
        directory.write_json(path, content | _evaluations(path))
        self.events.scalars(session.step, scores)

    def say_best(self):
        """Does nothing: only the latest generator is kept."""


class ImageScores(SessionCallback):
    """Scores of pictures during training, and the best generator so far.

    Every `score_every` thousand images the session's judge scores the averaged generator and writes
    a row of scores.csv and TensorBoard scalars. Scores take at most 5 % of the training time so
    far; a score that would exceed this waits. Training is the same with and without scores, bit for
    bit, because the samples have seeds of their own.

    The best score, over this session and the sessions it resumes, belongs to `checkpoints/best.npz`
    and `generator-best.keras`. Scores with other features or another number of samples cannot be
    compared. If a resumed run changes these, the best starts over.
    """

    def __init__(self, session, events):
        super().__init__(session)
        self.events = events
        self.judge = session.judge
        self.path = session.directory / "scores.csv"
        self.spent = 0.0
        self.cost = self.judge.seconds if self.judge else 0.0
        self.files = NetworkFiles(session, "{}-best.keras")
        # The score is stored in the file itself, so score and weights always match.
        self.best = checkpoints.read_meta(session.directory / "checkpoints" / checkpoints.BEST)
        rows = keep_scores(self.path, session.step, self.best.get("step"))
        self.plan(int(rows[-1]["images"]) if rows else 0)

    def plan(self, images):
        """Plans the next score at a multiple of `score_every`, so resuming does not shift it."""
        every = max(1000 * (self.session.config["score_every"] or 0), 1)
        self.following = (images // every + 1) * every

    def on_train_batch_end(self, batch, logs=None):
        session = self.session
        if self.judge is None or session.images < self.following:
            return
        if self.spent + self.cost <= SCORING * session.elapsed:
            self.plan(session.images)
            start = time.monotonic()
            try:
                self.judge.prepare()
            except UsageError as error:
                say(NO_SCORES.format(str(error).rstrip(".")))
                self.judge = None
                return
            prepared = time.monotonic()
            self.score()
            self.cost = time.monotonic() - prepared
            self.spent += time.monotonic() - start

    def score(self):
        session = self.session
        with backend.single():
            value = self.judge.score(self.model)
        if value is None:
            return  # `FiniteLosses` will report the reason
        if not self.comparable() or value < self.best["frechet"]:
            self.save(value)
        row = {
            "step": session.step,
            "images": session.images,
            "frechet": value,
            "floor": self.judge.floor,
            **self.judge.protocol,
        }
        others = [row for row in read_csv(self.path) if int(row["step"]) != session.step]
        write_csv(self.path, sorted([*others, row], key=lambda row: int(row["step"])), list(row))
        self.events.scalars(session.step, {"frechet": value, "frechet_floor": self.judge.floor})
        session.scored = f"  frechet {value:.4g}"

    def comparable(self):
        """Returns whether there is a best score by the same protocol."""
        return self.judge.protocol.items() <= self.best.items()

    def save(self, value):
        session = self.session
        meta = {**session.meta(), "frechet": value, **self.judge.protocol}
        # The checkpoint last: after a crash in between, the same score is computed and saved again.
        with saving(session):
            self.files.write(self.model)
            folder = session.directory / "checkpoints"
            if checkpoints.save(folder, self.model, meta, name=checkpoints.BEST):
                self.best = meta

    def say_best(self):
        """Prints the best score and the time that scores took, if there are any."""
        if not self.best:
            return
        best, session = self.best, self.session
        text = (
            f"best score: frechet {best['frechet']:.4g} at step {best['step']:,} "
            f"({best['samples']:,} samples, {best['features']}"
        )
        if self.judge and self.judge.floor is not None and self.comparable():
            text += f", floor {self.judge.floor:.4g}"
        text += f"), {session.directory / 'generator-best.keras'}"
        if self.spent:
            share = self.spent / max(session.elapsed, 1e-9)
            text += f"; scores took {self.spent:.1f} s, {share:.1%} of the time"
        print(text)


class Checkpoints(SessionCallback):
    """Checkpoints and the exported generator, every few minutes and at the end.

    If writing takes long, they are written less often, within their share of the time.
    """

    def __init__(self, session):
        super().__init__(session)
        self.files = NetworkFiles(session, "{}.keras")
        self.cost = 0.0  # seconds that the last one took
        self.saved_at = time.monotonic()
        self.saved_step = None

    def on_train_begin(self, logs=None):
        if self.session.step == 0:
            self.save()

    def on_train_batch_end(self, batch, logs=None):
        # The last step of an epoch waits until the epoch's row has been written.
        if self.session.step % self.session.steps_per_epoch:
            self.save_if_due()

    def on_epoch_end(self, epoch, logs=None):
        self.save_if_due()

    def on_train_end(self, logs=None):
        self.save()

    def save_if_due(self):
        wanted = 60 * self.session.config["checkpoint_minutes"]
        # 0 asks for one after each step, whatever it costs.
        pause = max(wanted, self.cost / CHECKPOINTING) if wanted else 0.0
        if self.model.stop_training or time.monotonic() - self.saved_at >= pause:
            self.save()

    def save(self):
        session = self.session
        if session.step == self.saved_step:
            return
        start = time.monotonic()
        with saving(session):
            folder = session.directory / "checkpoints"
            if checkpoints.save(folder, self.model, session.meta()) is not None:
                self.files.write(self.model)
        self.saved_at, self.saved_step = time.monotonic(), session.step
        self.cost = self.saved_at - start


@contextlib.contextmanager
def saving(session):
    """Turns errors of the disk into a UsageError."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"The checkpoint of step {session.step} could not be written ({error.strerror}). "
            "The earlier ones are good: make room, then go on with "
            f"python train.py --resume={session.directory}."
        ) from error


class NetworkFiles:
    """The files of the networks that draw, with their averaged weights.

    Args:
        session: the `Session` whose directory gets the files.
        name: str, file name, with `{}` for the name of the network.
    """

    def __init__(self, session, name):
        self.directory, self.name = session.directory, name
        self.networks = {}  # made once: it takes seconds

    def write(self, model):
        for name in model.averaged:
            if name not in self.networks:
                self.networks[name] = model.inference_network(name)
            average = model.network(f"ema_{name}")
            self.networks[name].set_weights(average.get_weights())
            keras_files.save(self.networks[name], self.directory / self.name.format(name))


def new_events(session):
    return EventWriter(session.directory / "events", resumed_at=session.step)


def _evaluations(path):
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    evaluations = content.get("evaluations") if isinstance(content, dict) else None
    return {"evaluations": evaluations} if isinstance(evaluations, dict) else {}
