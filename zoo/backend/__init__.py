"""Autodiff and step glue for the active Keras backend: the only place that names one.

Each backend file offers the same few functions:

- `vjp(fn, variables)` -> `(outputs, pullback)`, where `fn()` returns a dict of tensors;
  `pullback(cotangents)`, a dict of the same names, gives d(outputs)/d(variables) contracted with
  them, one gradient per variable. It may be called once.
- `made_grad(fn, made, variables)` -> `(loss, aux, gradients, own)`, where `fn(made)` returns
  `(loss, aux)`: the gradients at the tensors of the dict `made`, by name, and those of the
  variables, in one backward pass. Not differentiable again.
- `value_and_grad(fn, variables)` -> `(loss, aux, grads)`, where `fn()` returns `(loss, aux)`.
- `input_grad(fn, x)` -> `(values, gradient)`: the gradient of `sum(fn(x))` with respect to `x`, of
  the shape of `x`, differentiable again.
- `train_step(body)`: decorator that turns `body(self, data) -> logs` into the `train_step` that
  `keras.Model.fit` calls on this backend.
- `no_grad()`: context in which nothing is recorded for differentiation.
- `apply(optimizer, gradients, variables)`: one update with the sum of all replicas' gradients,
  which the optimizer clips, if it clips, after they have been added up.
- `replicas()` -> `(count, index)`: how many replicas take this step together, and which is this.
- `mean(x)`: the mean of a tensor over those replicas, the same on all of them, differentiable.
- `gather(x)`: the batches of all replicas, one after the other, the same on all of them.
- `logs(values)`: the running means that a step returns, name -> scalar, as Keras takes them.
- `value_of(variable)`: its value as a numpy array, which asks no other worker.
- `replicas_of(model)`: how many replicas a model was made for.
- `prepare(network)`: makes batch normalisation see the batch of all replicas, right in the second
  derivatives that a penalty needs, and layers fast whose gradient is slow, whatever Keras's own
  layers are here. Raises UsageError for layers that cannot be trained here in their dtype.
- `stream(model, make)`: what `model.fit` takes for the batches of the generator `make()`.
- `distribute(strategy, devices)` -> `Layout`: the devices of this process, see there.
- `single(model)`: context in which other models are made, and this one, if it is given, is run, by
  this process alone while it trains on several devices or together with other processes.
- `JIT_PENALTIES`: whether second derivatives work under `jit_compile=True`.
- `JIT_REPLICAS`: whether several replicas work under it.
- `out_of_memory(error)`: whether an exception says that a device had no memory left.
- `devices()` -> names of the devices that compute, for a person.

`drawn(draw, shape, seed)` is written once for all.

A variable that does not take part gets a gradient of zeros, on every backend. Whatever `fn` assigns
to other variables (batch normalisation statistics, seeds) takes effect exactly once.
"""

import keras

from zoo.backend.layout import ALONE, STRATEGIES, Layout
from zoo.errors import UsageError

_BACKEND = keras.config.backend()

if _BACKEND == "tensorflow":
    from zoo.backend.tensorflow import (
        JIT_PENALTIES,
        JIT_REPLICAS,
        apply,
        devices,
        distribute,
        gather,
        input_grad,
        logs,
        made_grad,
        mean,
        no_grad,
        out_of_memory,
        prepare,
        replicas,
        replicas_of,
        single,
        stream,
        train_step,
        value_and_grad,
        value_of,
        vjp,
    )
elif _BACKEND == "jax":
    from zoo.backend.jax import (
        JIT_PENALTIES,
        JIT_REPLICAS,
        apply,
        devices,
        distribute,
        gather,
        input_grad,
        logs,
        made_grad,
        mean,
        no_grad,
        out_of_memory,
        prepare,
        replicas,
        replicas_of,
        single,
        stream,
        train_step,
        value_and_grad,
        value_of,
        vjp,
    )
elif _BACKEND == "torch":
    from zoo.backend.torch import (
        JIT_PENALTIES,
        JIT_REPLICAS,
        apply,
        devices,
        distribute,
        gather,
        input_grad,
        logs,
        made_grad,
        mean,
        no_grad,
        out_of_memory,
        prepare,
        replicas,
        replicas_of,
        single,
        stream,
        train_step,
        value_and_grad,
        value_of,
        vjp,
    )
else:
    raise UsageError(
        "The Keras backend must be one that can train. Expected KERAS_BACKEND to be tensorflow, "
        f"jax or torch; set it before Keras is imported. Received: {_BACKEND!r}."
    )


def drawn(draw, shape, seed):
    """Returns `draw(shape, seed=seed)`, of which each replica has its part.

    Together the replicas have what one would have drawn for all of them.

    Args:
        draw: function of `keras.random`.
        shape: tuple; its first axis is that of the samples.
        seed: keras.random.SeedGenerator.
    """
    count, index = replicas()
    if count == 1:
        return draw(shape, seed=seed)
    size = shape[0]
    samples = draw((size * count, *shape[1:]), seed=seed)
    return samples[index * size : (index + 1) * size]


__all__ = [
    "ALONE",
    "JIT_PENALTIES",
    "JIT_REPLICAS",
    "STRATEGIES",
    "Layout",
    "apply",
    "devices",
    "distribute",
    "drawn",
    "gather",
    "input_grad",
    "logs",
    "made_grad",
    "mean",
    "no_grad",
    "out_of_memory",
    "prepare",
    "replicas",
    "replicas_of",
    "single",
    "stream",
    "train_step",
    "value_and_grad",
    "value_of",
    "vjp",
]
