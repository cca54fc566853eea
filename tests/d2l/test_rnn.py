"""Recurrent layers and stacks."""

from gluon_deeprnn import d2l
from mxnet import autograd, gluon
import numpy
import pytest
from users_models import Gated, ListStack


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_the_state_is_carried_at_any_batch_size(batch_size):
    for rnn in (d2l.RNNScratch(4, 5, sigma=0.5), d2l.StackedRNNScratch(4, 5, 2, sigma=0.5), ListStack(4, 5, 2),
                Gated(4, 5), d2l.GRU(5, 2), d2l.LSTM(5, 2)):
        rnn.initialize()
        x = d2l.randn(9, batch_size, 4)
        whole, _ = rnn(x)
        first, state = rnn(x[:4])
        second, _ = rnn(x[4:], state)
        pieces = [array.asnumpy() for part in (first, second) for array in part]
        numpy.testing.assert_allclose(numpy.stack(pieces), d2l.stack(whole).asnumpy(), atol=1e-6)


def test_the_list_of_states_is_not_changed():
    Hs = [d2l.zeros((2, 5)), d2l.zeros((2, 5))]
    d2l.StackedRNNScratch(4, 5, 2, sigma=0.5)(d2l.ones((3, 2, 4)), Hs)
    assert not any(H.asnumpy().any() for H in Hs)


def test_outputs_can_be_used_like_a_list():
    outputs, state = d2l.RNNScratch(16, 32)([d2l.ones((2, 16))] * 100)
    d2l.check_len(outputs, 100)
    d2l.check_shape(outputs[0], (2, 32))
    d2l.check_shape(state, (2, 32))


def test_layers_and_stacks_are_the_packages_own():
    import gluon_deeprnn
    from gluon_deeprnn.models import cells

    assert type(d2l.RNN(4).rnn) is gluon_deeprnn.RNN
    assert type(d2l.GRU(4, 2).rnn) is gluon_deeprnn.GRU
    assert type(d2l.LSTM(4).rnn) is gluon_deeprnn.LSTM
    assert type(d2l.RNNScratch(3, 4).rnn) is cells.RNNScratch
    assert type(d2l.StackedRNNScratch(3, 4, 2).rnn) is gluon_deeprnn.StackedRNNScratch


def test_dropout_of_the_books_gru_works_on_the_cpu():
    rnn = d2l.GRU(64, 2, dropout=0.5)
    rnn.initialize()
    x = d2l.randn(10, 4, 8)
    rnn(x)
    with autograd.record():
        first, second = rnn(x)[0].asnumpy(), rnn(x)[0].asnumpy()
    assert abs(first - second).max() > 0.01
    assert (rnn(x)[0].asnumpy() == rnn(x)[0].asnumpy()).all()


def test_a_warning_says_that_gluons_dropout_is_ignored(caplog):
    class Users(d2l.RNN):
        def __init__(self):
            d2l.Module.__init__(self)
            self.rnn = gluon.rnn.GRU(4, 2, dropout=0.5)

    rnn = Users()
    rnn.initialize()
    rnn(d2l.ones((3, 2, 4)))
    assert "MXNet ignores the dropout of a Gluon layer on the CPU" in caplog.text
