"""JAX: the step as a pure function of its variables. See `zoo/backend/__init__.py`.

Keras hands `train_step` the values of all variables and takes the new ones back. Inside, a
`keras.StatelessScope` maps each variable to its current value, so that the same body runs here as
on the other backends. A gradient opens an inner scope, in which the variables differentiated with
respect to are the function's arguments; what else the function assigns is returned as auxiliary
output and assigned again in the scope outside.
"""

import atexit
import contextlib
import ctypes
import functools
import itertools
import os
import re
import signal
import sys
import threading

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils

from zoo.backend import cluster
from zoo.backend.layout import Layout, check_devices, chosen, part_of
from zoo.errors import UsageError

JIT_PENALTIES = True
JIT_REPLICAS = True
PATIENCE = 600  # seconds in which all workers must have come
HEARTBEAT = 30  # seconds without a sign of life after which a worker counts as gone

# The variables of the scopes now open, innermost last: an inner scope does not see what its
# enclosing scope holds, so it must be told the current value of each of them.
_known_variables = []


@contextlib.contextmanager
def _knowing(variables):
    _known_variables.append(variables)
    try:
        yield
    finally:
        _known_variables.pop()


def _pure(fn, variables):
    """Returns `fn` as `pure(values, *args) -> (outputs, updates)`, and `push` for the updates."""
    differentiated = {id(v) for v in variables}
    known = _known_variables[-1] if _known_variables else []
    others = [v for v in known if id(v) not in differentiated]
    all_known = [*variables, *others]
    before = [v.value for v in others]
    changed = []

    def pure(values, *args):
        mapping = list(zip(all_known, [*values, *before], strict=True))
        with _knowing(all_known), keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = fn(*args)
        after = [scope.get_current_value(v) for v in others]
        changed[:] = [i for i, v in enumerate(others) if after[i] is not before[i]]
        return outputs, [after[i] for i in changed]

    def push(updates):
        for i, value in zip(changed, updates, strict=True):
            others[i].assign(value)

    return pure, push


def vjp(fn, variables):
    pure, push = _pure(fn, variables)
    outputs, pullback, updates = jax.vjp(pure, [v.value for v in variables], has_aux=True)
    push(updates)
    return outputs, lambda cotangent: pullback(cotangent)[0]


def value_and_grad(fn, variables):
    pure, push = _pure(fn, variables)

    def loss_first(values):
        (loss, aux), updates = pure(values)
        return loss, (aux, updates)

    (loss, (aux, updates)), grads = jax.value_and_grad(loss_first, has_aux=True)(
        [v.value for v in variables]
    )
    push(updates)
    return loss, aux, grads


def input_grad(fn, x):
    pure, push = _pure(fn, [])

    def total(x):
        values, updates = pure([], x)
        return values.sum(), (values, updates)

    gradient, (values, updates) = jax.grad(total, has_aux=True)(x)
    push(updates)
    return values, gradient


def train_step(body):
    @functools.wraps(body)
    def step(self, state, data):
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        variables = list(itertools.chain(*groups))
        values = list(itertools.chain(*state))
        mapping = list(zip(variables, values, strict=True))
        with _knowing(variables), keras.StatelessScope(state_mapping=mapping) as scope:
            logs = body(self, data)
        return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)

    return step


def no_grad():
    return contextlib.nullcontext()


def replicas():
    # Under keras.distribution the step sees the whole batch: JAX shards it inside.
    return 1, 0


def apply(optimizer, gradients, variables):
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.apply(gradients, variables)
        return
    # Its `apply` assigns within a condition, which JAX lets nothing out of.
    variables = [*variables, *optimizer.variables]
    values = [v.value for v in variables]
    count = len(gradients)
    weights, state = optimizer.stateless_apply(values[count:], gradients, values[:count])
    for variable, value in zip(variables, [*weights, *state], strict=True):
        variable.assign(value)


def mean(x):
    return x


def logs(values):
    return values


def value_of(variable):
    return keras.ops.convert_to_numpy(variable)


def replicas_of(model):
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.device_mesh.devices.size


def stream(model, make):
    count, index = jax.process_count(), jax.process_index()
    if replicas_of(model) == 1 or count == 1:
        return make()
    return (part_of(batch, index, count) for batch in make())


