"""PyTorch: `torch.autograd.grad`. See `zoo/backend/__init__.py` for the contract.

It never calls `.backward()`, which would also fill the gradients of the other player's weights.
"""

import contextlib
import functools
import math

import keras
import torch

from zoo.backend import torch_layers, updates
from zoo.backend.layout import Layout
from zoo.errors import UsageError

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
JIT_PENALTIES = False
JIT_REPLICAS = False
FREEZES_OTHERS = False


def normal(shape, seed, compiled=False):
    return keras.random.normal(shape, seed=seed)


def uniform(shape, seed):
    return keras.random.uniform(shape, seed=seed)


def vjp(fn, variables):
    outputs = fn()

    def pullback(cotangents):
        given = [cotangents[name] for name in outputs]
        return _grad(list(outputs.values()), [v.value for v in variables], given)

    return outputs, pullback


def value_and_grad(fn, variables):
    loss, aux = fn()
    grads = _grad(loss, [v.value for v in variables])
    return loss.detach(), aux, grads


def input_grad(fn, x):
    # A penalty differentiates the gradient again, so the gradient has to keep its graph. A
    # generator update starts from a detached sample and needs no graph.
    again = torch.is_grad_enabled()
    if not x.requires_grad:
        x = x.detach().requires_grad_()
    with torch.enable_grad():
        values = fn(x)
        (gradient,) = torch.autograd.grad(
            values.sum(), x, create_graph=again, materialize_grads=True
        )
    return values, gradient


def made_grad(fn, made, variables):
    made = {name: x.detach().requires_grad_() for name, x in made.items()}
    with torch.enable_grad():
        loss, aux = fn(made)
        gradients = _grad(loss, [*made.values(), *(v.value for v in variables)])
    own = gradients[len(made) :]
    return loss.detach(), aux, dict(zip(made, gradients, strict=False)), own


def _grad(outputs, values, cotangent=None):
    return list(torch.autograd.grad(outputs, values, cotangent, materialize_grads=True))


def train_step(body):
    return body


def test_step(body):
    # Keras evaluates without gradients, which a penalty needs.
    return torch.enable_grad()(body)


def usable(model):
    return contextlib.nullcontext()


def compiled(fn, networks):
    return torch.no_grad()(fn)


def no_grad():
    return torch.no_grad()


def replicas():
    return 1, 0


def apply(optimizer, gradients, variables):
    # A loss-scaling optimizer may wrap the real one.
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    # A GPU would have to wait for the number of the step, which the kernel takes as a float.
    if updates.is_adam(inner) and variables[0].value.device.type == "cpu":
        inner._backend_update_step = functools.partial(_adam_step, inner)
    try:
        optimizer.apply(gradients, variables)
    finally:
        vars(inner).pop("_backend_update_step", None)


@torch.no_grad()
def _adam_step(adam, gradients, variables, learning_rate):
    """Does the same as Keras's Adam in one pass over each variable instead of five."""
    step = int(adam.iterations) + 1
    beta_1, beta_2 = float(adam.beta_1), float(adam.beta_2)
    indices = [adam._get_variable_index(v) for v in variables]
    moments = [[slot[i].value for i in indices] for slot in (adam._momentums, adam._velocities)]
    weights = [v.value for v in variables]
    for slot in moments:
        for moment, weight in zip(slot, weights, strict=True):
            if moment.stride() != weight.stride():
                moment.data = torch.empty_like(weight).copy_(moment)
    torch._fused_adam_(
        [_flat(weight) for weight in weights],
        [_flat(gradient, weight) for gradient, weight in zip(gradients, weights, strict=True)],
        *([_flat(moment) for moment in slot] for slot in moments),
        [],
        [torch.tensor(float(step))] * len(indices),
        lr=float(learning_rate),
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=0.0,
        # Keras adds it before it corrects the root of the second moment, PyTorch afterwards.
        eps=adam.epsilon / math.sqrt(1 - beta_2**step),
        amsgrad=False,
        maximize=False,
    )


@torch.no_grad()
def approach(averages, values, share):
    averages, values = ([v.value for v in variables] for variables in (averages, values))
    torch._foreach_sub_(averages, values)
    torch._foreach_mul_(averages, share)
    torch._foreach_add_(averages, values)


def _flat(tensor, like=None):
    """Returns all numbers of a tensor without gaps in the order of memory, that of `like`."""
    if like is not None and (tensor.stride(), tensor.dtype) != (like.stride(), like.dtype):
        tensor = torch.empty_like(like).copy_(tensor)
    return tensor.as_strided((tensor.numel(),), (1,))


def mean(x):
    return x


def gather(x):
    return x


def logs(values):
    return values


def value_of(variable):
    return keras.ops.convert_to_numpy(variable)


def replicas_of(model):
    return 1


def stream(model, make):
    return make()


def prepare(network):
    half = [x for x in network.layers if getattr(x, "compute_dtype", None) == "float16"]
    if any(isinstance(x, _CONVOLUTIONS) for x in half) and not torch.cuda.is_available():
        raise UsageError(
            "PyTorch can train convolutions in float16 only on a GPU. Expected mixed_bfloat16 or "
            "float32 on this machine, or another backend. Received: mixed_float16."
        )
    torch_layers.prepare(network)


def distribute(strategy, devices):
    if strategy in ("mirrored", "multiworker") or (devices or 1) > 1:
        # Keras uses several devices by wrapping the model, and the step would bypass the wrapper.
        raise UsageError(
            "With PyTorch a run trains on one device only. For several devices, use "
            f"--backend=tensorflow or --backend=jax. Received: --strategy={strategy}"
            f"{f' --devices={devices}' if devices else ''}."
        )
    return Layout()


def single(model=None):
    return contextlib.nullcontext()


def out_of_memory(error):
    # When the CPU runs out of memory, only the text of PyTorch's error says so.
    on_cpu = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return on_cpu or isinstance(error, torch.OutOfMemoryError | MemoryError)


def devices():
    count = torch.cuda.device_count()
    # Where there is no CUDA, Keras takes Apple's GPU.
    others = ["Apple GPU"] if torch.backends.mps.is_available() else ["CPU"]
    return [torch.cuda.get_device_name(i) for i in range(count)] or others
