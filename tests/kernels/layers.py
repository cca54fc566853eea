"""Layers to compare, and all that they compute."""

from gluon_deeprnn.models.fused import FusedLayer
from gluon_deeprnn.models.initializers import Initial
from mxnet import autograd, np
import numpy


def a_layer(mode, num_inputs, num_hiddens, seed=0):
    layer = FusedLayer(mode, num_inputs, num_hiddens, Initial(num_hiddens))
    layer.initialize()
    size = layer.weights.shape
    scale = 0.5 / num_hiddens**0.5  # no chaos, which would blow up differences
    layer.weights.set_data(np.array(numpy.random.default_rng(seed).normal(size=size) * scale, dtype="float32"))
    return layer


def some(*shape, seed=0):
    return np.array(numpy.random.default_rng(seed).normal(size=shape), dtype="float32")


def one_hot(num_steps, batch_size, size):
    tokens = numpy.random.default_rng(0).integers(0, size, (num_steps, batch_size))
    return np.array(numpy.eye(size)[tokens], dtype="float32")


def everything(layer, inputs, state):
    """Outputs, next state and all gradients, as NumPy arrays."""
    arrays = [inputs.copy(), *(array.copy() for array in state)]
    for array in arrays:
        array.attach_grad()
    with autograd.record():
        outputs, last = layer(arrays[0], arrays[1:])
        results = [outputs, *last]
        total = sum((result * some(*result.shape, seed=i)).sum() for i, result in enumerate(results))
    total.backward()
    return [a.asnumpy() for a in (*results, *(array.grad for array in arrays), layer.weights.grad())]


def assert_close(found, expected, tolerance):
    for one, other in zip(found, expected):
        assert abs(one - other).max() <= tolerance * max(1, abs(other).max())