def prepare(network):
    for layer in network.layers:
        if getattr(layer, "data_format", None) != "channels_last":
            continue
        if type(layer) is keras.layers.Conv2DTranspose:
            layer.call = functools.partial(_conv2d_transpose, layer)
        elif type(layer) is keras.layers.Conv2D and max(layer.strides) > 1:
            layer.convolution_op = functools.partial(_convolution_op, layer)


def _convolution_op(layer, inputs, kernel):
    """What the layer's own `convolution_op` computes."""
    raw = functools.partial(type(layer).convolution_op, layer)
    x, kernel = map(keras.ops.convert_to_tensor, (inputs, kernel))
    return _Convolution(raw, _transpose_of(raw, x), kernel).conv(x, kernel)


def _conv2d_transpose(layer, inputs):
    """What the layer's own `call` computes."""

    def raw(x, kernel):
        return keras.ops.conv_transpose(
            *(x, kernel, list(layer.strides), layer.padding),
            output_padding=layer.output_padding,
            dilation_rate=layer.dilation_rate,
            data_format=layer.data_format,
        )

    x, kernel = map(keras.ops.convert_to_tensor, (inputs, layer.kernel))
    outputs = _Convolution(_transpose_of(raw, x), raw, kernel).conv_transpose(x, kernel)
    if layer.use_bias:
        outputs = keras.ops.add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


def _transpose_of(bilinear, x):
    """Returns the transpose of a function of `(x, kernel)` with respect to `x`."""
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)
    return lambda y, kernel: jax.linear_transpose(lambda x: bilinear(x, kernel), shape)(y)[0]


class _Convolution:
    """A strided convolution whose derivatives of any order are as fast as itself.

    With its transpose and the gradient of its kernel it has one trilinear form in common,
    <conv(large, kernel), small>. So the derivatives of each of the three are the other two. JAX
    instead differentiates how it computes a derivative: that of a kernel then is a convolution of
    images full of zeros, which on a CPU takes ten times as long.

    Attributes:
        conv: from `large`, `(batch, height, width, channels)`, and a kernel to `small`, of fewer
            pixels and other channels.
        conv_transpose: from `small` and a kernel to `large`.
        kernel_gradient: from `large` and `small` to a kernel.

    Args:
        conv: function of `(large, kernel)` that computes it.
        conv_transpose: function of `(small, kernel)` that computes its transpose.
        kernel: array of the shape and dtype that kernels have.
    """

    def __init__(self, conv, conv_transpose, kernel):
        shape = jax.ShapeDtypeStruct(kernel.shape, kernel.dtype)

        def kernel_gradient(large, small):
            return jax.linear_transpose(lambda kernel: conv(large, kernel), shape)(small)[0]

        def conv_gradients(inputs, y):
            large, kernel = inputs
            return self.conv_transpose(y, kernel), self.kernel_gradient(large, y)

        def conv_transpose_gradients(inputs, y):
            small, kernel = inputs
            return self.conv(y, kernel), self.kernel_gradient(y, small)

        def kernel_gradients(inputs, y):
            large, small = inputs
            return self.conv_transpose(small, y), self.conv(large, y)

        self.conv = _differentiated(conv, conv_gradients)
        self.conv_transpose = _differentiated(conv_transpose, conv_transpose_gradients)
        self.kernel_gradient = _differentiated(kernel_gradient, kernel_gradients)


def _differentiated(function, gradients):
    """Returns a function that is differentiated by `gradients(inputs, cotangent)`."""
    found = jax.custom_vjp(function)
    found.defvjp(lambda *inputs: (found(*inputs), inputs), gradients)
    return found


def distribute(strategy, devices):
    check_devices(devices)
    if devices:
        # Counts where there are no accelerators, and only before JAX has looked for devices.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices)
    if strategy == "multiworker":
        return _workers(devices)
    found = jax.local_devices()
    names = [f"{device.platform}:{device.id}" for device in found]
    names = chosen(strategy, devices, names, found[0].platform.upper())
    if len(names) == 1:
        return Layout()
    scope = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope
    return Layout(len(names), scope, scope)


