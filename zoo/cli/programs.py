"""Setup of the programs before Keras is imported: flags, backend, run lookup, exit codes.

Keras settles its backend when it is imported, and `import zoo` imports Keras, but for a program
whose file says `__keras_later__ = True`. This module needs only the standard library and absl.
"""

import atexit
import contextlib
import difflib
import functools
import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import platform
import shutil
import sys
import tempfile

from absl import app, flags, logging

from zoo import config_file, progress
from zoo.cli import exits
from zoo.errors import UsageError, one_of
from zoo.files import cache_folder, unwritable
from zoo.installation import as_typed, trained

FLAGS = flags.FLAGS
BACKENDS = ("tensorflow", "jax", "torch")


class _Path(flags.ArgumentParser):
    """A path with `~` for the home, which no shell expands behind the = of a flag."""

    def parse(self, argument):
        return argument if argument is None else os.path.expanduser(argument)


flags.DEFINE_bool("quiet", False, "Print only warnings, errors and where the result is.")
# A partial, not a function: absl shows a flag under the module that calls `flags.DEFINE`.
DEFINE_path = functools.partial(flags.DEFINE, _Path())


def main(run):
    """Parses the flags, calls `run()` and exits the process as `exits.one_line` says.

    Args:
        run: function without arguments. What it returns is the exit code; None is 0. --help shows
            the docstring of its module, and the flags that the module defines and adopts.
    """
    import_quietly()
    for stream in (sys.stdout, sys.stderr):
        # A file name may have letters that the terminal or the log cannot show.
        with contextlib.suppress(AttributeError):  # of a test or a notebook
            stream.reconfigure(errors="backslashreplace")
    with exits.one_line(flags.Error):
        app.run(lambda _: run(), flags_parser=lambda argv: _parse(argv, run.__module__))


def import_quietly():
    """Prepares a quiet import of Keras, without modules that no program here uses."""
    _replace_home()
    # TensorFlow's C++ side reads this when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not any(isinstance(finder, _TensorFlow) for finder in sys.meta_path):
        sys.meta_path[:0] = [_TensorFlow(), _Unneeded()]


def choose_backend(wanted=None, recorded=None):
    """Sets KERAS_BACKEND, which counts only before Keras is imported, and returns its value.

    Args:
        wanted: the requested backend; it must be installed.
        recorded: the backend a run was trained on; taken if it is installed. After it come the
            environment's KERAS_BACKEND and then the first of `BACKENDS` that is installed.

    Raises:
        UsageError: `wanted` is unknown or not installed, or none is.
    """
    if wanted:
        if wanted not in BACKENDS:
            raise UsageError(
                f"Unknown backend. Valid: {', '.join(BACKENDS)}. Received: --backend={wanted}."
            )
        if not _installed(wanted):
            raise UsageError(
                f"The backend {wanted} is not installed. Install it with `pip install {wanted}` "
                "or choose another with --backend. "
                f"Installed: {', '.join(installed_backends()) or 'none'}."
            )
        chosen = wanted
    else:
        candidates = [recorded, os.environ.get("KERAS_BACKEND"), *BACKENDS]
        chosen = next((b for b in candidates if b in BACKENDS and _installed(b)), None)
        if chosen is None:
            raise UsageError(
                "Keras needs a backend and none is installed. Install one with "
                "`pip install tensorflow`, `pip install jax` or `pip install torch`."
            )
    os.environ["KERAS_BACKEND"] = chosen
    if chosen == "jax":
        _keep_what_jax_compiles()
    return chosen


def installed_backends():
    """Returns those of `BACKENDS` that are installed."""
    return [backend for backend in BACKENDS if _installed(backend)]


