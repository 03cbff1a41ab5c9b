"""TensorFlow: plain gradient tapes. See `zoo/backend/__init__.py` for the contract."""

import contextlib

import keras
import tensorflow as tf

from zoo.backend.layout import Layout, chosen
from zoo.errors import UsageError

_ZERO = tf.UnconnectedGradients.ZERO
JIT_PENALTIES = True
JIT_REPLICAS = False


def vjp(fn, variables):
    values = [v.value for v in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        outputs = fn()

    def pullback(cotangent):
        return _dense(tape.gradient(outputs, values, cotangent, unconnected_gradients=_ZERO))

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


def _dense(gradients):
    # An embedding's gradient comes as the rows that were looked up.
    return [tf.convert_to_tensor(gradient) for gradient in gradients]


def train_step(body):
    return body


def no_grad():
    return contextlib.nullcontext()


def replicas():
    context = tf.distribute.get_replica_context()
    if context is None:
        return 1, 0
    return context.num_replicas_in_sync, context.replica_id_in_sync_group


def apply(optimizer, gradients, variables):
    if replicas()[0] > 1:
        gradients = tf.distribute.get_replica_context().all_reduce("SUM", list(gradients))
        # Keras would first clip what each replica has and then add it up.
        optimizer._all_reduce_sum_gradients = list
    optimizer.apply(gradients, variables)


def mean(x):
    if replicas()[0] == 1:
        return x
    return tf.distribute.get_replica_context().all_reduce("MEAN", x)


def replicas_of(model):
    return model.distribute_strategy.num_replicas_in_sync


def stream(model, make):
    if replicas_of(model) == 1:
        return make()
    # Keras iterates over a distributed generator twice, and loses what was read ahead in between.
    first = next(make())
    signature = keras.tree.map_structure(
        lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), first
    )
    return tf.data.Dataset.from_generator(make, output_signature=signature)


def synchronise(network, penalised):
    # For a penalty on one device too: otherwise the moments hold the mean constant, which is right
    # for their gradient and wrong for its gradient.
    if tf.distribute.get_strategy().num_replicas_in_sync == 1 and not penalised:
        return
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            # Not as an argument: with it the layer's file would load under TensorFlow only.
            layer.synchronized = True


def distribute(strategy, devices):
    if strategy == "multiworker":
        raise UsageError(
            "Training on several machines is not supported yet. Expected --strategy=mirrored for "
            "all devices of this one. Received: --strategy=multiworker."
        )
    gpus = tf.config.list_physical_devices("GPU")
    if devices and not gpus:
        (cpu,) = tf.config.list_physical_devices("CPU")
        parts = [tf.config.LogicalDeviceConfiguration()] * devices
        # Possible only before anything has been computed; what there is is counted below.
        with contextlib.suppress(RuntimeError):
            tf.config.set_logical_device_configuration(cpu, parts)
    kind = "GPU" if gpus else "CPU"
    names = [device.name for device in tf.config.list_logical_devices(kind)]
    names = chosen(strategy, devices, names, kind)
    if len(names) == 1:
        return Layout()
    return Layout(len(names), tf.distribute.MirroredStrategy(names).scope)


def single():
    # A strategy counts for what is made inside of its scope, and training is outside.
    return contextlib.nullcontext()


def out_of_memory(error):
    return isinstance(error, tf.errors.ResourceExhaustedError | MemoryError)


def devices():
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [d.get("device_name", "GPU") for d in details] or ["CPU"]
