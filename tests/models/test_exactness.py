"""Layers from scratch, fused layers, NumPy and torch agree for every cell and depth."""

from gluon_deeprnn import GRU, LSTM, RNN, StackedRNNScratch
from gluon_deeprnn.models import as_fused, as_scratch
from gluon_deeprnn.models.weights import gradient_arrays, parameter_arrays
from mxnet import autograd, np
import numpy
import pytest
import reference

T, N, D = 7, 3, 5
CELLS = ["rnn", "lstm", "gru"]
SIZES = [(1, 8), (2, 8), (4, 8), (8, 8), (1, 64), (2, 64), (4, 64), (8, 64)]


def draw(*shape):
    return numpy.random.uniform(-1, 1, shape).astype("float32")


def a_stack(cell, num_layers, num_hiddens, **options):
    """A stack initialized as in torch, biases too, so that no value is near zero and no gradient vanishes."""
    net = StackedRNNScratch(D, num_hiddens, num_layers, cell=cell, initializer="uniform", **options)
    net.initialize()
    return net


def a_task(net):
    """Inputs, an initial state, and the factors of the outputs and the last state in the loss."""
    state_shape = (net.num_layers, N, net.num_hiddens)
    return (draw(T, N, D), [draw(*state_shape) for _ in range(net.num_states)], draw(T, N, net.num_hiddens),
            [draw(*state_shape) for _ in range(net.num_states)])


def run(core, x, state, d_outputs, d_last, train_mode=True):
    """Return outputs and last state; the gradients of x and the state; those of the parameters by name."""
    x, state = np.array(x), [np.array(s) for s in state]
    for array in (x, *state):
        array.attach_grad()
    with autograd.record(train_mode=train_mode):
        outputs, last = core(x, state)
        total = (outputs * np.array(d_outputs)).sum()
        for array, d in zip(last, d_last):
            total = total + (array * np.array(d)).sum()
    total.backward()
    return ([a.asnumpy() for a in (outputs, *last)], [a.grad.asnumpy() for a in (x, *state)], gradient_arrays(core))


def by_layer(arrays, num_layers):
    return [{name.split(".", 1)[1]: array for name, array in arrays.items() if name.startswith(f"layer{i}.")}
            for i in range(num_layers)]


def assert_relative(got, expected, tolerance):
    """Check the largest difference relative to the largest value."""
    assert got.shape == expected.shape
    assert abs(got - expected).max() <= tolerance * max(abs(expected).max(), 1e-30)


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize(("num_layers", "num_hiddens"), SIZES)
@pytest.mark.parametrize("cell", [*CELLS, "gru-before", "mgu"])
def test_scratch_equals_numpy_in_outputs_states_and_all_gradients(cell, num_layers, num_hiddens, hybridized):
    net = a_stack("gru", num_layers, num_hiddens, reset="before") if cell == "gru-before" \
        else a_stack(cell, num_layers, num_hiddens)
    net.hybridize(hybridized)
    task = a_task(net)
    values, d_arguments, d_weights = run(net, *task)
    outputs, last, grads, d_x, d_state = reference.forward_and_backward(
        cell, by_layer(parameter_arrays(net), num_layers), *task)
    for got, expected in zip(values, (outputs, *last)):
        numpy.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    for got, expected in zip(d_arguments, (d_x, *d_state)):
        assert_relative(got, expected, 1e-4)
    for got, expected in zip(by_layer(d_weights, num_layers), grads):
        assert got.keys() == expected.keys()
        for name in got:
            assert_relative(got[name], expected[name], 1e-4)


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize(("num_layers", "num_hiddens"), SIZES)
@pytest.mark.parametrize("cell", CELLS)
def test_fused_equals_scratch_in_outputs_states_and_all_gradients(cell, num_layers, num_hiddens, hybridized):
    net = a_stack(cell, num_layers, num_hiddens)
    fused = as_fused(net)
    for core in (net, fused):
        core.hybridize(hybridized)
    task = a_task(net)
    values, d_arguments, d_weights = run(net, *task)
    fused_values, d_fused_arguments, d_fused = run(fused, *task)
    for got, expected in zip(fused_values, values):
        numpy.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    for got, expected in zip(d_fused_arguments, d_arguments):
        assert_relative(got, expected, 1e-4)
    gates = reference.GATES[cell]
    for got, expected in zip(by_layer(d_fused, num_layers), by_layer(d_weights, num_layers)):
        for ours, theirs in (("W_x", "i2h_weight"), ("W_h", "h2h_weight")):
            assert_relative(got[theirs], numpy.concatenate([expected[ours + gate].T for gate in gates]), 1e-4)
        assert_relative(got["i2h_bias"], numpy.concatenate([expected["b_" + gate] for gate in gates]), 1e-4)


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("cell", [*CELLS, "gru-before", "mgu"])
def test_large_batches_with_other_operators_equal_numpy_too(cell, hybridized):
    options = {"reset": "before"} if cell == "gru-before" else {}
    net = a_stack(cell.split("-")[0], 2, 8, **options)
    net.hybridize(hybridized)
    batch_size = 300
    states = [draw(2, batch_size, 8) for _ in range(net.num_states)]
    task = draw(4, batch_size, D), states, draw(4, batch_size, 8), [draw(*s.shape) for s in states]
    values, d_arguments, d_weights = run(net, *task)
    outputs, last, grads, d_x, d_state = reference.forward_and_backward(cell, by_layer(parameter_arrays(net), 2), *task)
    for got, expected in zip(values, (outputs, *last)):
        numpy.testing.assert_allclose(got, expected, rtol=0, atol=1e-5)
    for got, expected in zip(d_arguments, (d_x, *d_state)):
        assert_relative(got, expected, 1e-4)
    for got, expected in zip(by_layer(d_weights, 2), grads):
        for name in got:
            assert_relative(got[name], expected[name], 1e-4)