def processor():
    """Returns the name of this machine's processor."""
    with contextlib.suppress(OSError, StopIteration), open("/proc/cpuinfo") as file:
        return next(line for line in file if line.startswith("model name")).split(":")[1].strip()
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def quietly():
    """Holds back what is written to stderr meanwhile, and shows it if an exception ends the block.

    For the import of Keras: TensorFlow 2.21 greets from C++ whatever TF_CPP_MIN_LOG_LEVEL says.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


def find_run(run, runs_dir="runs"):
    """Returns the path of a run directory: a name under `runs_dir`, or else a path.

    Raises:
        UsageError: there is no such directory (the message lists near names), or it holds no
            `config.json`.
    """
    places = [os.path.join(runs_dir, run), run]
    folders = [place for place in places if os.path.isdir(place)]
    for folder in folders:
        if os.path.isfile(os.path.join(folder, "config.json")):
            return folder
    if folders:
        raise UsageError(
            f"{folders[0]} is not a run: it has no config.json. Expected a directory that train.py "
            f"has written. Received: {run!r}."
        )
    names = _run_names(runs_dir)
    near = difflib.get_close_matches(run, names, n=3, cutoff=0.5) or names[:10]
    there = f"It holds, among others: {', '.join(near)}." if near else "It holds no run."
    raise UsageError(
        f"There is no run {run!r}. Expected a name under --runs_dir={runs_dir} or a path. {there}"
    )


def find_source(run, generator, runs_dir="runs"):
    """Returns the run directory or the generator file that one of two flags names.

    Args:
        run: value of --run, or None.
        generator: value of --generator, or None.
        runs_dir: where names of runs are looked up.

    Raises:
        UsageError: both or neither are given, or what is named does not exist.
    """
    if (run is None) == (generator is None):
        raise UsageError(
            "Expected exactly one of --run=NAME, --generator=FILE and --pretrained=NAME. "
            f"Received: --run={run} --generator={generator}."
        )
    if run is not None:
        return find_run(run, runs_dir)
    if not os.path.isfile(generator):
        raise UsageError(
            f"There is no generator file {generator!r}. Expected the path of a .keras or .h5 file; "
            "for a run directory use --run."
        )
    return generator


def source():
    """Returns the run directory or the file that --run, --generator or --pretrained names.

    Raises:
        UsageError: none or several are given, or what is named does not exist.
    """
    name = FLAGS.pretrained
    if name is None:
        return find_source(FLAGS.run, FLAGS.generator, FLAGS.runs_dir)
    if FLAGS.run is not None or FLAGS.generator is not None:
        raise UsageError(
            "Expected exactly one of --run=NAME, --generator=FILE and --pretrained=NAME. Received: "
            f"--pretrained={name} beside another."
        )
    return str(trained()[one_of("pretrained", name, trained())])


def recorded_backend(source):
    """Returns the backend in the `config.json` of a run directory, or None for anything else.

    Raises:
        UsageError: the config is damaged.
    """
    return (config_file.read(source) or {}).get("backend")


def define_source_flags():
    """Defines the flags of the programs that read a run.

    For --help to show them, a program also calls `flags.adopt_module_key_flags(programs)`.
    """
    DEFINE_path("run", None, "The run: a name under --runs_dir, or a path.")
    DEFINE_path("generator", None, "A generator file (.keras, .h5) instead of a run.")
    DEFINE_path("runs_dir", "runs", "Where runs are looked up by name.")
    flags.DEFINE_string("pretrained", None, "A trained generator of the package, by its name.")
    flags.DEFINE_enum(
        "backend",
        None,
        BACKENDS,
        "What Keras computes with; by default what the run was trained on, if it is installed.",
    )


class _TensorFlow(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports TensorFlow under `quietly`, and not at all where Keras computes with something else.

    Under every backend Keras imports it when it first saves a model, for seconds and some hundred
    megabytes, only to learn that it is there. Then it is found, because PyTorch asks where it is,
    and cannot be loaded. (`sys.modules["tensorflow"] = None` would not do: Keras takes the key for
    TensorFlow itself.) zoo/outputs/keras_alone.py, which imports nothing of ours, does the same.
    """

    def exec_module(self, module):
        why = f"not imported beside KERAS_BACKEND={os.environ['KERAS_BACKEND']}"
        raise ModuleNotFoundError(f"No module named 'tensorflow': {why}", name="tensorflow")

    def find_spec(self, name, path=None, target=None):
        if name != "tensorflow":
            return None
        others = (finder.find_spec(name, path) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, others), None)
        if spec is not None and (os.environ.get("KERAS_BACKEND") or name) != name:
            return importlib.machinery.ModuleSpec(name, self)
        if spec is not None:
            execute = spec.loader.exec_module

            def execute_quietly(module):
                with quietly():
                    execute(module)

            spec.loader.exec_module = execute_quietly
        return spec


