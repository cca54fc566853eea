"""The output layer and its loss as one operator."""

from gluon_deeprnn import GRU, LSTM, RNNLM, kernels
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.graph import GraphBlock
import mxnet
from mxnet import autograd, np
import numpy
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

SIZES = [(1, 1, 1, 1), (3, 5, 7, 28), (9, 23, 33, 65), (4, 50, 16, 511), (4, 50, 16, 512), (4, 50, 17, 513),
         (2, 70, 40, 1500)]


def draw(*shape, scale=1.0):
    return numpy.random.uniform(-scale, scale, shape).astype("float32")


def a_task(sizes, scale=1.0):
    """Hidden states, weight, bias, targets and the weights of the predictions, some of which are zero."""
    T, N, H, V = sizes
    row_weights = draw(T, N) * (numpy.random.uniform(size=(T, N)) < 0.7)
    return (draw(T, N, H), draw(V, H, scale=scale), draw(V), numpy.random.randint(0, V, (T, N)).astype("int32"),
            row_weights.astype("float32"))


def by_hand(hidden, weight, bias, targets, row_weights):
    """Loss, log-probabilities and gradients in double precision."""
    hidden, weight, bias, row_weights = (a.astype("float64") for a in (hidden, weight, bias, row_weights))
    logits = hidden @ weight.T + bias
    logits -= logits.max(axis=-1, keepdims=True)
    log_p = logits - numpy.log(numpy.exp(logits).sum(axis=-1, keepdims=True))
    rows = targets[..., None]
    slopes = numpy.exp(log_p)
    numpy.put_along_axis(slopes, rows, numpy.take_along_axis(slopes, rows, -1) - 1, -1)
    slopes *= row_weights[..., None]
    picked = numpy.take_along_axis(log_p, rows, -1)[..., 0]
    return (-(picked * row_weights).sum(), picked, slopes @ weight,
            numpy.einsum("tnv,tnh->vh", slopes, hidden), slopes.sum(axis=(0, 1)))


def ours(hidden, weight, bias, targets, row_weights=None, slope=1.0):
    """Loss and gradients by the operator, and the loss of a graph without gradients."""
    arrays = [np.array(a) for a in (hidden, weight, bias)]
    for array in arrays:
        array.attach_grad()
    rest = [np.array(targets, dtype="int32")] + ([] if row_weights is None else [np.array(row_weights)])
    given = [array.as_nd_ndarray() for array in rest]
    weighted = int(row_weights is not None)
    with autograd.record():
        loss = mxnet.nd.gluon_deeprnn_cross_entropy(*(a.as_nd_ndarray() for a in arrays), *given, trains=1,
                                                    weighted=weighted, smoothing=0)
        total = loss * slope
    total.backward()
    predicted = mxnet.nd.gluon_deeprnn_cross_entropy(*(a.as_nd_ndarray() for a in arrays), *given, trains=0,
                                                     weighted=weighted, smoothing=0)
    numpy.testing.assert_array_equal(predicted.asnumpy(), loss.asnumpy())  # bitwise
    return loss.asscalar(), [a.grad.asnumpy() for a in arrays]


def assert_close(found, exact, tolerance=2e-5):
    assert abs(found - exact).max() <= tolerance * max(abs(exact).max(), 1e-3)


@pytest.mark.parametrize("sizes", SIZES)
def test_loss_and_gradients_equal_numpys(sizes):
    task = a_task(sizes)
    loss, gradients = ours(*task)
    expected, _, *exact = by_hand(*task)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-6)
    for found, by_numpy in zip(gradients, exact):
        assert_close(found, by_numpy)


@pytest.mark.parametrize("sizes", SIZES)
def test_without_weights_the_loss_is_the_mean(sizes):
    *task, _ = a_task(sizes)
    mean = numpy.full(task[3].shape, 1 / task[3].size)
    loss, gradients = ours(*task, slope=-2.5)
    expected, _, *exact = by_hand(*task, mean)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-6)
    for found, by_numpy in zip(gradients, exact):
        assert_close(found, -2.5 * by_numpy)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
def test_losses_and_gradients_of_smoothed_targets_equal_numpys(sizes, weighted):
    hidden, weight, bias, targets, row_weights = a_task(sizes)
    weights = row_weights if weighted else numpy.full(targets.shape, 1 / targets.size)
    mean, _, *exact = by_hand(hidden, weight, bias, targets, weights)
    logits = hidden.astype("float64") @ weight.T + bias
    expected = numpy.take_along_axis(logits, targets[..., None], -1)[..., 0] - logits.mean(axis=-1)
    slopes = 0.3 * weights[..., None] * (numpy.eye(sizes[-1])[targets] - 1 / sizes[-1])
    exact = [exact[0] + slopes @ weight, exact[1] + numpy.einsum("tnv,tnh->vh", slopes, hidden),
             exact[2] + slopes.sum(axis=(0, 1))]

    arrays = [np.array(a) for a in (hidden, weight, bias)]
    for array in arrays:
        array.attach_grad()
    given = [a.as_nd_ndarray() for a in (*arrays, np.array(targets, dtype="int32"),
                                         *([np.array(row_weights)] if weighted else []))]
    with autograd.record():
        losses = mxnet.nd.gluon_deeprnn_cross_entropy(*given, trains=1, weighted=int(weighted), smoothing=0.3)
        total = losses[0] * -2
    total.backward()
    assert losses.asnumpy() == pytest.approx([mean + 0.3 * (weights * expected).sum(), mean], rel=1e-5, abs=1e-5)
    for array, by_numpy in zip(arrays, exact):
        assert_close(array.grad.asnumpy(), -2 * by_numpy)


