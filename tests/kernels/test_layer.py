"""Our operator against MXNet's, and what it promises beyond."""

import json
import os
import subprocess
import sys
import warnings

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, kernels
from gluon_deeprnn.graph import GraphBlock
from layers import a_layer, assert_close, everything, one_hot, some
import mxnet
from mxnet import autograd, gluon, np
import numpy
import pytest

MODES = ["rnn_tanh", "rnn_relu", "lstm", "gru"]
SIZES = [(1, 1, 1, 1), (5, 3, 4, 6), (7, 13, 28, 32), (20, 64, 16, 64), (3, 37, 33, 40), (4, 2, 300, 65)]  # T, N, D, H

ours = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operator does: {kernels.why_not()}")


@pytest.fixture
def operator(monkeypatch):
    """Chooses the operator for what follows."""
    name = kernels.loaded()
    return lambda which: monkeypatch.setattr(kernels, "loaded", lambda: name if which == "ours" else None)


@ours
@pytest.mark.parametrize("hybridized", [False, True])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_values_and_gradients_equal_mxnets(mode, sizes, hybridized, operator):
    _, batch_size, num_inputs, num_hiddens = sizes
    layer = a_layer(mode, num_inputs, num_hiddens)
    inputs = one_hot(*sizes[:3]) if num_inputs == 28 else some(*sizes[:3])
    state = [some(batch_size, num_hiddens, seed=i) for i in range(layer.num_states)]
    operator("mxnet")
    expected = everything(layer, inputs, state)
    operator("ours")
    layer.hybridize(hybridized)
    assert_close(everything(layer, inputs, state), expected, 3e-6)


@ours
@pytest.mark.parametrize(("mode", "function"), [
    ("rnn_tanh", numpy.tanh), ("rnn_relu", lambda x: numpy.maximum(x, 0))])
def test_functions_are_right_to_the_last_digits(mode, function):
    x = numpy.concatenate([numpy.linspace(-12, 12, 100001), numpy.logspace(-30, 38, 1001)]).astype("float32")
    layer = a_layer(mode, 1, 1)
    layer.weights.set_data(np.array([1, 0, 0, 0]))
    found = layer(np.array(x.reshape(1, -1, 1)), [np.zeros((x.size, 1))])[0].asnumpy().reshape(-1)
    numpy.testing.assert_allclose(found, function(x.astype("float64")), rtol=3e-7, atol=0)


@ours
def test_gates_are_right_to_the_last_digits_and_where_they_saturate():
    x = numpy.concatenate([numpy.linspace(-30, 30, 10001), [-1e38, -200, 200, 1e38]]).astype("float32")
    layer = a_layer("lstm", 1, 1)
    layer.weights.set_data(np.array([0, 1, 0, 0, *[0] * 4, *[-200, 0, 0, 0], *[0] * 4]))  # c' = sigmoid(x) c
    _, (_, memory) = layer(np.array(x.reshape(1, -1, 1)), [np.zeros((x.size, 1)), np.ones((x.size, 1))])
    with numpy.errstate(over="ignore"):
        expected = 1 / (1 + numpy.exp(-x.astype("float64")))
    numpy.testing.assert_allclose(memory.asnumpy().reshape(-1), expected, rtol=4e-7, atol=2e-38)


@ours
@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf])
@pytest.mark.parametrize("mode", MODES)
def test_nan_stays_nan_and_infinity_does_what_it_does_in_mxnets(mode, bad, operator):
    layer = a_layer(mode, 4, 8)
    weights = layer.weights.data().asnumpy()
    weights[3] = bad  # the first gate's weight from the last input
    layer.weights.set_data(np.array(weights))
    inputs, state = some(3, 2, 4), [some(2, 8) for _ in range(layer.num_states)]
    operator("mxnet")
    expected = everything(layer, inputs, state)
    operator("ours")
    found = everything(layer, inputs, state)
    if numpy.isinf(bad):
        numpy.testing.assert_allclose(found[0][0], expected[0][0], atol=1e-6)  # later, its relu makes NaN 0
    else:
        assert numpy.isnan(found[0]).any()
        assert numpy.isnan(found[-1]).any()


