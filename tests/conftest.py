import os
import pathlib
import sys
import tempfile

import filelock
import pytest
import warm

# What TensorFlow's C++ side says while it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The same as in the processes that tests start. The last bit of PyTorch's sums depends on the
# number of threads, and PyTorch is many times slower when threads share a core.
os.environ["OMP_NUM_THREADS"] = "1"
# Tests share what JAX compiles, in this process and in those that they start.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(pathlib.Path(__file__).parent / ".jax_cache")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

# For small models JAX's optimiser takes longer than it saves, and so does another way to fuse.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false")

warm.keep_protocols()

# The models that all tests of a process share, by name and by how they take steps.
SHARED = {}
# The slowest files run first, so that no test process is left alone with one at the end.
LONGEST = [
    *("test_readme.py", "test_app_in_browser.py", "test_replicas.py", "test_workers.py"),
    *("test_registry.py", "test_resume.py", "test_parity.py", "test_kernels.py"),
    *("test_packaging.py", "test_copies.py", "test_translation.py", "test_step.py"),
    *("test_ways_to_run.py", "test_layouts.py", "test_evaluate.py", "test_library.py"),
]


def pytest_collection_modifyitems(items):
    def place(item):
        return LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def quick_processes(tmp_path_factory):
    """What tests start as `sys.executable` need not import Keras anew."""
    if not hasattr(os, "pidfd_open"):  # not Linux
        yield
        return
    # All test processes share the servers, which end with the process that started these.
    base, several = tmp_path_factory.getbasetemp(), "PYTEST_XDIST_WORKER" in os.environ
    folder = (base.parent if several else base) / "warm"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        owner = os.getppid() if several else os.getpid()
        patch.setattr(sys, "executable", warm.interpreter(folder, owner))
        yield


@pytest.fixture
def optimised(monkeypatch):
    """JAX optimises what it compiles, here and in processes that are started, as for users."""
    import keras

    if keras.config.backend() != "jax":
        yield
        return
    import jax

    def compile_anew(quick):
        jax.config.update("jax_disable_most_optimizations", quick)
        # JAX would reuse what it compiled with the other setting, which rounds differently.
        jax.clear_caches()

    quick = os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] not in ("", "0")
    monkeypatch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "0")
    compile_anew(False)
    yield
    compile_anew(quick)


@pytest.fixture(scope="module")
def eager_steps():
    """TensorFlow takes the steps of a file eagerly: a few are faster than tracing one.

    For files whose subject is no tracing: test_registry.py traces every variant, test_fit.py
    batches of other sizes, test_resume.py a phase. With ZOO_FAULTS=all these are traced, too.
    """
    import helpers
    import keras

    with pytest.MonkeyPatch.context() as patch:
        if keras.config.backend() == "tensorflow" and not helpers.ALL_FAULTS:
            written = keras.Model.run_eagerly.fset
            patch.setattr(keras.Model, "run_eagerly", property(lambda self: True, written))
        yield


def fresh(name):
    """Returns a small compiled model in its initial state. All tests share one of each variant."""
    import helpers
    import keras

    # A model that has taken a step eagerly would not trace another.
    key = name, keras.Model.run_eagerly
    if key not in SHARED:
        gan = helpers.small(name)
        gan.compile()
        SHARED[key] = gan, helpers.snapshot(gan)
    gan, state = SHARED[key]
    helpers.restore(gan, state)
    return gan


@pytest.fixture
def gan():
    return fresh("dcgan")


@pytest.fixture
def variant(request):
    """For `helpers.each_variant`: a small compiled model of each variant in turn."""
    return fresh(request.param)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with one folder for each installed backend, as `parity.py make` fills it."""
    import helpers

    # All test processes share one: the first makes it, and the others wait.
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made"
    with filelock.FileLock(f"{folder}.lock"):
        if not folder.exists():
            temporary = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
            helpers.on_each_backend(lambda backend: (helpers.PARITY, "make", temporary / backend))
            temporary.rename(folder)
    return folder


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """The session and the `fit` History of a small run of 4 uninterrupted epochs."""
    import running

    from zoo.game import GAN

    histories, fit = [], GAN.fit_checked

    def remember(*args, **kwargs):
        histories.append(fit(*args, **kwargs))
        return histories[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "fit_checked", remember)
        session = running.start(tmp_path_factory.mktemp("straight") / "runs", "straight")
    (history,) = histories
    return session, history
