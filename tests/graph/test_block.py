"""A compiled block computes the same as the interpreted one, whatever is changed between calls."""

import copy
import io
import pickle
import re

from gluon_deeprnn import (
    GRU,
    LSTM,
    RNN,
    RNNLM,
    RNNLMScratch,
    StackedRNNScratch,
    TextData,
    Trainer,
    Vocab,
    evaluate,
    generate,
)
from gluon_deeprnn.data import Source
from gluon_deeprnn.graph import GraphBlock
from mxnet import autograd, gluon, np
from mxnet.gluon import nn
import numpy
import pytest

TOKENS = numpy.arange(12).reshape(4, 3) % 7


def a_model(**options):
    return RNNLM(GRU(6, 2, **options), 7)


def logits(model):
    return model(np.array(TOKENS, dtype="int32"))[0].asnumpy()


def another_dense(units, inputs):
    dense = nn.Dense(units, flatten=False, in_units=inputs)
    dense.initialize(init="normal")
    return dense


def replace_child(model):
    model.dense = another_dense(7, 6)


def replace_core(model):
    model.rnn = GRU(6, 1, num_inputs=7)
    model.rnn.initialize()


def add_activation(model):
    model.dense.act = nn.Activation("tanh")


def change_attribute(model):
    model.rnn.residual = True


def change_list(model):
    model.rnn.layers.reverse()


def load(model):
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 0.5)


def hybridize_again(model):
    model.hybridize(static_alloc=False, static_shape=False)


CHANGES = [replace_child, replace_core, add_activation, change_attribute, load, hybridize_again]


@pytest.mark.parametrize("change", CHANGES)
def test_generation_logits_and_loss_after_a_change_are_the_changed_models(change, small_data):
    size = len(small_data.vocab)
    models = [RNNLM(GRU(6, 2), size) for _ in range(2)]
    for (_, one), (_, other) in zip(*(model.named_parameters() for model in models)):
        other.set_data(one.data())
    model, fresh = models

    def everything(model):
        x, _ = next(iter(small_data.val_dataloader()))
        return ["".join(generate(model, small_data.vocab, "the ", 12, temperature=0)),
                model(np.array(x))[0].asnumpy(),
                evaluate(model, small_data.val_dataloader()).perplexity]

    model.hybridize()
    before = everything(model)
    for each in models:
        numpy.random.seed(1)
        if change is replace_child:
            each.dense = another_dense(size, 6)
        elif change is replace_core:
            each.rnn = GRU(6, 1, num_inputs=size)
            each.rnn.initialize()
        else:
            change(each)
    for (_, one), (_, other) in zip(*(each.named_parameters() for each in models)):
        other.set_data(one.data())
    after, expected = everything(model), everything(fresh)
    assert after[0] == expected[0]
    numpy.testing.assert_allclose(after[1], expected[1], atol=1e-6)
    assert after[2] == pytest.approx(expected[2], rel=1e-6)
    if change is not hybridize_again:
        assert abs(after[1] - before[1]).max() > 1e-6


@pytest.mark.parametrize("change", [add_activation, change_attribute, load])
def test_a_training_step_after_a_change_is_the_changed_models(change):
    class Loss(GraphBlock):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def hybrid_forward(self, F, tokens):
            return (self.model(tokens)[0] ** 2).mean()

    model = a_model()
    block, tokens, found = Loss(model), np.array(TOKENS, dtype="int32"), []
    for hybridized in (True, False):
        block.hybridize(hybridized)
        if hybridized:
            with autograd.record():
                block(tokens)
            change(model)
        with autograd.record():
            loss = block(tokens)
        loss.backward()
        found.append([loss.asnumpy(), *(parameter.grad().asnumpy() for _, parameter in model.named_parameters())])
    for one, other in zip(*found):
        numpy.testing.assert_allclose(one, other, atol=1e-6)


def test_an_unchanged_block_is_compiled_once(monkeypatch):
    compiled = []
    trace = GraphBlock.trace
    monkeypatch.setattr(GraphBlock, "trace", lambda self, *a: (compiled.append(self), trace(self, *a))[1])
    model = a_model(dropout=0.1)
    model.hybridize()
    for _ in range(5):
        logits(model)
        model(np.zeros((2, 2), dtype="int32"))
    assert len(compiled) == 2


def test_a_block_that_changes_at_each_call_is_warned_about(caplog):
    model = a_model()
    model.hybridize()
    for i in range(30):
        model.calls = i + 0.5
        logits(model)
    assert len([r for r in caplog.records if "was compiled 10 times, since an attribute of it" in r.message]) == 1


class Around(GraphBlock):
    """A user's block that contains a core."""

    def __init__(self, core, given):
        super().__init__()
        self.core, self._given = core, given

    def hybrid_forward(self, F, x, *state):
        return self.core(x, list(state) if self._given else None)


class Plain(gluon.HybridBlock):
    """The same as a plain HybridBlock."""

    def __init__(self, core):
        super().__init__()
        self.core = core

    def hybrid_forward(self, F, x):
        return self.core(x)