@pytest.mark.parametrize(("smoothing", "rule"), [(1.5, "below 1"), (-0.1, "a number of at least 0"), ("x", "a number")])
def test_a_smoothing_that_is_no_share_is_refused(smoothing, rule):
    hidden, weight, bias, targets, _ = (np.array(a) for a in a_task((2, 3, 4, 28)))
    given = [a.as_nd_ndarray() for a in (hidden, weight, bias, targets.astype("int32"))]
    with pytest.raises(mxnet.MXNetError, match=f"smoothing must be {rule}"):
        mxnet.nd.gluon_deeprnn_cross_entropy(*given, trains=1, weighted=0, smoothing=smoothing).wait_to_read()


@pytest.mark.parametrize("sizes", SIZES)
def test_log_probabilities_equal_numpys_for_logits_of_hundreds_too(sizes):
    task = a_task(sizes, scale=100.0)
    found = mxnet.nd.gluon_deeprnn_log_probs(*(np.array(a).as_nd_ndarray() for a in task[:3]),
                                             np.array(task[3], dtype="int32").as_nd_ndarray())
    _, exact, *_ = by_hand(*task)
    numpy.testing.assert_allclose(found.asnumpy(), exact, rtol=1e-5, atol=1e-3)


def test_a_vocabulary_of_50000_tokens_equals_numpys():
    task = a_task((2, 40, 8, 50000))
    loss, gradients = ours(*task)
    expected, _, *exact = by_hand(*task)
    assert loss == pytest.approx(expected, rel=1e-5)
    for found, by_numpy in zip(gradients, exact):
        assert_close(found, by_numpy)


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf])
def test_logits_that_are_not_finite_make_a_loss_that_is_not(bad):
    hidden, weight, bias, targets, _ = a_task((2, 3, 4, 600))
    for where in (0, 1, 550):
        broken = bias.copy()
        broken[where] = bad
        loss, _ = ours(hidden, weight, broken, targets)
        assert not numpy.isfinite(loss)


@pytest.mark.parametrize("target", [-1, 28, 2**30])
def test_a_target_that_is_no_token_is_refused(target):
    hidden, weight, bias, targets, _ = a_task((2, 3, 4, 28))
    targets[1, 1] = target
    with pytest.raises(mxnet.MXNetError, match=f"targets must be at least 0 and below 28; got {target}\n"):
        ours(hidden, weight, bias, targets)


@pytest.mark.parametrize(("index", "shape", "message"), [
    (0, (2, 3), r"hidden must be \(T, N, H\), with at least one time step and sequence; got \(2, 3\)"),
    (1, (28, 5), r"weight must be \(V, 4\); got \(28, 5\)"),
    (2, (27,), r"bias must be of shape \(28,\); got \(27,\)"),
    (3, (3, 2), r"targets must be of shape \(2, 3\); got \(3, 2\)"),
    (4, (3, 2), r"row_weights must be of shape \(2, 3\); got \(3, 2\)"),
])
def test_sizes_that_do_not_fit_are_refused(index, shape, message):
    task = list(a_task((2, 3, 4, 28)))
    task[index] = numpy.zeros(shape, dtype=task[index].dtype)
    with pytest.raises(mxnet.MXNetError, match=message):
        ours(*task)


def test_there_is_no_backward_pass_from_a_prediction():
    task = [np.array(a).as_nd_ndarray() for a in a_task((2, 3, 4, 28))]
    task[3] = np.zeros((2, 3), dtype="int32").as_nd_ndarray()
    task[0].attach_grad()
    for compute in (lambda: mxnet.nd.gluon_deeprnn_cross_entropy(*task[:4], trains=0, weighted=0, smoothing=0),
                    lambda: mxnet.nd.gluon_deeprnn_log_probs(*task[:4])):
        with autograd.record():
            loss = compute()
        loss.backward()
        with pytest.raises(mxnet.MXNetError, match="no backward pass"):
            task[0].grad.wait_to_read()


class Doubled(GraphBlock):
    """A language model whose logits no dense layer computes."""

    def __init__(self, model):
        super().__init__()
        self.model, self.vocab_size, self.begin_state = model, model.vocab_size, model.begin_state

    def hybrid_forward(self, F, tokens, state):
        logits, state = self.model(tokens, state)
        return 2 * logits, state


@pytest.mark.parametrize("core", [GRU, LSTM])
def test_logits_that_no_dense_layer_computes_take_mxnets_operators(core):
    model = RNNLM(core(8), 9)
    tokens = numpy.random.randint(0, 9, (2, 6, 4)).astype("int32")
    found = {}
    for name, block in (("dense", model), ("doubled", Doubled(model))):
        loss = MeanLoss(block)
        loss.hybridize()
        value, _, _ = loss.of_batch(*tokens, model.begin_state(4))
        found[name] = loss.operators()
        logits = block(np.array(tokens[0], dtype="int32"), model.begin_state(4))[0].asnumpy()
        log_p = logits - numpy.log(numpy.exp(logits).sum(axis=-1, keepdims=True))
        expected = -numpy.take_along_axis(log_p, tokens[1][..., None], -1).mean()
        assert value.item() == pytest.approx(expected, rel=1e-5)
    assert found["dense"]["gluon_deeprnn_cross_entropy"] == 1
    assert "log_softmax" not in found["dense"]
    assert found["doubled"]["log_softmax"] == 1
    assert "gluon_deeprnn_cross_entropy" not in found["doubled"]
