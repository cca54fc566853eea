"""Our operators for dropout of weights and for penalties on outputs, against the equations and MXNet's operators."""

from gluon_deeprnn import kernels
from gluon_deeprnn.kernels import regularisation
import mxnet
from mxnet import autograd, np
import numpy
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")


def dropped(weights, probability, count, behind=0, seed=1, training=True):
    """The weights after dropout in training, and the gradients of their sum."""
    array = np.array(weights, dtype="float32")
    array.attach_grad()
    mxnet.random.seed(seed)
    with autograd.record(train_mode=training):
        found = regularisation.weight_dropout(mxnet.nd, array, probability, count, behind)
    found.backward()
    return found.asnumpy(), array.grad.asnumpy()


@pytest.mark.parametrize("probability", [0.0, 0.05, 0.5, 0.9])
def test_the_share_of_the_weights_is_dropped_and_the_others_are_scaled(probability):
    size, behind = 300_000, 1_000
    weights = numpy.random.default_rng(0).uniform(1, 2, size)
    found, gradient = dropped(weights, probability, 200_000, behind)
    may_be = slice(size - behind - 200_000, size - behind)
    kept = found[may_be] != 0
    assert abs((1 - kept).sum() - 200_000 * probability) <= 5 * (200_000 * probability * (1 - probability)) ** 0.5
    numpy.testing.assert_allclose(found[may_be], kept * weights[may_be] / (1 - probability), rtol=1e-6)
    numpy.testing.assert_allclose(gradient[may_be], kept / (1 - probability), rtol=1e-6)
    for part in (slice(0, may_be.start), slice(may_be.stop, None)):
        numpy.testing.assert_array_equal(found[part], weights[part].astype("float32"))
        assert (gradient[part] == 1).all()


def test_masks_are_neither_correlated_with_each_other_nor_with_themselves_shifted():
    size, ones = 200_000, numpy.ones(200_000)
    first, second = ((dropped(ones, 0.5, size, seed=seed)[0] > 0) - 0.5 for seed in (1, 2))
    pairs = {"two seeds": (first, second)}
    pairs.update({f"shift {by}": (first[by:], first[:-by]) for by in (1, 2, 16, 64, 512, 2048)})
    pairs.update({f"two seeds, shift {by}": (first[by:], second[:-by]) for by in (1, 512)})
    for name, (a, b) in pairs.items():
        assert abs((a * b).mean() * 4) < 5 / size**0.5, name


def test_without_training_nothing_is_dropped():
    weights = numpy.arange(1, 50, dtype="float32")
    numpy.testing.assert_array_equal(dropped(weights, 0.9, 49, training=False)[0], weights)
    found = regularisation.weight_dropout(mxnet.nd, np.array(weights, dtype="float32"), 0.9, 49)
    numpy.testing.assert_array_equal(found.asnumpy(), weights)


def test_weights_that_are_too_few_are_refused():
    arrays = [np.ones(10).as_nd_ndarray(), np.ones(64).as_nd_ndarray()]
    with pytest.raises(mxnet.MXNetError, match=r"weights must be of at least 12 elements; got \(10,\)"):
        mxnet.nd.gluon_deeprnn_weight_dropout(*arrays, probability=0.5, count=8, behind=4).wait_to_read()


def penalty(outputs, weights, ar, tar):
    """The penalty and its gradient."""
    array = np.array(outputs, dtype="float32")
    array.attach_grad()
    with autograd.record():
        found = 3 * regularisation.activity_penalty(mxnet.nd, array, ar, tar, weights)
    found.backward()
    return found.asnumpy(), array.grad.asnumpy()


@pytest.mark.parametrize(("ar", "tar"), [(2.0, 0.0), (0.0, 3.0), (0.5, 1.5)])
@pytest.mark.parametrize("weighted", [None, "all", "first step"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (9, 4, 16), (40, 30, 65)])
def test_penalties_equal_those_of_mxnets_operators(shape, weighted, ar, tar, monkeypatch):
    draw = numpy.random.default_rng(0)
    outputs, weights = draw.normal(size=shape), None
    if weighted:
        rows = draw.uniform(size=shape[:2]) * (draw.uniform(size=shape[:2]) > 0.2)
        rows[0] = 1
        rows[1:] *= weighted == "all"
        weights = np.array(rows / rows.sum(), dtype="float32")
    found = penalty(outputs, weights, ar, tar)
    monkeypatch.setattr(kernels, "loaded", lambda: None)
    for ours, theirs in zip(found, penalty(outputs, weights, ar, tar)):
        numpy.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
