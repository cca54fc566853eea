from gluon_deeprnn import GRU, LSTM, RNN
import mxnet
from mxnet import autograd, np
import numpy
import pytest

CELLS = [RNN, LSTM, GRU]


def started(cell, *arguments, **options):
    rnn = cell(*arguments, **options)
    rnn.initialize()
    return rnn


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_dropout_drops_between_layers_in_training_and_only_then(cell, hybridized):
    rnn = started(cell, 64, 2, dropout=0.4)
    x = np.random.uniform(size=(20, 16, 8))
    with autograd.record():
        rnn(x)  # infers the sizes
    rnn.hybridize(hybridized)
    with autograd.record():
        first, second = rnn(x)[0].asnumpy(), rnn(x)[0].asnumpy()
    assert abs(first - second).max() > 0.01
    predicted = rnn(x)[0].asnumpy()
    assert (predicted == rnn(x)[0].asnumpy()).all()
    with autograd.record(train_mode=False):
        numpy.testing.assert_allclose(rnn(x)[0].asnumpy(), predicted, atol=1e-6)
    rnn.dropout = 0.0
    rnn.hybridize(False)
    numpy.testing.assert_allclose(rnn(x)[0].asnumpy(), predicted, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_the_share_of_dropped_outputs_and_the_scale_of_the_rest(cell):
    rnn = started(cell, 64, 2, dropout=0.4)
    x = np.random.uniform(size=(20, 16, 8))
    seen = []
    rnn(x)
    rnn.layers[1].register_forward_pre_hook(lambda block, arguments: seen.append(arguments[0].asnumpy()))
    rnn(x)
    with autograd.record():
        outputs, _ = rnn(x)
    whole, dropped = seen
    assert (dropped == 0).mean() == pytest.approx(0.4, abs=0.02)
    kept = dropped != 0
    numpy.testing.assert_allclose(dropped[kept], whole[kept] / 0.6, rtol=1e-5)
    assert (outputs.asnumpy() != 0).all()  # there is no dropout after the last layer


def test_a_single_layer_drops_nothing():
    rnn = started(GRU, 16, 1, dropout=0.5)
    x = np.random.uniform(size=(4, 3, 8))
    with autograd.record():
        first, second = rnn(x)[0].asnumpy(), rnn(x)[0].asnumpy()
    assert (first == second).all()


@pytest.mark.parametrize("hybridized", [False, True])
def test_the_same_seed_drops_the_same_outputs(hybridized):
    rnn = started(GRU, 16, 3, dropout=0.5)
    x = np.random.uniform(size=(4, 3, 8))
    rnn.hybridize(hybridized)

    def outputs():
        mxnet.random.seed(5)
        with autograd.record():
            return rnn(x)[0].asnumpy()

    assert (outputs() == outputs()).all()


def test_the_gradient_passes_through_the_mask_that_was_used():
    rnn = started(GRU, 6, 2, dropout=0.5, num_inputs=3)
    x = np.random.uniform(size=(5, 2, 3))
    x.attach_grad()

    def loss():
        mxnet.random.seed(3)
        with autograd.record():
            total = (rnn(x)[0] ** 2).sum()
        return total

    loss().backward()
    gradient, epsilon = x.grad.asnumpy(), 1e-2
    for index in ((0, 0, 0), (2, 1, 1), (4, 0, 2)):
        values = []
        for sign in (1, -1):
            x[index] += sign * epsilon
            values.append(float(loss().item()))
            x[index] -= sign * epsilon
        assert gradient[index] == pytest.approx((values[0] - values[1]) / (2 * epsilon), rel=0.02, abs=2e-4)


def test_relu_can_be_chosen():
    rnn = started(RNN, 8, 2, activation="relu")
    assert rnn(np.random.uniform(size=(5, 3, 4)))[0].asnumpy().min() == 0


def test_twelve_layers_work():
    rnn = started(GRU, 4, 12)  # Gluon's own multi-layer block fails for eleven or more
    assert rnn(np.ones((3, 2, 5)))[1][0].shape == (12, 2, 4)


@pytest.mark.parametrize(("options", "message"), [
    ({"num_hiddens": 0}, "num_hiddens must be a positive integer; got 0"),
    ({"num_layers": 1.0}, "num_layers must be a positive integer; got 1.0"),
    ({"dropout": 1}, r"dropout must be a number in \[0, 1\); got 1"),
    ({"dropout": float("nan")}, r"dropout must be a number in \[0, 1\); got nan"),
    ({"num_inputs": -1}, "num_inputs must be a non-negative integer; got -1"),
])
@pytest.mark.parametrize("cell", CELLS)
def test_bad_arguments_are_refused(cell, options, message):
    with pytest.raises(ValueError, match="^" + message):
        cell(**{"num_hiddens": 4, **options})