def _workers(devices):
    """Returns the layout of this process among those of a cluster, after all have met."""
    addresses, index = cluster.described() or (None, None)
    if addresses and len(addresses) == 1:
        return distribute("auto", devices)
    # It would take SIGTERM for itself, which is to save a checkpoint and end the run.
    jax.config.update("jax_enable_preemption_service", False)
    if addresses:
        told = {"coordinator_address": addresses[0], "num_processes": len(addresses)}
        told |= {"process_id": index, "cluster_detection_method": "deactivate"}
        if index == 0:
            print(f"waiting until all {len(addresses)} workers are there", flush=True)
    else:
        told = {"cluster_detection_method": "slurm"}
        # JAX would take one GPU for each task of a machine, whatever SLURM has given to it.
        if given := os.environ.get("CUDA_VISIBLE_DEVICES"):
            told["local_device_ids"] = list(range(len(given.split(","))))
    if devices:
        told["local_device_ids"] = list(range(devices))
    atexit.register(_end)
    _put_off_aborting()
    try:
        with cluster.interruptible(), _together(), _patiently():
            # Not by Keras, under which a machine that has gone is missed after 100 seconds only.
            jax.distributed.initialize(
                heartbeat_timeout_seconds=HEARTBEAT,
                # Later than our own, for then it aborts.
                initialization_timeout=2 * PATIENCE,
                **told,
            )
    except ValueError as error:
        if addresses or isinstance(error, UsageError):
            raise
        raise cluster.unreadable(error) from None
    if devices and jax.local_device_count() != devices:
        raise UsageError(
            "There are not so many devices. Expected --devices of at most "
            f"{jax.local_device_count()}, or none. Received: --devices={devices}."
        )
    workers = jax.process_count()
    data_parallel = keras.distribution.DataParallel(auto_shard_dataset=False)

    @contextlib.contextmanager
    def scope():
        with _together(), data_parallel.scope():
            yield

    def gather(values):
        # As bytes, for JAX would round the numbers to 32 bits.
        own = np.asarray(values, "float64").view("uint8")
        with _together():
            said = np.asarray(multihost_utils.process_allgather(own))
        return said.reshape(workers, -1).view("float64").tolist()

    def leave():
        gather([0])
        jax.distributed.shutdown()

    with _silent():
        gather([0])
    return Layout(jax.device_count(), scope, scope, workers, jax.process_index(), gather, leave)


@contextlib.contextmanager
def _together():
    """Turns what JAX raises when a worker is gone into a sentence."""
    try:
        yield
    except (ValueError, jax.errors.JaxRuntimeError) as error:
        said = str(error).strip().splitlines() or [""]
        if not re.search("Gloo|NCCL|DEADLINE_EXCEEDED|UNAVAILABLE|CANCELLED|ABORTED", said[0]):
            raise
        raise cluster.gone(said[0]) from error


@contextlib.contextmanager
def _patiently():
    """Ends the process with a sentence if the workers have not all come after `PATIENCE`."""
    clock = threading.Timer(PATIENCE, _give_up)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()


def _give_up():
    print(
        f"error: The other workers did not come within {PATIENCE / 60:g} minutes. Expected all of "
        "them to be started with the same addresses, and the first one's port to be open.",
        file=sys.stderr,
        flush=True,
    )
    os._exit(2)


def _put_off_aborting():
    """Gives a step that fails for want of a worker the time to say so.

    JAX aborts the process as soon as it no longer hears of the first worker, from a thread of its
    own. As its handler C's own `sleep` is called with the signal's number, 6, by that thread alone.
    """
    if os.name == "posix":
        c = ctypes.CDLL(None)
        c.signal(int(signal.SIGABRT), c.sleep)


def _end():
    """Ends a process that failed alone, where JAX would wait for the others, who wait for it."""
    if jax.distributed.is_initialized():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(2)


@contextlib.contextmanager
def _silent():
    """Holds back what C++ writes to stdout: by how many ways the workers are connected."""
    sys.stdout.flush()
    kept = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def single(model=None):
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    values = [] if model is None else [(v, v.value) for v in model.variables]
    # An operation on what all processes hold would wait for all of them to take part.
    own = [(v, x.addressable_data(0)) for v, x in values if not x.is_fully_addressable]
    try:
        with keras.StatelessScope(own) if own else contextlib.nullcontext():
            yield
    finally:
        keras.distribution.set_distribution(before)


def out_of_memory(error):
    exhausted = isinstance(error, jax.errors.JaxRuntimeError) and "RESOURCE_EXHAUSTED" in str(error)
    return exhausted or isinstance(error, MemoryError)


def devices():
    return [
        f"{d.device_kind}".upper() if d.platform == "cpu" else d.device_kind for d in jax.devices()
    ]