@ours
@pytest.mark.parametrize("hybridized", [False, True])
def test_gradients_are_added_where_a_layer_is_used_often_or_asked_to(hybridized, operator):
    class Often(GraphBlock):
        def __init__(self):
            super().__init__()
            self.layer = a_layer("gru", 6, 6)

        def hybrid_forward(self, F, x, h):
            outputs = x
            for _ in range(9):
                outputs = self.layer(outputs, [h])[0] + self.layer(x, [h])[0]
            return outputs

    found = []
    for which in ("mxnet", "ours"):
        operator(which)
        block = Often()
        block.layer.weights.grad_req = "add"
        block.hybridize(hybridized)
        x, h = some(4, 3, 6), some(3, 6)
        x.attach_grad("add")
        h.attach_grad("add")
        for _ in range(3):
            with autograd.record():
                total = (block(x, h) ** 2).sum()
            total.backward()
        found.append([x.grad.asnumpy(), h.grad.asnumpy(), block.layer.weights.grad().asnumpy()])
    assert_close(found[1], found[0], 1e-5)


@ours
def test_two_forward_passes_before_the_backward_pass_do_not_mix():
    layer = a_layer("gru", 5, 7)
    inputs, state, gradients = [some(6, 4, 5, seed=i) for i in range(2)], [some(4, 7)], []
    for hybridized in (False, True):
        layer.hybridize(hybridized)
        with autograd.record():
            total = sum((layer(x, state)[0] ** 2).sum() for x in inputs)
        total.backward()
        gradients.append(layer.weights.grad().asnumpy())
    numpy.testing.assert_allclose(*gradients, rtol=1e-4, atol=1e-5)


@ours
def test_a_one_hot_input_trains_as_the_same_numbers_do(operator):
    tokens = np.array(numpy.random.default_rng(0).integers(0, 28, (9, 13)), dtype="int32")
    gradients = []
    for which in ("mxnet", "ours"):
        operator(which)
        mxnet.random.seed(1)
        model = RNNLM(GRU(32, 2), 28)
        model.hybridize()
        with autograd.record():
            total = (model(tokens)[0] ** 2).mean()
        total.backward()
        gradients.append([parameter.grad().asnumpy() for _, parameter in model.named_parameters()])
    assert_close(gradients[1], gradients[0], 1e-6)


def operators_of(block):
    return {node["op"] for node in json.loads(block._cached_graph[1].tojson())["nodes"]}


@ours
@pytest.mark.parametrize("core", [RNN(8, 2), LSTM(8, 2), GRU(8, 2)])
def test_an_exported_graph_has_mxnets_operators_only_and_gives_the_same(core, tmp_path):
    core.initialize()
    core.hybridize()
    inputs, state = some(4, 3, 5), core.begin_state(3)
    outputs = core(inputs, state)[0].asnumpy()
    assert "gluon_deeprnn_layer" in operators_of(core)
    core.export(str(tmp_path / "core"))
    assert "gluon_deeprnn_layer" not in (tmp_path / "core-symbol.json").read_text()
    assert "gluon_deeprnn_layer" in operators_of(core)
    names = [f"data{i}" for i in range(1 + len(state))]
    with warnings.catch_warnings():  # MXNet guesses types, and says so
        warnings.simplefilter("ignore")
        loaded = gluon.SymbolBlock.imports(str(tmp_path / "core-symbol.json"), names,
                                           str(tmp_path / "core-0000.params"))
    numpy.testing.assert_allclose(loaded(inputs, *state)[0].asnumpy(), outputs, atol=1e-6)


@ours
@pytest.mark.parametrize(("mode", "num_hiddens", "training", "whose"), [
    ("gru", 256, True, "ours"), ("gru", 257, True, "mxnet"), ("gru", 512, False, "ours"), ("gru", 513, False, "mxnet"),
    ("lstm", 192, True, "ours"), ("lstm", 193, True, "mxnet")])
def test_each_operator_works_where_it_is_the_faster(mode, num_hiddens, training, whose):
    layer = a_layer(mode, 3, num_hiddens)
    layer.hybridize()
    with autograd.record() if training else autograd.pause():
        layer(some(1, 1, 3), [some(1, num_hiddens)] * layer.num_states)
    assert ("gluon_deeprnn_layer" in operators_of(layer)) == (whose == "ours")


def test_inside_a_block_of_another_kind_mxnets_operator_works():
    class Around(gluon.HybridBlock):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def hybrid_forward(self, F, x, h):
            return self.layer(x, [h])[0]

    layer = a_layer("gru", 5, 7)
    block = Around(layer)
    expected = layer(some(6, 4, 5), [some(4, 7)])[0].asnumpy()
    block.hybridize()
    numpy.testing.assert_allclose(block(some(6, 4, 5), some(4, 7)).asnumpy(), expected, atol=1e-6)
    assert "gluon_deeprnn_layer" not in operators_of(block)


