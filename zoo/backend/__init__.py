"""Autodiff and step glue for the active Keras backend: the only place that names a backend.

Each backend file offers the same few functions:

- `vjp(fn, variables)` -> `(outputs, pullback)`. `fn()` returns a dict of tensors, the outputs.
  `pullback(cotangents)` takes a dict with the same names and returns d(outputs)/d(variables)
  contracted with the cotangents, one gradient per variable. It may be called once.
- `made_grad(fn, made, variables)` -> `(loss, aux, gradients, own)`, where `fn(made)` returns
  `(loss, aux)`. One backward pass computes `gradients`, a dict with the gradient at each tensor of
  the dict `made`, and `own`, the gradients of the variables. They cannot be differentiated again.
- `value_and_grad(fn, variables)` -> `(loss, aux, grads)`, where `fn()` returns `(loss, aux)`.
- `input_grad(fn, x)` -> `(values, gradient)`: the gradient of `sum(fn(x))` with respect to `x`, in
  the shape of `x`. It can be differentiated again.
- `train_step(body)`: decorator that turns `body(self, data) -> logs` into the `train_step` that
  `keras.Model.fit` calls on this backend.
- `test_step(body)`: likewise for `test_step`. Nothing is trained, and `input_grad` works.
- `usable(model)`: context around an evaluation, after which the model has its weights whatever
  ended it. For a training Keras sees to that.
- `normal(shape, seed, compiled=False)`, `uniform(shape, seed)`: draws of N(0, 1) and U(0, 1) in
  float32 from a `keras.random.SeedGenerator`, the same whether Keras compiles the step or not.
  `compiled` says whether it does.
- `compiled(fn, networks)`: `fn` as a function of arrays and tensors that is compiled once for each
  of their shapes. It reads the weights of `networks`, trains nothing, and may call `input_grad`.
- `no_grad()`: context in which nothing is recorded for differentiation.
- `apply(optimizer, gradients, variables)`: makes one update with the sum of all replicas'
  gradients. An optimizer that clips gradients clips the sum.
- `approach(averages, values, share)`: makes each variable of `averages` the one of `values` plus
  `share`, a scalar tensor, of what it differed by.
- `replicas()` -> `(count, index)`: the number of replicas that take this step together, and the
  index of this one.
- `mean(x)`: the mean of a tensor over those replicas. It is the same on all of them and
  differentiable.
- `gather(x)`: the batches of all replicas, joined along the first axis. The result is the same on
  all of them.
- `logs(values)`: the running means that a step returns, name -> scalar, in the form that Keras
  expects.
- `value_of(variable)`: the value of a variable as a numpy array, without waiting for other workers.
- `replicas_of(model)`: how many replicas a model was made for.
- `prepare(network)`: replaces what Keras's layers do badly on this backend. Batch normalisation
  then sees the batch of all replicas and has the correct second derivatives that a penalty needs,
  and layers with a slow gradient become fast. Raises UsageError for layers that this backend cannot
  train in their dtype.
- `stream(model, make)`: the batches of the generator `make()`, in the form that `model.fit` takes.
- `distribute(strategy, devices)` -> `Layout`: the devices that this process trains on; see
  `Layout`.
- `single(model)`: context for work that this process does alone during a training on several
  devices or processes: making other models, and running `model` if it is given.
- `FREEZES_OTHERS`: whether a compiled function keeps the values that variables outside of what it
  is given had when it was compiled, such as the optimizer's in an evaluation.
- `JIT_PENALTIES`: whether second derivatives work under `jit_compile=True`.
- `JIT_REPLICAS`: whether several replicas work under `jit_compile=True`.
- `out_of_memory(error)`: whether an exception says that a device ran out of memory.
- `devices()` -> names of the devices in use, for people to read.

`drawn(draw, shape, seed)` is the same on all backends.

On every backend, a variable that is not used gets a gradient of zeros. Assignments that `fn`
makes to other variables (batch normalisation statistics, seeds) take effect exactly once.
"""

import keras

from zoo.backend.layout import ALONE, STRATEGIES, Layout
from zoo.errors import UsageError

_BACKEND = keras.config.backend()

if _BACKEND == "tensorflow":
    from zoo.backend.tensorflow import (
        FREEZES_OTHERS,
        JIT_PENALTIES,
        JIT_REPLICAS,
        apply,
        approach,
        compiled,
        devices,
        distribute,
        gather,
        input_grad,
        logs,
        made_grad,
        mean,
        no_grad,
        normal,
        out_of_memory,
        prepare,
        replicas,
        replicas_of,
        single,
        stream,
        test_step,
        train_step,
        uniform,
        usable,
        value_and_grad,
        value_of,
        vjp,
    )
elif _BACKEND == "jax":
    from zoo.backend.jax import (
        FREEZES_OTHERS,
        JIT_PENALTIES,
        JIT_REPLICAS,
        apply,
        approach,
        compiled,
        devices,
        distribute,
        gather,
        input_grad,
        logs,
        made_grad,
        mean,
        no_grad,
        normal,
        out_of_memory,
        prepare,
        replicas,
        replicas_of,
        single,
        stream,
        test_step,
        train_step,
        uniform,
        usable,
        value_and_grad,
        value_of,
        vjp,
    )
elif _BACKEND == "torch":
    from zoo.backend.torch import (
        FREEZES_OTHERS,
        JIT_PENALTIES,
        JIT_REPLICAS,
        apply,
        approach,
        compiled,
        devices,
        distribute,
        gather,
        input_grad,
        logs,
        made_grad,
        mean,
        no_grad,
        normal,
        out_of_memory,
        prepare,
        replicas,
        replicas_of,
        single,
        stream,
        test_step,
        train_step,
        uniform,
        usable,
        value_and_grad,
        value_of,
        vjp,
    )
else:
    raise UsageError(
        "This Keras backend cannot train. Expected KERAS_BACKEND to be tensorflow, jax or torch. "
        f"Set it before Keras is imported. Received: {_BACKEND!r}."
    )


def drawn(draw, shape, seed):
    """Returns this replica's part of one draw that all replicas share.

    The parts of all replicas together equal the draw of a single replica with the whole batch.

    Args:
        draw: `normal` or `uniform`, or another function of a shape and a seed.
        shape: tuple, the shape of this replica's part; the first axis counts the samples.
        seed: keras.random.SeedGenerator.
    """
    count, index = replicas()
    if count == 1:
        return draw(shape, seed)
    size = shape[0]
    samples = draw((size * count, *shape[1:]), seed)
    return samples[index * size : (index + 1) * size]


__all__ = [
    "ALONE",
    "FREEZES_OTHERS",
    "JIT_PENALTIES",
    "JIT_REPLICAS",
    "STRATEGIES",
    "Layout",
    "apply",
    "approach",
    "compiled",
    "devices",
    "distribute",
    "drawn",
    "gather",
    "input_grad",
    "logs",
    "made_grad",
    "mean",
    "no_grad",
    "normal",
    "out_of_memory",
    "prepare",
    "replicas",
    "replicas_of",
    "single",
    "stream",
    "test_step",
    "train_step",
    "uniform",
    "usable",
    "value_and_grad",
    "value_of",
    "vjp",
]