class _Unneeded(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Keeps Keras, while it is itself imported, from importing what no program here uses of it.

    That is scikit-learn for wrappers around models, Matplotlib for galleries and, by way of
    TensorFlow, JAX for LiteRT: together a quarter of the time. To all that is imported later they
    are there.
    """

    def exec_module(self, module):
        name = module.__name__
        raise ModuleNotFoundError(f"No module named {name!r}: not imported for Keras", name=name)

    def find_spec(self, name, path=None, target=None):
        unneeded = name in ("sklearn", "matplotlib")
        unneeded |= name == "jax" and os.environ.get("KERAS_BACKEND") != "jax"
        keras = getattr(sys.modules.get("keras"), "__spec__", None)
        if unneeded and getattr(keras, "_initializing", False):
            return importlib.machinery.ModuleSpec(name, self)
        return None


def _parse(argv, module):
    # absl's own --help exits with 1, and shows the flags of the file that Python runs.
    if {"--help", "-help", "-h", "--helpshort"} & set(argv[1:]):
        defined = FLAGS.module_help(argv[0] if module == "__main__" else module)
        text = f"{sys.modules[module].__doc__}\nflags:\n{defined.partition(':')[2]}"
        with contextlib.suppress(BrokenPipeError):  # of `| head`
            print(as_typed(text), flush=True)
        sys.exit(0)
    rest = FLAGS(argv)
    if rest[1:]:
        raise UsageError(f"Expected only --flags. Received: {' '.join(rest[1:])}")
    progress.quiet = FLAGS.quiet
    # absl would raise the level to INFO, at which JAX tells which devices it did not find.
    if FLAGS["verbosity"].using_default_value:
        FLAGS.verbosity = logging.WARNING
    return rest


def _replace_home():
    """Lets Keras and Matplotlib keep their files elsewhere if the home cannot be written.

    Matplotlib would warn twice in each process. Keras would share a folder with all users of the
    machine, and take settings from it.
    """
    home = os.path.expanduser("~")
    if os.path.isabs(home) and os.access(home, os.W_OK):
        return
    root = cache_folder()
    if unwritable(root):
        root = tempfile.mkdtemp(prefix="keras-gan-zoo-")
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(root, "matplotlib"))
    os.environ.setdefault("KERAS_HOME", os.path.join(root, "keras"))


def _keep_what_jax_compiles():
    """Lets JAX find a step compiled before, on the same processor, instead of compiling it anew.

    What has not been used for longest is removed here: JAX itself would need another package for
    that, and would no longer keep anything after a process was killed while it did.
    """
    kind = hashlib.sha256(processor().encode()).hexdigest()[:8]
    folder = os.path.join(cache_folder(), "jax", kind)
    if unwritable(folder):
        return  # JAX would warn of each function that it cannot keep
    for name, value in {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }.items():
        os.environ.setdefault(name, value)
    if os.environ["JAX_COMPILATION_CACHE_DIR"] == folder:
        _prune(folder)


def _prune(folder, most=2**30):
    """Removes the files of a folder that were read longest ago, until `most` bytes are left."""
    files = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                state = entry.stat()
                files.append((state.st_atime, state.st_size, entry.path))
    kept = 0
    for _, size, path in sorted(files, reverse=True):
        kept += size
        if kept > most:
            with contextlib.suppress(FileNotFoundError):
                os.remove(path)


def _installed(backend):
    return importlib.util.find_spec(backend) is not None


def _run_names(runs_dir):
    if not os.path.isdir(runs_dir):
        return []
    return sorted(
        entry.name
        for entry in os.scandir(runs_dir)
        if os.path.isfile(os.path.join(entry.path, "config.json"))
    )
