from gluon_deeprnn import RNN, StackedRNNScratch
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.scratch import ACTIVATIONS
import mxnet
from mxnet import autograd, gluon, np
import numpy
import pytest

T, N, D, H = 6, 3, 4, 5


def draw(*shape):
    return numpy.random.uniform(-1, 1, shape).astype("float32")


def scratch_and_weights(num_layers, **options):
    net = StackedRNNScratch(D, H, num_layers, sigma=0.5, **options)
    net.initialize()
    for _, parameter in net.named_parameters():
        if parameter.name.endswith("b_h"):
            parameter.set_data(np.array(draw(H)))
    return net, [[getattr(rnn, name).data().asnumpy() for name in ("W_xh", "W_hh", "b_h")] for rnn in net.rnns]


def numpy_forward(weights, x, h0):
    """The chapter's equation, step by step, in double precision."""
    outputs, last = x.astype("float64"), []
    for (W_xh, W_hh, b_h), h in zip(weights, h0.astype("float64")):
        steps = []
        for x_t in outputs:
            h = numpy.tanh(x_t @ W_xh + h @ W_hh + b_h)
            steps.append(h)
        outputs = numpy.stack(steps)
        last.append(h)
    return outputs, numpy.stack(last)


def numpy_backward(weights, x, h0, d_outputs, d_last):
    """Backpropagation through time by hand: gradients of every weight, of x and of the first states."""
    inputs, states = [x.astype("float64")], []
    for (W_xh, W_hh, b_h), h in zip(weights, h0.astype("float64")):
        hs = [h]
        for x_t in inputs[-1]:
            hs.append(numpy.tanh(x_t @ W_xh + hs[-1] @ W_hh + b_h))
        states.append(hs)
        inputs.append(numpy.stack(hs[1:]))
    gradients, d_h0, d_out = [], [], d_outputs
    for layer in reversed(range(len(weights))):
        W_xh, W_hh, b_h = (w.astype("float64") for w in weights[layer])
        grads = [numpy.zeros_like(w) for w in (W_xh, W_hh, b_h)]
        d_in, d_h = numpy.zeros_like(inputs[layer]), d_last[layer]
        for t in reversed(range(len(x))):
            d_z = (d_h + d_out[t]) * (1 - states[layer][t + 1] ** 2)
            grads[0] += inputs[layer][t].T @ d_z
            grads[1] += states[layer][t].T @ d_z
            grads[2] += d_z.sum(axis=0)
            d_in[t], d_h = d_z @ W_xh.T, d_z @ W_hh.T
        gradients.insert(0, grads)
        d_h0.insert(0, d_h)
        d_out = d_in
    return gradients, d_out, numpy.stack(d_h0)


def run(core, x, h0, d_outputs, d_last):
    """Outputs, last state, gradients of x and h0; those of the parameters stay with them."""
    x, h0 = np.array(x), np.array(h0)
    x.attach_grad()
    h0.attach_grad()
    with autograd.record():
        outputs, (last,) = core(x, [h0])
        total = (outputs * np.array(d_outputs)).sum() + (last * np.array(d_last)).sum()
    total.backward()
    return [a.asnumpy() for a in (outputs, last, x.grad, h0.grad)]


@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_it_equals_a_numpy_loop_in_outputs_states_and_all_gradients(num_layers, hybridized):
    net, weights = scratch_and_weights(num_layers)
    net.hybridize(hybridized)
    x, h0, d_outputs, d_last = draw(T, N, D), draw(num_layers, N, H), draw(T, N, H), draw(num_layers, N, H)
    outputs, last, d_x, d_h0 = run(net, x, h0, d_outputs, d_last)
    expected_outputs, expected_last = numpy_forward(weights, x, h0)
    gradients, expected_d_x, expected_d_h0 = numpy_backward(weights, x, h0, d_outputs, d_last)
    numpy.testing.assert_allclose(outputs, expected_outputs, atol=1e-6)
    numpy.testing.assert_allclose(last, expected_last, atol=1e-6)
    numpy.testing.assert_allclose(d_x, expected_d_x, atol=2e-6)
    numpy.testing.assert_allclose(d_h0, expected_d_h0, atol=2e-6)
    for rnn, expected in zip(net.rnns, gradients):
        for name, gradient in zip(("W_xh", "W_hh", "b_h"), expected):
            numpy.testing.assert_allclose(getattr(rnn, name).grad().asnumpy(), gradient, atol=1e-5)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_it_equals_the_fused_tanh_layer_on_the_same_weights(num_layers):
    net, weights = scratch_and_weights(num_layers)
    fused = RNN(H, num_layers, num_inputs=D)
    fused.initialize()
    for level, (W_xh, W_hh, b_h) in zip(fused.levels, weights):
        for parameter, value in ((level.l0_i2h_weight, W_xh.T), (level.l0_h2h_weight, W_hh.T),
                                 (level.l0_i2h_bias, b_h), (level.l0_h2h_bias, 0 * b_h)):
            parameter.set_data(np.array(value))
    arguments = draw(T, N, D), draw(num_layers, N, H), draw(T, N, H), draw(num_layers, N, H)
    for ours, theirs in zip(run(net, *arguments), run(fused, *arguments)):
        numpy.testing.assert_allclose(ours, theirs, atol=2e-6)
    for rnn, level in zip(net.rnns, fused.levels):
        for ours, theirs in ((rnn.W_xh, level.l0_i2h_weight), (rnn.W_hh, level.l0_h2h_weight),
                             (rnn.b_h, level.l0_i2h_bias)):
            numpy.testing.assert_allclose(ours.grad().asnumpy(), theirs.grad().asnumpy().T, atol=1e-5)