CORES = {"gru": lambda: GRU(6, 2), "lstm": lambda: LSTM(6, 2), "relu": lambda: RNN(6, 2, activation="relu"),
         "learned": lambda: LSTM(6, 2, learned_state=True),
         "scratch": lambda: StackedRNNScratch(4, 6, 2, cell="gru", sigma=0.4)}


@pytest.mark.parametrize("how", ["state", "no state", "plain"])
@pytest.mark.parametrize("name", CORES)
def test_hybridizing_before_the_first_call_equals_hybridizing_after_it(name, how):
    if (name, how) == ("scratch", "plain"):
        pytest.skip("a loop over time requires an enclosing GraphBlock, as its error states")
    core = CORES[name]()
    block = Plain(core) if how == "plain" else Around(core, how == "state")
    block.initialize()
    block.hybridize()
    x = np.array(numpy.random.default_rng(0).normal(size=(5, 3, 4)), dtype="float32")
    state = [np.zeros((2, 3, 6)) for _ in range(core.num_states)] if how == "state" else []
    outputs, last = block(x, *state)
    block.hybridize(False)
    expected, expected_last = block(x, *state)
    for one, other in zip([outputs, *last], [expected, *expected_last]):
        numpy.testing.assert_allclose(one.asnumpy(), other.asnumpy(), atol=1e-6)


def test_a_sequence_of_blocks_can_be_hybridized_before_its_sizes_are_known():
    found = []
    for hybridized in (False, True):
        net = nn.HybridSequential()
        net.add(nn.Dense(8, flatten=False, weight_initializer="normal"), GRU(6, 2, initializer="normal"))
        net.initialize()
        if hybridized:
            net.hybridize()
        outputs, state = net(np.ones((5, 3, 4)))
        for parameter in net.collect_params().values():
            parameter.set_data(np.ones(parameter.shape) * 0.1)
        outputs, state = net(np.ones((5, 3, 4)))
        found.append([outputs.asnumpy(), state[0].asnumpy()])
    for one, other in zip(*found):
        numpy.testing.assert_allclose(one, other, atol=1e-6)


MODELS = {
    "gru": a_model, "kit": lambda: a_model(layer_norm=True, learned_state=True, residual=True),
    "tied": lambda: RNNLM(LSTM(6), 7, embedding=6, tied=True),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(7, 6, 2, sigma=0.4), 7),
}


@pytest.mark.parametrize("used", ["called", "predicted", "trained", "parts called"])
@pytest.mark.parametrize("name", MODELS)
def test_a_used_model_can_be_copied_and_pickled_and_both_work(name, used):
    model = MODELS[name]()
    if used == "called":
        model.hybridize()
        logits(model)
    elif used == "predicted":
        list(generate(model, Vocab("abcdef"), "abc", 5))
    elif used == "parts called":
        model.hybridize()
        if hasattr(model, "dense"):
            model.dense(np.zeros((2, 2, 6)))
        model.rnn(np.zeros((2, 2, model.rnn.num_inputs)))
    else:
        letters = [Source("letters", "abcdef" * 30, "")]
        Trainer(1, progress=False).fit(model, TextData(letters, batch_size=20, num_steps=4, cleaning="unicode"))
    expected = logits(model)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), pickle.loads(pickle.dumps(model, 5))):
        assert other.hybridized == model.hybridized
        numpy.testing.assert_array_equal(logits(other), expected)
        other.hybridize()
        numpy.testing.assert_allclose(logits(other), expected, atol=1e-6)
        other.rnn.layers[0].weights.set_data(other.rnn.layers[0].weights.data() * 0) if name != "scratch" else None
        numpy.testing.assert_array_equal(logits(model), expected)


def test_a_summary_of_a_hybridized_model_is_that_of_the_interpreted_one(capsys):
    shown = []
    for hybridized in (False, True):
        model = a_model()
        model.hybridize(hybridized)
        logits(model)
        model.summary(np.array(TOKENS, dtype="int32"))
        assert model.hybridized == hybridized
        shown.append(re.sub(r"\s+", " ", capsys.readouterr().out))
    assert shown[0] == shown[1]
    assert "GRU" in shown[0]


def test_a_pickled_model_contains_no_graph():
    model, plain = a_model(), a_model()
    model.hybridize()
    list(generate(model, Vocab("abcdef"), "abc", 5))
    buffer = io.BytesIO()
    pickle.dump(model, buffer)
    assert buffer.tell() < 2 * len(pickle.dumps(plain))


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("name", MODELS)
def test_an_unsupported_dtype_is_refused(name, dtype):
    model = MODELS[name]()
    around = gluon.nn.HybridSequential()
    around.add(model)
    model.cast("float32")
    for block in (model, model.rnn, model.rnn.layers[0], around, next(iter(model.rnn.layers[0].params.values()))):
        with pytest.raises(ValueError, match=f"dtype must be float32, in which these models compute; got '{dtype}' "):
            block.cast(dtype)
    logits(model)