@ours
def test_there_is_no_backward_pass_from_a_prediction():
    arrays = [np.zeros(shape).as_nd_ndarray() for shape in [(3, 2, 4), (14 * 24,), (2, 8)]]
    arrays[1].attach_grad()
    with autograd.record():
        outputs = mxnet.nd.gluon_deeprnn_layer(*arrays, cell="gru", trains=0, vocab_size=0)[0]
    outputs.backward()
    with pytest.raises(mxnet.MXNetError, match="no backward pass in a graph that was compiled for prediction"):
        arrays[1].grad.wait_to_read()


TRAIN = """
import hashlib, numpy
import gluon_deeprnn as g, mxnet
from gluon_deeprnn import kernels
from gluon_deeprnn.data import Source
mxnet.random.seed(1)
data = g.TextData([Source('fox', 'the quick brown fox ' * 200, '')], batch_size=45, num_steps=9)
size = len(data.vocab)
for core in (g.GRU(33, 2, dropout=0.2), g.LSTM(20), g.RNN(12), g.StackedRNNScratch(size, 16, 2, activation='softsign')):
    model = (g.RNNLMScratch if 'Scratch' in type(core).__name__ else g.RNNLM)(core, size, lr=1)
    g.Trainer(max_epochs=1, gradient_clip_val=1, progress=False).fit(model, data)
    arrays = [parameter.data().asnumpy() for _, parameter in model.named_parameters()]
    print(kernels.loaded(), hashlib.sha1(b''.join(a.tobytes() for a in arrays)).hexdigest(),
          *(float(abs(a).sum()) for a in arrays))
"""


def run(code, **environment):
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def trained(**environment):
    return run(TRAIN, **environment)


OPERATORS = """
import hashlib, gluon_deeprnn, mxnet
from gluon_deeprnn import kernels
from gluon_deeprnn.models.fused import FusedLayer
from gluon_deeprnn.models.initializers import Initial
from gluon_deeprnn.models.stack import _LayerNorm
from mxnet import autograd, np
mxnet.random.seed(1)
digest = hashlib.sha1()
for mode in ('rnn_tanh', 'rnn_relu', 'lstm', 'gru'):
    for T, N, D, H in ((9, 45, 28, 33), (4, 7, 65, 128), (5, 200, 30, 20)):
        layer, norm = FusedLayer(mode, D, H, Initial(H)), _LayerNorm(in_channels=H)
        layer.initialize(); norm.initialize()
        x = np.random.normal(size=(T, N, D)); x.attach_grad()
        with autograd.record():
            outputs, _ = layer(x, [np.zeros((N, H))] * layer.num_states)
            total = (norm(outputs) * outputs).sum()
        total.backward()
        for array in (outputs, x.grad, layer.weights.grad(), norm.gamma.grad(), norm.beta.grad()):
            digest.update(array.asnumpy().tobytes())
print(kernels.loaded(), digest.hexdigest())
"""


@pytest.mark.slow
@ours
def test_our_operators_give_the_same_bits_whatever_the_number_of_threads():
    found = {run(OPERATORS, OMP_NUM_THREADS=count) for count in ("1", "2", "5")}
    assert len(found) == 1
    assert found.pop().split()[0] == kernels.loaded()


@pytest.mark.slow
@ours
def test_training_gives_the_same_bits_whatever_the_number_of_threads():
    assert trained(OMP_NUM_THREADS="1") == trained(OMP_NUM_THREADS="2") == trained(OMP_NUM_THREADS="5")


@pytest.mark.slow
@ours
def test_both_libraries_and_mxnets_operator_train_alike():
    sums = {}
    for name in ("avx2", "avx512", "mxnet"):
        if name == "avx512" and kernels.loaded() == "avx2":
            continue
        lines = [line.split() for line in trained(GLUON_DEEPRNN_KERNELS=name).splitlines()]
        assert {line[0] for line in lines} == {"None" if name == "mxnet" else name}
        sums[name] = numpy.array([float(number) for line in lines for number in line[2:]])
    assert len(sums) >= 2
    for found in sums.values():
        numpy.testing.assert_allclose(found, sums["mxnet"], rtol=1e-5)