@pytest.mark.torch
@pytest.mark.parametrize(("num_layers", "num_hiddens"), SIZES)
@pytest.mark.parametrize("cell", CELLS)
def test_both_equal_torch_in_outputs_states_and_all_gradients(cell, num_layers, num_hiddens):
    torch = pytest.importorskip("torch")
    net = a_stack(cell, num_layers, num_hiddens)
    fused = as_fused(net)
    theirs = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](D, num_hiddens, num_layers)
    names = (("i2h_weight", "weight_ih"), ("h2h_weight", "weight_hh"), ("i2h_bias", "bias_ih"), ("h2h_bias", "bias_hh"))
    with torch.no_grad():
        for i, layer in enumerate(by_layer(parameter_arrays(fused), num_layers)):
            for ours, torchs in names:
                getattr(theirs, f"{torchs}_l{i}").copy_(torch.from_numpy(layer[ours].copy()))
    task = a_task(net)
    x, state, d_outputs, d_last = (torch.from_numpy(a) if isinstance(a, numpy.ndarray) else [*map(torch.from_numpy, a)]
                                   for a in task)
    for array in (x, *state):
        array.requires_grad_()
    outputs, last = theirs(x, tuple(state) if len(state) > 1 else state[0])
    last = last if len(state) > 1 else (last,)
    (sum((a * d).sum() for a, d in zip(last, d_last)) + (outputs * d_outputs).sum()).backward()
    for core in (net, fused):
        values, d_arguments, d_weights = run(core, *task)
        for got, expected in zip(values, (outputs, *last)):
            numpy.testing.assert_allclose(got, expected.detach().numpy(), rtol=0, atol=1e-5)
        for got, expected in zip(d_arguments, (x, *state)):
            assert_relative(got, expected.grad.numpy(), 1e-4)
    for i, layer in enumerate(by_layer(d_weights, num_layers)):
        for ours, torchs in names:
            assert_relative(layer[ours], getattr(theirs, f"{torchs}_l{i}").grad.numpy(), 1e-4)


@pytest.mark.parametrize("train_mode", [True, False])
@pytest.mark.parametrize("implementation", ["scratch", "fused"])
@pytest.mark.parametrize("num_layers", [1, 2, 4, 8])
@pytest.mark.parametrize("cell", CELLS)
def test_hybridized_equals_imperative_on_one_block_at_three_lengths_and_batch_sizes(
        cell, num_layers, implementation, train_mode):
    core = a_stack(cell, num_layers, 8)
    core = as_fused(core) if implementation == "fused" else core
    tasks = []
    for num_steps, batch_size in ((5, 3), (8, 2), (5, 1), (2, 3), (5, 3), (8, 2)):
        shape = (num_layers, batch_size, 8)
        tasks.append((draw(num_steps, batch_size, D), [draw(*shape) for _ in range(core.num_states)],
                      draw(num_steps, batch_size, 8), [draw(*shape) for _ in range(core.num_states)]))
    plain = [run(core, *task, train_mode=train_mode) for task in tasks]
    core.hybridize()
    for task, (values, d_arguments, d_weights) in zip(tasks, plain):
        got_values, d_got, d_got_weights = run(core, *task, train_mode=train_mode)
        for a, b in zip([*got_values, *d_got, *d_got_weights.values()], [*values, *d_arguments, *d_weights.values()]):
            numpy.testing.assert_allclose(a, b, rtol=0, atol=2e-6 * max(1, abs(b).max()))


@pytest.mark.parametrize("num_layers", [1, 2, 4, 8])
@pytest.mark.parametrize("cell", CELLS)
def test_conversion_to_fused_and_back_keeps_every_weight_bitwise(cell, num_layers):
    net = a_stack(cell, num_layers, 8)
    again = parameter_arrays(as_scratch(as_fused(net)))
    before = parameter_arrays(net)
    assert before.keys() == again.keys()
    for name, array in before.items():
        assert (array == again[name]).all(), name


@pytest.mark.parametrize("num_layers", [1, 2, 4, 8])
@pytest.mark.parametrize("fused", [RNN, LSTM, GRU])
def test_conversion_from_fused_keeps_the_function(fused, num_layers):
    core = fused(8, num_layers, num_inputs=D)
    core.initialize()
    task = a_task(core)
    for got, expected in zip(run(as_scratch(core), *task)[0], run(core, *task)[0]):
        numpy.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
