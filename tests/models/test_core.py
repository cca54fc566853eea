"""Properties of every recurrent core."""

from gluon_deeprnn import GRU, LSTM, RNN, StackedRNNScratch
from mxnet import autograd, np
import numpy
import pytest

D, H = 4, 5
KIT = {"residual": True, "layer_norm": True, "learned_state": True}
CORES = {
    "scratch": lambda layers: StackedRNNScratch(D, H, layers, sigma=0.5),
    "scratch-lstm": lambda layers: StackedRNNScratch(D, H, layers, sigma=0.5, cell="lstm"),
    "scratch-gru": lambda layers: StackedRNNScratch(D, H, layers, sigma=0.5, cell="gru"),
    "scratch-gru-kit": lambda layers: StackedRNNScratch(D, H, layers, sigma=0.5, cell="gru", reset="before", **KIT),
    "lstm-kit": lambda layers: LSTM(H, layers, **KIT),
    "rnn": lambda layers: RNN(H, layers),
    "lstm": lambda layers: LSTM(H, layers),
    "gru": lambda layers: GRU(H, layers),
}


@pytest.fixture(params=CORES)
def core(request):
    made = CORES[request.param](2)
    made.initialize()
    return made


def draw(*shape):
    return np.array(numpy.random.uniform(-1, 1, shape).astype("float32"))


def a_state(core, batch_size):
    return [draw(*array.shape) for array in core.begin_state(batch_size)]


@pytest.mark.parametrize("train_mode", [True, False])
def test_hybridized_equals_not_hybridized_at_changing_shapes_on_one_block(core, train_mode):
    cases = [(draw(T, N, D), a_state(core, N)) for T, N in ((5, 3), (8, 3), (5, 2), (5, 3), (1, 1), (8, 3))]
    core(*cases[0])  # infers the sizes

    def results():
        for x, state in cases:
            x.attach_grad()
            with autograd.record(train_mode=train_mode):
                outputs, last = core(x, state)
                total = (outputs ** 2).sum() + sum((array ** 2).sum() for array in last)
            total.backward()
            gradients = [parameter.grad() for _, parameter in core.named_parameters()]
            yield [array.asnumpy() for array in (outputs, *last, x.grad, *gradients)]

    plain = list(results())
    core.hybridize()
    for expected, got in zip(plain, results()):
        for a, b in zip(expected, got):
            numpy.testing.assert_allclose(b, a, rtol=1e-5, atol=1e-5)


def test_hybridizing_keeps_the_structure_of_outputs(core):
    x = draw(3, 2, D)
    plain = core(x)
    core.hybridize()
    compiled = core(x)
    assert [type(part) for part in plain] == [type(part) for part in compiled]
    assert [array.shape for array in plain[1]] == [array.shape for array in compiled[1]]


@pytest.mark.parametrize("hybridized", [False, True])
def test_a_stream_in_chunks_equals_the_whole_stream(core, hybridized):
    core.hybridize(hybridized)
    x = draw(17, 3, D)
    whole, last = core(x)
    pieces, state = [], None
    for start, stop in ((0, 5), (5, 6), (6, 13), (13, 17)):
        outputs, state = core(x[start:stop], state)
        pieces.append(outputs.asnumpy())
    numpy.testing.assert_allclose(numpy.concatenate(pieces), whole.asnumpy(), atol=1e-6)
    for a, b in zip(state, last):
        numpy.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=1e-6)


def test_a_call_does_not_write_into_the_state_that_it_is_given(core):
    state = a_state(core, 3)
    before = [array.asnumpy() for array in state]
    core(draw(4, 3, D), state)
    for array, old in zip(state, before):
        assert (array.asnumpy() == old).all()


def test_sequences_of_a_batch_are_independent(core):
    x, state = draw(6, 3, D), a_state(core, 3)
    together = core(x, state)[0].asnumpy()
    for i in range(3):
        alone = core(x[:, i:i + 1], [array[:, i:i + 1] for array in state])[0].asnumpy()
        numpy.testing.assert_allclose(alone[:, 0], together[:, i], atol=1e-6)


def test_the_initial_state_is_zeros_of_the_right_shape(core):
    state = core.begin_state(batch_size=7)
    assert [array.shape for array in state] == [(2, 7, H)] * (2 if core.cell == "lstm" else 1)
    assert not any(array.asnumpy().any() for array in state)


@pytest.mark.parametrize(("shape", "state", "message"), [
    ((3, D), None, r"inputs must be an array of shape \(any, any, .*\); got shape \(3, 4\)"),
    ((0, 2, D), None, r"inputs must be an array with at least one step, one sequence and .*; got shape \(0, 2, 4\)"),
    ((3, 2, D), [(2, 3, H)], r"state must be an array of shape \(2, 2, 5\); got shape \(2, 3, 5\)"),
    ((3, 2, D), [(2, 2, H)] * 3, r"state must be a list of [12] array\(s\); got "),
])
def test_shapes_that_do_not_fit_are_refused(core, shape, state, message):
    if state and len(state) == 1:
        state = state * core.num_states
    with pytest.raises(ValueError, match="^" + message):
        core(np.zeros(shape), state and [np.zeros(s) for s in state])


def test_a_batch_size_of_zero_is_refused(core):
    with pytest.raises(ValueError, match=r"^batch_size must be a positive integer; got 0$"):
        core.begin_state(0)
