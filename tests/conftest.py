import os

# JAX compiles each step anew, and toys do not repay the time that its optimiser takes.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# What TensorFlow's C++ side says while it is imported.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

SHARED = {}


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
def gan():
    return fresh("dcgan")


@pytest.fixture
def variant(request):
    """For `helpers.each_variant`: a small compiled model of each variant in turn."""
    return fresh(request.param)
