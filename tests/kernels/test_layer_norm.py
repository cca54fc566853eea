"""Our layer normalisation against MXNet's."""

from gluon_deeprnn import kernels
from gluon_deeprnn.models.stack import _LayerNorm
import mxnet
from mxnet import autograd, np
import numpy
import pytest

ours = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")


def everything(norm, x, by):
    x = x.copy()
    x.attach_grad()
    with autograd.record():
        y = norm(x)
        total = (y * by).sum()
    total.backward()
    return [a.asnumpy() for a in (y, x.grad, norm.gamma.grad(), norm.beta.grad())]


@ours
@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (7, 40, 16), (4, 33, 64), (2, 3, 100), (200, 17)])
def test_values_and_gradients_equal_mxnets(shape, hybridized, monkeypatch):
    rng = numpy.random.default_rng(0)
    norm = _LayerNorm(in_channels=shape[-1])
    norm.initialize()
    norm.gamma.set_data(np.array(rng.normal(size=shape[-1])))
    norm.beta.set_data(np.array(rng.normal(size=shape[-1])))
    x, by = (np.array(rng.normal(size=shape) * 3 + 1, dtype="float32") for _ in range(2))
    with monkeypatch.context() as patched:
        patched.setattr(kernels, "loaded", lambda: None)
        expected = everything(norm, x, by)
    norm.hybridize(hybridized)
    for found, other in zip(everything(norm, x, by), expected):
        numpy.testing.assert_allclose(found, other, rtol=2e-5, atol=2e-5 * max(1, abs(other).max()))


@ours
def test_values_and_gradients_are_right_where_the_mean_is_far_away():
    x = numpy.random.default_rng(0).normal(size=(5, 64)) + 1000
    norm = _LayerNorm(in_channels=64)
    norm.initialize()
    x32 = np.array(x, dtype="float32")
    exact = x32.asnumpy().astype("float64")
    exact = (exact - exact.mean(1, keepdims=True)) / numpy.sqrt(exact.var(1, keepdims=True) + 1e-5)
    numpy.testing.assert_allclose(norm(x32).asnumpy(), exact, atol=2e-4)


@ours
def test_sizes_that_do_not_fit_are_refused():
    arrays = [np.zeros(shape).as_nd_ndarray() for shape in [(3, 4), (5,), (4,)]]
    with pytest.raises(mxnet.MXNetError, match=r"gamma must be of shape \(4,\); got \(5,\)"):
        mxnet.nd.gluon_deeprnn_layer_norm(*arrays, epsilon=1e-5).wait_to_read()
