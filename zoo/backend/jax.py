"""JAX: the step as a pure function of its variables. See `zoo/backend/__init__.py`.

Keras hands `train_step` the values of all variables and takes the new ones back. Inside, a
`keras.StatelessScope` maps each variable to its current value, so that the same body runs here as
on the other backends. A gradient opens an inner scope. There the differentiated variables are the
function's arguments. Values that the function assigns to other variables are returned as auxiliary
output and assigned again in the outer scope.
"""

import contextlib
import functools
import itertools

import jax
import keras

from zoo.backend import jax_convolutions, jax_workers, updates
from zoo.backend.layout import Layout, check_devices, chosen, part_of

JIT_PENALTIES = True
JIT_REPLICAS = True
FREEZES_OTHERS = True

prepare = jax_convolutions.prepare
approach = updates.approach

# The variables of the open scopes, innermost last. An inner scope does not see the values of its
# enclosing scope, so it must get the current value of each variable.
_open_variables = []


@contextlib.contextmanager
def _opened(variables):
    _open_variables.append(variables)
    try:
        yield
    finally:
        _open_variables.pop()


def _pure(fn, variables):
    """Returns `fn` as `pure(values, *args) -> (outputs, updates)`, and `push(updates)`."""
    differentiated = {id(v) for v in variables}
    all_variables = _open_variables[-1] if _open_variables else []
    others = [v for v in all_variables if id(v) not in differentiated]
    ordered = [*variables, *others]
    before = [v.value for v in others]
    changed = []

    def pure(values, *args):
        mapping = list(zip(ordered, [*values, *before], strict=True))
        with _opened(ordered), keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = fn(*args)
        after = [scope.get_current_value(v) for v in others]
        changed[:] = [i for i, v in enumerate(others) if after[i] is not before[i]]
        return outputs, [after[i] for i in changed]

    def push(updates):
        for i, value in zip(changed, updates, strict=True):
            others[i].assign(value)

    return pure, push


def normal(shape, seed, compiled=False):
    return keras.random.normal(shape, seed=seed)


def uniform(shape, seed):
    return keras.random.uniform(shape, seed=seed)


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


def made_grad(fn, made, variables):
    pure, push = _pure(fn, variables)

    def loss_first(values, made):
        (loss, aux), updates = pure(values, made)
        return loss, (aux, updates)

    (loss, (aux, updates)), (own, gradients) = jax.value_and_grad(
        loss_first, argnums=(0, 1), has_aux=True
    )([v.value for v in variables], made)
    push(updates)
    return loss, aux, gradients, own


def train_step(body):
    return _stateless(body, lambda model: [*_groups(model), model.optimizer.variables])


def test_step(body):
    return _stateless(body, _groups)


def _groups(model):
    return [model.trainable_variables, model.non_trainable_variables]


def _stateless(body, groups_of):
    """Returns `body(self, data) -> logs` as a step from the values of variables to new ones."""

    @functools.wraps(body)
    def step(self, state, data):
        groups = [*groups_of(self), self.metrics_variables]
        variables = list(itertools.chain(*groups))
        values = list(itertools.chain(*state))
        mapping = list(zip(variables, values, strict=True))
        with _opened(variables), keras.StatelessScope(state_mapping=mapping) as scope:
            logs = body(self, data)
        return logs, tuple([scope.get_current_value(v) for v in group] for group in groups)

    return step


@contextlib.contextmanager
def usable(model):
    try:
        yield
    except BaseException:
        # While Keras evaluates, the variables have no values: the step holds them. In the middle of
        # a step it has given them away.
        with contextlib.suppress(RuntimeError):
            model.jax_state_sync()
        raise


def compiled(fn, networks):
    variables = list({id(v): v for network in networks for v in network.variables}.values())

    @jax.jit
    def pure(values, *args):
        # As arguments: weights that are constants would be compiled into the function.
        mapping = list(zip(variables, values, strict=True))
        with _opened(variables), keras.StatelessScope(state_mapping=mapping):
            return fn(*args)

    return lambda *args: pure([v.value for v in variables], *args)


def no_grad():
    return contextlib.nullcontext()


def replicas():
    # Under keras.distribution the step sees the whole batch: JAX shards it inside.
    return 1, 0


def apply(optimizer, gradients, variables):
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        optimizer.apply(gradients, variables)
        return
    # Its `apply` assigns inside a condition, and JAX lets no assignment out of that.
    variables = [*variables, *optimizer.variables]
    values = [v.value for v in variables]
    count = len(gradients)
    weights, state = optimizer.stateless_apply(values[count:], gradients, values[:count])
    for variable, value in zip(variables, [*weights, *state], strict=True):
        variable.assign(value)


def mean(x):
    return x


def gather(x):
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


def distribute(strategy, devices):
    check_devices(devices)
    if devices:
        # Takes effect only without accelerators, and only before JAX has looked for devices.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices)
    if strategy == "multiworker":
        return jax_workers.join(devices) or distribute("auto", devices)
    local = jax.local_devices()
    names = [f"{device.platform}:{device.id}" for device in local]
    names = chosen(strategy, devices, names, local[0].platform.upper())
    if len(names) == 1:
        return Layout()
    scope = keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope
    return Layout(len(names), scope, scope)


@contextlib.contextmanager
def single(model=None):
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    values = [] if model is None else [(v, v.value) for v in model.variables]
    # An operation on an array of all processes would wait for all of them to take part.
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
