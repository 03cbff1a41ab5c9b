import collections
import os
import pathlib
import tempfile

import filelock
import pytest

# What TensorFlow's C++ side says while it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# As the processes that tests start: PyTorch's sums depend in their last bit on the threads, and
# threads that must share the cores make it many times slower.
os.environ["OMP_NUM_THREADS"] = "1"
# What JAX compiles for one test another finds, in this process and in those that tests start.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(pathlib.Path(__file__).parent / ".jax_cache")
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "0"

# What all tests of a process have in common: models by name, and how JAX compiles.
SHARED = {}
# What takes longest comes first: of two test processes none should be left with it at the end.
LONGEST = ("test_readme.py", "test_replicas.py", "test_parity.py", "test_workers.py")


def pytest_collection_modifyitems(items):
    sizes = collections.Counter(item.path for item in items)
    quick = {item.path for item in items if "quick_compilation" in item.fixturenames}

    def place(item):
        longest = LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST)
        # Together, so that what JAX has compiled serves all of them; the larger ones first.
        return longest, item.path in quick, -sizes[item.path] if item.path in quick else 0

    items.sort(key=place)


@pytest.fixture(scope="module")
def quick_compilation():
    """For toys: JAX compiles each step anew, and they do not repay the time its optimiser takes.

    Where one test of a module asks for it, all have it.
    """


@pytest.fixture(scope="module", autouse=True)
def compilation(request):
    own = (item for item in request.session.items if item.path == request.path)
    _optimise(not any("quick_compilation" in item.fixturenames for item in own))


def _optimise(wanted):
    import keras

    if keras.config.backend() != "jax":
        return
    import jax

    # Its state cannot be read.
    if SHARED.setdefault("optimised", True) != wanted:
        SHARED["optimised"] = wanted
        jax.config.update("jax_disable_most_optimizations", not wanted)
        # What was compiled otherwise would be used again, and rounds differently.
        jax.clear_caches()


def fresh(name):
    """A small compiled model as it was when it was made. All tests share one of each variant."""
    import helpers

    if name not in SHARED:
        gan = helpers.small(name)
        gan.compile()
        SHARED[name] = gan, helpers.snapshot(gan)
    gan, state = SHARED[name]
    helpers.restore(gan, state)
    return gan


@pytest.fixture
def gan(quick_compilation):
    return fresh("dcgan")


@pytest.fixture
def variant(request, quick_compilation):
    """For `helpers.each_variant`: a small compiled model of each variant in turn."""
    return fresh(request.param)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A folder with one folder for each installed backend, as `parity.py make` fills it."""
    import helpers

    # One for all test processes: whoever comes second waits for it.
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made"
    with filelock.FileLock(f"{folder}.lock"):
        if not folder.exists():
            part = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
            helpers.on_each_backend(lambda backend: (helpers.PARITY, "make", part / backend))
            part.rename(folder)
    return folder


@pytest.fixture(scope="session")
def straight(tmp_path_factory):
    """A small run of 4 epochs without interruption: its session and the History of its `fit`."""
    import running

    from zoo.game import GAN

    histories, fit = [], GAN.fit

    def remember(*args, **kwargs):
        histories.append(fit(*args, **kwargs))
        return histories[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "fit", remember)
        session = running.start(tmp_path_factory.mktemp("straight") / "runs", "straight")
    (history,) = histories
    return session, history
