"""In a graph, one operator computes what is written as many; the results are those of the many."""

import warnings

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, kernels
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.models.weights import gradient_arrays
import mxnet
from mxnet import autograd, np
import numpy
import pytest

ours = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

V, T, N = 28, 7, 5
ACTIVATIONS = ("tanh", "relu", "sigmoid", "softsign", "softrelu")
LAYER, LOSS = "gluon_deeprnn_layer", "gluon_deeprnn_cross_entropy"


def scratch(**options):
    return RNNLMScratch(StackedRNNScratch(V, 19, 2, initializer="uniform", **options), V)


def trained(model, hybridize, seed=3, batch_size=N, **how):
    """Loss, last state and gradients of one batch, and the operators that computed them."""
    rng = numpy.random.default_rng(0)
    x, y = (np.array(rng.integers(0, model.vocab_size, (T, batch_size)), dtype="int32") for _ in range(2))
    loss = MeanLoss(model)
    loss.hybridize(hybridize, **how)
    mxnet.random.seed(seed)
    with autograd.record():
        value, state = loss(x, y, model.begin_state(batch_size))
    value.backward()
    return [value.asnumpy(), *(a.asnumpy() for a in state)], gradient_arrays(model), loss.operators()


def assert_alike(model, **how):
    """The fused graph computes what the interpreted model does; return its operators."""
    values, gradients, _ = trained(model, False, **how)
    found, of_graph, operators = trained(model, True, **how)
    for a, b in zip(found, values):
        numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    for name, gradient in gradients.items():
        assert abs(of_graph[name] - gradient).max() <= 1e-4 * max(abs(gradient).max(), 1e-6), name
    return operators


@ours
@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"weight_dropout": 0.3, "dropout": 0.2},
                                     {"input_dropout": 0.3, "variational": True, "dropout": 0.2},
                                     {"layer_norm": True, "residual": True, "learned_state": True}, {"skip": True}])
@pytest.mark.parametrize("cell", [*ACTIVATIONS, "lstm", "gru"])
def test_a_layer_from_scratch_is_one_operator_in_a_graph(cell, options):
    kind = {"activation": cell} if cell in ACTIVATIONS else {"cell": cell}
    operators = assert_alike(scratch(**kind, **options))
    assert (operators[LAYER], operators[LOSS]) == (2, 1)
    assert not {"Activation", "_np_dot"} & operators.keys()
    assert ("one_hot" in operators) == ("input_dropout" in options)


@pytest.mark.parametrize("kind", [{"cell": "mgu"}, {"cell": "gru", "reset": "before"}])
def test_a_cell_without_an_operator_is_computed_step_by_step(kind):
    operators = assert_alike(scratch(**kind))
    assert LAYER not in operators
    assert operators["Activation"] >= 4 * T


def test_one_word_leaves_mxnets_operators_only():
    for model in (scratch(), scratch(cell="lstm"), RNNLM(GRU(8, 2, layer_norm=True), V)):
        values, gradients, _ = trained(model, False)
        found, of_graph, operators = trained(model, True, fuse=False)
        assert not [name for name in operators if name.startswith("gluon_deeprnn")]
        for a, b in zip(found, values):
            numpy.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
        for name, gradient in gradients.items():
            assert abs(of_graph[name] - gradient).max() <= 1e-4 * max(abs(gradient).max(), 1e-6)


def test_fuse_must_be_a_flag():
    with pytest.raises(ValueError, match=r"^fuse must be True or False; got 'no'$"):
        scratch().hybridize(fuse="no")


@pytest.mark.parametrize("activations", [("tanh", "softsign"), ("softrelu", "relu")])
def test_layers_with_activations_of_their_own_are_fused_each_with_its_own(activations):
    assert_alike(scratch(activation=activations))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_lengths_are_computed_step_by_step_and_equal_interpreted_ones(cell):
    net = StackedRNNScratch(6, 8, 2, cell=cell, initializer="uniform")
    net.initialize()
    x, lengths = np.random.normal(size=(T, 3, 6)), [7, 2, 5]
    outputs, state = net(x, lengths=lengths)
    net.hybridize()
    found, last = net(x, lengths=lengths)
    assert LAYER not in net.operators()
    numpy.testing.assert_allclose(found.asnumpy(), outputs.asnumpy(), atol=1e-6)
    for a, b in zip(last, state):
        numpy.testing.assert_allclose(a.asnumpy(), b.asnumpy(), atol=1e-6)


@ours
@pytest.mark.parametrize("core", [lambda: GRU(12, 2), lambda: LSTM(12, 2, dropout=0.3), lambda: RNN(12),
                                  lambda: GRU(12, 2, weight_dropout=0.3)])
def test_one_hot_inputs_are_read_as_tokens(core):
    operators = assert_alike(RNNLM(core(), V))
    assert "one_hot" not in operators


@ours
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("core", [GRU, LSTM])
def test_few_embeddings_are_multiplied_by_the_weights_once_each(core, tied):
    model = RNNLM(core(12, 2), V, embedding=12, tied=tied)
    assert "Embedding" not in assert_alike(model, batch_size=9)  # 28 embeddings for 63 tokens
    assert assert_alike(model, batch_size=7)["Embedding"] == 1  # and for 49


@ours
def test_embeddings_with_dropout_are_not_replaced():
    assert assert_alike(RNNLM(GRU(12, input_dropout=0.2), V, embedding=6, embedding_dropout=0.3), batch_size=30)[
        "Embedding"] == 2


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8"])
def test_tokens_may_be_integers_of_any_size(dtype):
    model = scratch()
    tokens = np.array(numpy.random.default_rng(1).integers(0, V, (T, N)), dtype=dtype)
    expected = model(tokens)[0].asnumpy()
    model.hybridize()
    numpy.testing.assert_allclose(model(tokens)[0].asnumpy(), expected, atol=1e-6)


def test_an_exported_scratch_model_has_mxnets_operators_only_and_gives_the_same(tmp_path):
    model = scratch(cell="gru")
    model.hybridize()
    tokens = np.zeros((T, N), dtype="int32")
    expected = model(tokens)[0].asnumpy()
    model.export(str(tmp_path / "model"))
    assert "gluon_deeprnn" not in (tmp_path / "model-symbol.json").read_text()
    with warnings.catch_warnings():  # MXNet guesses types, and says so
        warnings.simplefilter("ignore")
        loaded = mxnet.gluon.SymbolBlock.imports(str(tmp_path / "model-symbol.json"), ["data0", "data1"],
                                                 str(tmp_path / "model-0000.params"))
    found = loaded(tokens, *model.begin_state(N))[0].asnumpy()
    numpy.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_block_without_a_graph_has_no_operators():
    model = scratch()
    assert model.operators() == {}
    model(np.zeros((T, N), dtype="int32"))
    assert model.operators() == {}