class Around(GraphBlock):
    """A user's block around ours."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def hybrid_forward(self, F, x, h):
        outputs, (h,) = self.net(F.np.swapaxes(x, 0, 1) * 2, [h])
        return outputs, h


class Foreign(gluon.HybridBlock):
    """The same, but its graph does not tell us the number of steps."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    hybrid_forward = Around.hybrid_forward


def test_it_works_at_any_length_inside_a_users_hybridized_block():
    net, _ = scratch_and_weights(2)
    around = Around(net)
    around.hybridize()
    for steps, batch_size in ((5, 3), (8, 2), (5, 3)):
        x, h = np.array(draw(batch_size, steps, D)), np.array(draw(2, batch_size, H))
        outputs, last = around(x, h)
        expected, (expected_last,) = net(x.swapaxes(0, 1) * 2, [h])
        numpy.testing.assert_allclose(outputs.asnumpy(), expected.asnumpy(), atol=1e-6)
        numpy.testing.assert_allclose(last.asnumpy(), expected_last.asnumpy(), atol=1e-6)


def test_a_block_that_hides_the_number_of_steps_is_told_what_to_do():
    foreign = Foreign(scratch_and_weights(2)[0])
    x, h = np.array(draw(N, T, D)), np.array(draw(2, N, H))
    foreign(x, h)  # not hybridized: fine
    foreign.hybridize()
    with pytest.raises(ValueError, match=r"^inputs must be of a known number of steps .* \(derive .*GraphBlock"):
        foreign(x, h)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_each_layer_has_the_activation_that_it_was_given(activation):
    functions = {"tanh": numpy.tanh, "relu": lambda z: numpy.maximum(z, 0),
                 "sigmoid": lambda z: 1 / (1 + numpy.exp(-z)), "softsign": lambda z: z / (1 + abs(z)),
                 "softrelu": lambda z: numpy.log1p(numpy.exp(z))}
    net, weights = scratch_and_weights(2, activation=["tanh", activation])
    x = draw(1, N, D)
    first = numpy.tanh(x[0] @ weights[0][0] + weights[0][2])
    expected = functions[activation](first @ weights[1][0] + weights[1][2])
    numpy.testing.assert_allclose(net(np.array(x))[0][0].asnumpy(), expected, atol=1e-6)


def test_initial_weights_are_normal_with_sigma_and_biases_zero():
    net = StackedRNNScratch(200, 300, 2, sigma=0.01)
    net.initialize()
    for rnn in net.rnns:
        assert rnn.W_hh.data().asnumpy().std() == pytest.approx(0.01, rel=0.02)
        assert not rnn.b_h.data().asnumpy().any()


def test_seed_repeats_the_initial_weights():
    def weights():
        mxnet.random.seed(7)
        net = StackedRNNScratch(3, 4, 2)
        net.initialize()
        return [p.data().asnumpy() for _, p in net.named_parameters()]

    for first, second in zip(weights(), weights()):
        assert (first == second).all()


@pytest.mark.parametrize(("arguments", "options", "message"), [
    ((0, 5, 2), {}, "num_inputs must be a positive integer; got 0"),
    ((4, "5", 2), {}, "num_hiddens must be a positive integer; got '5'"),
    ((4, 5, True), {}, "num_layers must be a positive integer; got True"),
    ((4, 5, 2, -1), {}, "sigma must be a number, at least 0; got -1"),
    ((4, 5, 2), {"activation": "tan"}, r"activation must be one of tanh, .*; got 'tan' \(did you mean 'tanh'\?\)"),
    ((4, 5, 2), {"activation": ["tanh"]}, r"activation must be one name, or one for each of the 2 .*; got \['tanh'\]"),
])
def test_bad_arguments_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match="^" + message):
        StackedRNNScratch(*arguments, **options)
