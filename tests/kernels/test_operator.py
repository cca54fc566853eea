"""What the operators refuse, by messages of one form."""

from gluon_deeprnn import kernels
import mxnet
from mxnet import np
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

GOOD = {"cell": "gru", "trains": 1, "vocab_size": 0}


def layer(shapes, **attributes):
    arrays = [np.zeros(shape).as_nd_ndarray() for shape in shapes]
    mxnet.nd.gluon_deeprnn_layer(*arrays, **{**GOOD, **attributes})[0].wait_to_read()


def size(gates, num_inputs, num_hiddens):
    return gates * num_hiddens * (num_inputs + num_hiddens + 2)


@pytest.mark.parametrize("cell", ["rnn", "GRU", "tanh", "", "gru ", "lstm2"])
def test_an_unknown_cell_is_refused(cell):
    names = "rnn_tanh, rnn_relu, rnn_sigmoid, rnn_softsign, rnn_softrelu, lstm or gru"
    with pytest.raises(mxnet.MXNetError, match=f"cell must be {names}; got {cell}\n"):
        layer([(3, 2, 4), (size(1, 4, 8),), (2, 8)], cell=cell)


@pytest.mark.parametrize(("name", "rule"), [("trains", "0 or 1"), ("vocab_size", "an integer of at least 0")])
@pytest.mark.parametrize("value", ["yes", "", "-1", "1.5"])
def test_an_attribute_that_is_no_such_number_is_refused(name, rule, value):
    with pytest.raises(mxnet.MXNetError, match=f"{name} must be {rule}; got {value}\n"):
        layer([(3, 2, 4), (size(3, 4, 8),), (2, 8)], **{name: value})


@pytest.mark.parametrize(("shapes", "message"), [
    ([(0, 2, 4), (size(3, 4, 8),), (2, 8)], r"inputs must be \(T, N, D\), with at least one .*; got \(0, 2, 4\)"),
    ([(3, 0, 4), (size(3, 4, 8),), (0, 8)], r"inputs must be \(T, N, D\), with at least one .*; got \(3, 0, 4\)"),
    ([(3, 2, 0), (size(3, 0, 8),), (2, 8)], r"inputs must be \(T, N, D\), with at least one .*; got \(3, 2, 0\)"),
    ([(3, 2), (size(3, 4, 8),), (2, 8)], r"inputs must be \(T, N, D\), .*; got \(3, 2\)"),
    ([(3, 2, 4), (0,), (2, 0)], r"hidden must be \(2, H\), with at least one unit; got \(2, 0\)"),
    ([(3, 2, 4), (size(3, 4, 8),), (3, 8)], r"hidden must be \(2, H\), with at least one unit; got \(3, 8\)"),
    ([(3, 2, 4), (10,), (2, 8)], r"weights must be of shape \(336,\); got \(10,\)"),
    ([(3, 2, 4), (4, 84), (2, 8)], r"weights must be of shape \(336,\); got \(4, 84\)"),
])
def test_sizes_that_do_not_fit_are_refused(shapes, message):
    with pytest.raises(mxnet.MXNetError, match=message):
        layer(shapes)


def test_a_memory_that_does_not_fit_is_refused():
    with pytest.raises(mxnet.MXNetError, match=r"memory must be of shape \(2, 8\); got \(2, 9\)"):
        layer([(3, 2, 4), (size(4, 4, 8),), (2, 8), (2, 9)], cell="lstm")


@pytest.mark.parametrize("epsilon", ["none", "-1", "nan"])
def test_an_epsilon_that_is_no_number_is_refused(epsilon):
    arrays = [np.zeros(shape).as_nd_ndarray() for shape in [(3, 4), (4,), (4,)]]
    with pytest.raises(mxnet.MXNetError, match=f"epsilon must be a number of at least 0; got {epsilon}"):
        mxnet.nd.gluon_deeprnn_layer_norm(*arrays, epsilon=epsilon).wait_to_read()
