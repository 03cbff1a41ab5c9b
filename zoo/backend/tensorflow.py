"""TensorFlow: plain gradient tapes. See `zoo/backend/__init__.py` for the contract."""

import contextlib

import tensorflow as tf

_ZERO = tf.UnconnectedGradients.ZERO
JIT_PENALTIES = True


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


def devices():
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    return [d.get("device_name", "GPU") for d in details] or ["CPU"]
