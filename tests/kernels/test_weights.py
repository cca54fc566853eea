"""A layer that predicts keeps its packed weights, and never computes with weights that are no longer there."""

import threading

from gluon_deeprnn import GRU, kernels
from gluon_deeprnn.graph import GraphBlock
from layers import a_layer, some
import mxnet
from mxnet import autograd, gluon, np
import numpy
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

D, H = 9, 21


def predicted(layer, calls=1):
    """The outputs of the last of some calls."""
    state = [some(2, H, seed=i) for i in range(layer.num_states)]
    for _ in range(calls):
        outputs = layer(some(3, 2, D), state)[0].asnumpy()
    return outputs


def expected(layer):
    """The same by a layer that was never called before: nothing is kept."""
    other = a_layer(layer.mode, D, H)
    other.weights.set_data(layer.weights.data().copy())
    return predicted(other)


def kept(mode="gru", seed=0):
    """A layer that has kept its weights: in a static graph, after some calls."""
    layer = a_layer(mode, D, H, seed)
    layer.hybridize()
    predicted(layer, calls=4)
    return layer


def moved(layer):
    return np.array(layer.weights.data().asnumpy() * 1.5)


def add_in_place(layer, tmp_path):
    data = layer.weights.data()
    data += 0.25


def change_the_last(layer, tmp_path):
    layer.weights.data()[-1:] = 3


def set_data(layer, tmp_path):
    layer.weights.set_data(moved(layer))


def force_initialize(layer, tmp_path):
    layer.weights.initialize(mxnet.init.Normal(0.3), force_reinit=True)


def step_of_an_optimizer(layer, tmp_path):
    trainer = gluon.Trainer(layer.collect_params(), "sgd", {"learning_rate": 0.5})
    with autograd.record():
        total = layer(some(3, 2, D), [some(2, H, seed=i) for i in range(layer.num_states)])[0].sum()
    total.backward()
    trainer.step(1)


CHANGES = [add_in_place, change_the_last, set_data, force_initialize, step_of_an_optimizer]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mode", ["rnn_tanh", "lstm", "gru"])
def test_weights_that_change_count_from_the_next_call_on(mode, change, tmp_path):
    layer = kept(mode)
    before = predicted(layer)
    for _ in range(3):
        change(layer, tmp_path)
        numpy.testing.assert_array_equal(predicted(layer), expected(layer))
        assert (predicted(layer, calls=3) == expected(layer)).all()
    assert (predicted(layer) != before).any()


def test_a_change_of_any_single_weight_counts():
    layer = kept()
    size = layer.weights.shape[0]
    for place in {*range(0, size, 97), size - 1}:
        before = predicted(layer)
        layer.weights.data()[place:place + 1] = 5
        numpy.testing.assert_array_equal(predicted(layer), expected(layer))
        assert (predicted(layer) != before).any() or place % D == 0 or place >= size - 6 * H


def test_layers_that_take_turns_do_not_mix():
    layers = [kept(seed=i) for i in range(3)]
    wanted = [expected(layer) for layer in layers]
    for _ in range(3):
        for layer, outputs in zip(layers, wanted):
            numpy.testing.assert_array_equal(predicted(layer), outputs)


def test_weights_at_an_address_that_was_anothers_are_their_own():
    for seed in range(8):  # each is freed, and its memory taken by the next
        layer = kept(seed=seed)
        numpy.testing.assert_array_equal(predicted(layer), expected(layer))
        del layer


def test_a_graph_whose_weights_are_inputs_takes_those_of_each_call():
    class Both(GraphBlock):
        def hybrid_forward(self, F, x, w, h):
            return kernels.layer(F, "gru", H, x, w, [h])[0]

    block, layers = Both(), [a_layer("gru", D, H, seed) for seed in range(2)]
    block.hybridize()
    for _ in range(4):
        for layer in layers:
            found = block(some(3, 2, D), layer.weights.data(), some(2, H)).asnumpy()
            numpy.testing.assert_array_equal(found, expected(layer))


def test_a_file_of_parameters_counts_from_the_next_call_on(tmp_path):
    cores = [GRU(H, 2, num_inputs=D) for _ in range(2)]
    for core in cores:
        core.initialize(mxnet.init.Normal(0.3))
        core.hybridize()
    x = some(3, 2, D)
    wanted = [[core(x)[0].asnumpy() for _ in range(4)][-1] for core in cores]
    assert (wanted[0] != wanted[1]).any()
    for i, core in enumerate(cores):
        core.save_parameters(tmp_path / str(i))
    for turn in (1, 0, 1):
        cores[0].load_parameters(tmp_path / str(turn))
        numpy.testing.assert_array_equal(cores[0](x)[0].asnumpy(), wanted[turn])


def test_threads_that_take_turns_with_one_model_each_see_their_weights():
    core = GRU(H, 2, num_inputs=D)
    core.initialize(mxnet.init.Normal(0.3))
    core.hybridize()
    x, parameters = some(3, 2, D), list(core.collect_params().values())
    values = [[np.array(p.data().asnumpy() * scale) for p in parameters] for scale in (1, 2)]
    turns, wanted, failures = threading.Lock(), [], []

    def outputs(turn):
        for parameter, value in zip(parameters, values[turn]):
            parameter.set_data(value)
        return [core(x)[0].asnumpy() for _ in range(3)]

    def work(turn):
        for _ in range(10):
            with turns:
                failures.extend(1 for found in outputs(turn) if not numpy.array_equal(found, wanted[turn]))

    wanted.extend(outputs(turn)[0] for turn in range(2))
    assert (wanted[0] != wanted[1]).any()
    threads = [threading.Thread(target=work, args=(i % 2,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_models_in_threads_of_their_own_do_not_mix():
    cores = [GRU(H, 2, num_inputs=D) for _ in range(3)]
    for core in cores:
        core.initialize(mxnet.init.Normal(0.3))
        core.hybridize()
    x = some(3, 2, D)
    wanted, failures = [core(x)[0].asnumpy() for core in cores], []

    def work(core, outputs):
        failures.extend(1 for _ in range(30) if not numpy.array_equal(core(x)[0].asnumpy(), outputs))

    threads = [threading.Thread(target=work, args=pair) for pair in zip(cores, wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
