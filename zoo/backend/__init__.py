"""Autodiff and step glue for the active Keras backend: the only place that names one.

Each backend file offers the same few functions:

- `vjp(fn, variables)` -> `(outputs, pullback)`; `pullback(cotangent)` gives d(outputs)/d(variables)
  contracted with `cotangent`, one gradient per variable.
- `value_and_grad(fn, variables)` -> `(loss, aux, grads)`, where `fn()` returns `(loss, aux)`.
- `input_grad(fn, x)` -> `(values, gradient)`: the gradient of `sum(fn(x))` with respect to `x`, of
  the shape of `x`, differentiable again.
- `train_step(body)`: decorator that turns `body(self, data) -> logs` into the `train_step` that
  `keras.Model.fit` calls on this backend.
- `no_grad()`: context in which nothing is recorded for differentiation.
- `replicas()` -> `(count, index)`: how many replicas take this step together, and which is this.
- `JIT_PENALTIES`: whether second derivatives work under `jit_compile=True`.
- `devices()` -> names of the devices that compute, for a person.

A variable that does not take part gets a gradient of zeros, on every backend. Whatever `fn` assigns
to other variables (batch normalisation statistics, seeds) takes effect exactly once.
"""

import keras

from zoo.errors import UsageError

_BACKEND = keras.config.backend()

if _BACKEND == "tensorflow":
    from zoo.backend.tensorflow import (
        JIT_PENALTIES,
        devices,
        input_grad,
        no_grad,
        replicas,
        train_step,
        value_and_grad,
        vjp,
    )
elif _BACKEND == "jax":
    from zoo.backend.jax import (
        JIT_PENALTIES,
        devices,
        input_grad,
        no_grad,
        replicas,
        train_step,
        value_and_grad,
        vjp,
    )
elif _BACKEND == "torch":
    from zoo.backend.torch import (
        JIT_PENALTIES,
        devices,
        input_grad,
        no_grad,
        replicas,
        train_step,
        value_and_grad,
        vjp,
    )
else:
    raise UsageError(
        "The Keras backend must be one that can train. Expected KERAS_BACKEND to be tensorflow, "
        f"jax or torch; set it before Keras is imported. Received: {_BACKEND!r}."
    )

__all__ = [
    "JIT_PENALTIES",
    "devices",
    "input_grad",
    "no_grad",
    "replicas",
    "train_step",
    "value_and_grad",
    "vjp",
]
