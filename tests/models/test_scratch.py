from gluon_deeprnn import StackedRNNScratch
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.cells import ACTIVATIONS
import mxnet
from mxnet import gluon, np
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
    return net, [[getattr(rnn, name).data().asnumpy() for name in ("W_xh", "W_hh", "b_h")] for rnn in net.layers]


class Around(GraphBlock):
    """A user's block that contains a core."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def hybrid_forward(self, F, x, h):
        outputs, (h,) = self.net(F.np.swapaxes(x, 0, 1) * 2, [h])
        return outputs, h


class Foreign(gluon.HybridBlock):
    """The same, but the number of steps is unknown in its graph."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    hybrid_forward = Around.hybrid_forward


def test_it_works_for_any_length_inside_a_users_hybridized_block():
    net, _ = scratch_and_weights(2)
    around = Around(net)
    around.hybridize()
    for steps, batch_size in ((5, 3), (8, 2), (5, 3)):
        x, h = np.array(draw(batch_size, steps, D)), np.array(draw(2, batch_size, H))
        outputs, last = around(x, h)
        expected, (expected_last,) = net(x.swapaxes(0, 1) * 2, [h])
        numpy.testing.assert_allclose(outputs.asnumpy(), expected.asnumpy(), atol=1e-6)
        numpy.testing.assert_allclose(last.asnumpy(), expected_last.asnumpy(), atol=1e-6)


def test_the_error_for_an_unknown_number_of_steps_names_the_remedy():
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
    for rnn in net.layers:
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
    ((4, 5, 2), {"cell": "gruu"}, r"cell must be one of rnn, lstm, gru, mgu; got 'gruu' \(did you mean 'gru'\?\)"),
    ((4, 5, 2), {"cell": "gru", "reset": "during"}, "reset must be one of after, before; got 'during'"),
    ((4, 5, 2), {"cell": "lstm", "forget_bias": "1"}, "forget_bias must be a finite number; got '1'"),
    ((4, 5, 2), {"dropout": 1.0}, r"dropout must be a number in \[0, 1\); got 1.0"),
    ((4, 5, 2), {"weight_dropout": -0.1}, r"weight_dropout must be a number in \[0, 1\); got -0.1"),
    ((4, 5, 2), {"input_dropout": 2}, r"input_dropout must be a number in \[0, 1\); got 2"),
    ((4, 5, 2), {"variational": 1}, "variational must be True or False; got 1"),
    ((4, 5, 2), {"residual": "yes"}, "residual must be True or False; got 'yes'"),
    ((4, 5, 2), {"layer_norm": None}, "layer_norm must be True or False; got None"),
    ((4, 5, 2), {"learned_state": 0}, "learned_state must be True or False; got 0"),
    ((4, 5, 2), {"initializer": "ortho"}, r"initializer must be one of uniform, .*; got 'ortho'"),
    ((4, 5, 2), {"recurrent_initializer": "orthogonl"}, r"recurrent_initializer must be .*you mean 'orthogonal'"),
    ((4, 5, 2), {"activation": ["tanh"]}, r"activation must be one name, or one for each of the 2 .*; got \['tanh'\]"),
])
def test_bad_arguments_are_refused(arguments, options, message):
    with pytest.raises(ValueError, match="^" + message):
        StackedRNNScratch(*arguments, **options)
