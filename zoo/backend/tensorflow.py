"""TensorFlow: plain gradient tapes. See `zoo/backend/__init__.py` for the contract."""

import contextlib
import functools

import keras
import tensorflow as tf

from zoo.backend import groups, tensorflow_draws, tensorflow_workers, updates
from zoo.backend.layout import Layout, check_devices, chosen, part_of

_ZERO = tf.UnconnectedGradients.ZERO
JIT_PENALTIES = True
JIT_REPLICAS = False
FREEZES_OTHERS = False

normal = tensorflow_draws.normal
uniform = tensorflow_draws.uniform
approach = updates.approach


def _let_memory_grow():
    """Takes of a GPU's memory what is needed, instead of all of it from the start.

    Others can then use the GPU too, such as generate.py during a training.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        # Too late where something has been computed before `zoo` was imported.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


_let_memory_grow()


def vjp(fn, variables):
    values = [v.value for v in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        outputs = fn()

    def pullback(cotangents):
        targets = list(outputs.values())
        given = [cotangents[name] for name in outputs]
        return _dense(tape.gradient(targets, values, given, unconnected_gradients=_ZERO))

    return outputs, pullback


def value_and_grad(fn, variables):
    values = [v.value for v in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss, aux = fn()
    return loss, aux, _dense(tape.gradient(loss, values, unconnected_gradients=_ZERO))


def input_grad(fn, x):
    x = tf.convert_to_tensor(x)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(x)
        values = fn(x)
    return values, tape.gradient(values, x, unconnected_gradients=_ZERO)


def made_grad(fn, made, variables):
    values = [v.value for v in variables]
    made = {name: tf.convert_to_tensor(x) for name, x in made.items()}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([*made.values(), *values])
        loss, aux = fn(made)
    sources = [*made.values(), *values]
    gradients = _dense(tape.gradient(loss, sources, unconnected_gradients=_ZERO))
    return loss, aux, dict(zip(made, gradients, strict=False)), gradients[len(made) :]


def _dense(gradients):
    # An embedding's gradient comes as the rows that were looked up.
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def train_step(body):
    return body


test_step = train_step


def usable(model):
    return contextlib.nullcontext()


def compiled(fn, networks):
    return tf.function(fn)


def no_grad():
    return contextlib.nullcontext()


def replicas():
    context = tf.distribute.get_replica_context()
    if context is None:
        return 1, 0
    return context.num_replicas_in_sync, context.replica_id_in_sync_group


def apply(optimizer, gradients, variables):
    # A loss-scaling optimizer may wrap the real one.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    if replicas()[0] > 1:
        gradients = tf.distribute.get_replica_context().all_reduce("SUM", list(gradients))
        # Keras would first clip the gradients of each replica and then add them up.
        inner._all_reduce_sum_gradients = list
    elif updates.is_adam(inner):
        step = tf.cast(inner.iterations + 1, tf.float32)
        betas = [tf.cast(beta, tf.float32) for beta in (inner.beta_1, inner.beta_2)]
        powers = [beta**step for beta in betas]
        inner.update_step = functools.partial(_adam_step, inner, betas, powers)
    try:
        optimizer.apply(gradients, variables)
    finally:
        # This step may hold tensors of a graph.
        vars(inner).pop("update_step", None)


def _adam_step(adam, betas, powers, gradient, variable, learning_rate):
    """Does the same as `adam.update_step`, with one kernel instead of a dozen operations."""
    index = adam._get_variable_index(variable)
    dtype = variable.dtype
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=adam._momentums[index].value.handle,
        v=adam._velocities[index].value.handle,
        beta1_power=tf.cast(powers[0], dtype),
        beta2_power=tf.cast(powers[1], dtype),
        lr=tf.cast(learning_rate, dtype),
        beta1=tf.cast(betas[0], dtype),
        beta2=tf.cast(betas[1], dtype),
        epsilon=adam.epsilon,
        grad=tf.cast(gradient, dtype),
    )


def mean(x):
    if replicas()[0] == 1:
        return x
    return tf.distribute.get_replica_context().all_reduce("MEAN", x)


def gather(x):
    if replicas()[0] == 1:
        return x
    return tf.distribute.get_replica_context().all_gather(x, axis=0)


def replicas_of(model):
    return model.distribute_strategy.num_replicas_in_sync


def logs(values):
    strategy = tf.distribute.get_strategy()
    if not _several_workers(strategy):
        return values
    # Keras averages the values over the first axis, which a scalar does not have.
    return {name: tf.reshape(value, (1,)) for name, value in values.items()}


def value_of(variable):
    value = variable.value
    strategy = getattr(value, "distribute_strategy", None)
    if not _several_workers(strategy) or variable.synchronization != "on_read":
        return keras.ops.convert_to_numpy(variable)
    # Reading the whole variable would wait for the other workers, whose parts equal these.
    parts = [part.numpy() for part in strategy.experimental_local_results(value)]
    if variable.aggregation != "sum":
        return parts[0]
    return (parts[0] * strategy.num_replicas_in_sync).astype(parts[0].dtype)


def _several_workers(strategy):
    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)
    return several and strategy.num_replicas_in_sync > 1


def stream(model, make):
    # Not the generator itself: Keras would let tf.data tune it. With several replicas Keras would
    # also iterate over it twice and lose the batches that were read ahead in between.
    first = next(make())
    signature = keras.tree.map_structure(
        lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), first
    )
    # A tuned iterator may not end before the tuner looks again, up to a minute later, because
    # tf.data wakes the tuner before it marks it as cancelled.
    untuned = tf.data.Options()
    untuned.autotune.enabled = False
    strategy = model.distribute_strategy
    if not _several_workers(strategy):
        dataset = tf.data.Dataset.from_generator(make, output_signature=signature)
        return dataset.prefetch(2 * replicas_of(model)).with_options(untuned)

    def own_parts(context):
        """Returns a dataset of each batch's parts for this worker's replicas, one by one."""
        count = context.num_replicas_in_sync
        own = count // context.num_input_pipelines
        begin = context.input_pipeline_id * own

        def parts():
            for batch in make():
                for i in range(begin, begin + own):
                    yield part_of(batch, i, count)

        dataset = tf.data.Dataset.from_generator(parts, output_signature=signature)
        # Declared endless, so that the workers need not ask each other whether batches remain.
        endless = tf.data.experimental.assert_cardinality(tf.data.experimental.INFINITE_CARDINALITY)
        return dataset.prefetch(2 * own).apply(endless).with_options(untuned)

    # Keras would first average a batch over all replicas to build the model, which is built
    # already. It cannot average, because a batch is a tuple.
    model._maybe_symbolic_build = lambda **_: None
    return strategy.distribute_datasets_from_function(own_parts)


def prepare(network):
    several = tf.distribute.get_strategy().num_replicas_in_sync > 1
    if not tf.config.list_physical_devices("GPU"):
        groups.prepare(network)
    tensorflow_draws.prepare(network)
    for layer in network.layers:
        if type(layer) is not keras.layers.BatchNormalization:
            continue
        if several:
            # As an argument of the layer it would make its file load only under TensorFlow.
            layer.synchronized = True
        else:
            layer.call = functools.partial(_batch_normalization, layer)
    for doubling, convolutions in _doubled(network):
        doubling.call = tf.identity
        for convolution in convolutions:
            convolution.convolution_op = _doubling_convolution


def _doubled(network):
    """Yields a layer that doubles sides by nearest neighbour, and the 3x3 convolutions after it.

    Only if nothing but these convolutions uses the doubled picture.
    """
    convolution = {"kernel_size": (3, 3), "strides": (1, 1), "dilation_rate": (1, 1), "groups": 1}
    convolution |= {"padding": "same", "data_format": "channels_last"}
    doubling = {"size": (2, 2), "interpolation": "nearest", "data_format": "channels_last"}
    for layer in network.layers:
        if not _is(layer, keras.layers.UpSampling2D, doubling):
            continue
        users = [node.operation for node in layer._outbound_nodes]
        shown = any(layer.output is output for output in network.outputs)
        # A layer that is called elsewhere too computes something else there.
        once = all(len(user._inbound_nodes) == 1 for user in users)
        convolutions = all(_is(user, keras.layers.Conv2D, convolution) for user in users)
        if users and not shown and once and convolutions:
            yield layer, users


def _is(layer, kind, attributes):
    return type(layer) is kind and all(getattr(layer, n) == v for n, v in attributes.items())


# Which of the 3 rows of a kernel add up to each of 4: a doubled picture has equal neighbours.
_ROWS = ((0, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0))


def _doubling_convolution(inputs, kernel):
    """Returns the 3x3 convolution of the inputs doubled by nearest neighbour, without doubling.

    Each result then takes 4 products a channel instead of 9.
    """
    rows = tf.constant(_ROWS, kernel.dtype)
    kernel = tf.einsum("ai,bj,ijco->aboc", rows, rows, kernel)
    batch, height, width, _ = (
        known or size
        for known, size in zip(inputs.shape, tf.unstack(tf.shape(inputs)), strict=True)
    )
    shape = (batch, 2 * height, 2 * width, kernel.shape[2])
    return tf.nn.conv2d_transpose(inputs, kernel, shape, 2)


def _batch_normalization(layer, inputs, training=None, mask=None):
    """Computes the same as the layer, with one kernel in training.

    Keras's own chain of a dozen small operations is slower. It also holds the mean constant in the
    variance, which is right for the gradient but wrong for the second derivatives of a penalty.
    """
    shape = inputs.shape
    plain = mask is None and not getattr(layer, "renorm", False)
    last = layer.axis in (-1, len(shape) - 1) and len(shape) in (2, 4)
    supported = inputs.dtype in (tf.float32, tf.bfloat16, tf.float16)
    if not (training and layer.trainable and plain and last and supported):
        return type(layer).call(layer, inputs, training=training, mask=mask)
    channels = shape[-1]
    scale = tf.cast(layer.gamma, tf.float32) if layer.scale else tf.ones(channels)
    offset = tf.cast(layer.beta, tf.float32) if layer.center else tf.zeros(channels)
    images = inputs if len(shape) == 4 else inputs[:, None, None]
    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=images, scale=scale, offset=offset, mean=[], variance=[], epsilon=layer.epsilon
    )
    # The kernel returns the estimate for the population; the layer keeps the batch's variance.
    count = tf.cast(tf.size(inputs) // channels, tf.float32)
    variance *= (count - 1) / count
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return outputs if len(shape) == 4 else outputs[:, 0, 0]


def distribute(strategy, devices):
    check_devices(devices)
    if strategy == "multiworker":
        return tensorflow_workers.join(devices) or distribute("auto", devices)
    gpus = tf.config.list_physical_devices("GPU")
    if devices and not gpus:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * devices
        # Possible only before anything has been computed. The actual devices are counted below.
        with contextlib.suppress(RuntimeError):
            tf.config.set_logical_device_configuration(cpu, parts)
    kind = "GPU" if gpus else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    names = chosen(strategy, devices, names, kind)
    if len(names) == 1:
        return Layout()
    return Layout(len(names), tf.distribute.MirroredStrategy(names).scope)


def single(model=None):
    # A strategy affects only what is made inside its scope, and training runs outside.
    return contextlib.nullcontext()


def out_of_memory(error):
    return isinstance(error, tf.errors.ResourceExhaustedError | MemoryError)


def devices():
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [d.get("device_name", "GPU") for d in details] or ["CPU"]
