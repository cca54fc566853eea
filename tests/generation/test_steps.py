"""Steps without MXNet choose the tokens that MXNet's graphs choose."""

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab, generate, kernels
from gluon_deeprnn.generation import Continuation, generate_many
from gluon_deeprnn.generation.options import DecodingOptions
from gluon_deeprnn.generation.steps import GraphSteps, PlainSteps, steps_of
from gluon_deeprnn.models.plain import plain_model
import mxnet
from mxnet import gluon, np
import numpy
import pytest

SIZE = 19
CPU = mxnet.cpu()

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason="needs the compiled library")

MODELS = {
    "tanh": lambda: RNNLM(RNN(17, 2), SIZE),
    "mixed": lambda: RNNLM(RNN(9, 2, activation=["relu", "tanh"]), SIZE),
    "gru": lambda: RNNLM(GRU(32, 2), SIZE),
    "activations": lambda: RNNLMScratch(StackedRNNScratch(SIZE, 9, 3, activation=["sigmoid", "softsign", "softrelu"],
                                                          initializer="uniform"), SIZE),
    "gru-one": lambda: RNNLM(GRU(5), SIZE),
    "lstm": lambda: RNNLM(LSTM(21, 3), SIZE),
    "kit": lambda: RNNLM(LSTM(12, 3, layer_norm=True, residual=True, learned_state=True, dropout=0.5), SIZE),
    "residual": lambda: RNNLM(GRU(20, 5, residual=True), SIZE),
    "skip": lambda: RNNLM(LSTM(13, 3, skip=True), SIZE),
    "scratch-skip": lambda: RNNLMScratch(StackedRNNScratch(SIZE, 12, 2, sigma=0.1, cell="gru", skip=True), SIZE),
    "norm": lambda: RNNLM(RNN(33, 3, layer_norm=True), SIZE),
    "embedding": lambda: RNNLM(GRU(10, 2, weight_dropout=0.5), SIZE, embedding=7, embedding_dropout=0.5),
    "tied": lambda: RNNLM(LSTM(11, 2), SIZE, embedding=11, tied=True),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(SIZE, 12, 2, sigma=0.1), SIZE),
    "scratch-relu": lambda: RNNLMScratch(StackedRNNScratch(SIZE, 12, 2, sigma=0.1, activation="relu"), SIZE),
    "scratch-gru": lambda: RNNLMScratch(StackedRNNScratch(SIZE, 12, 2, sigma=0.1, cell="gru"), SIZE),
    "scratch-lstm": lambda: RNNLM(StackedRNNScratch(SIZE, 12, 2, sigma=0.1, cell="lstm", layer_norm=True), SIZE),
    "wide": lambda: RNNLM(GRU(70, 1), SIZE),
}
OPTIONS = [
    {"temperature": 0}, {"temperature": 1.0}, {"top_k": 4}, {"top_k": SIZE}, {"top_k": 1}, {"top_p": 0.6},
    {"top_p": 1e-6}, {"min_p": 0.2}, {"repetition_penalty": 1.7}, {"repetition_penalty": 0.6, "temperature": 0},
    {"temperature": 1.3, "top_k": 9, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.2},
]


def made(name, scale=1.0):
    """A model with random parameters: biases, learned states and the scales of norms too.

    Most are so small that there is no chaos, in which differences by rounding grow.
    """
    mxnet.random.seed(3)
    model, draw = MODELS[name](), numpy.random.default_rng(4)
    for _, parameter in model.named_parameters():
        moved = scale * (parameter.data().asnumpy() + draw.normal(0, 0.1, parameter.shape))
        parameter.set_data(np.array(moved, dtype="float32"))
    return model


def both(model, **options):
    chosen = DecodingOptions(**options)
    return GraphSteps(model, chosen, CPU), PlainSteps(model, chosen, CPU, plain_model(model, CPU))


def numbers(point):
    """State, token and flags of a point, as arrays of NumPy."""
    state = point.state if isinstance(point.state, numpy.ndarray) else numpy.stack([a.asnumpy() for a in point.state])
    token = point.token if isinstance(point.token, numpy.ndarray) else point.token.asnumpy()
    seen = point.seen[0].asnumpy() if isinstance(point.seen, list) and point.seen else point.seen
    return state, token, numpy.zeros(1) if seen is None or len(seen) == 0 else seen


def assert_equal(one, other):
    for a, b in zip(numbers(one), numbers(other)):
        assert a.shape == b.shape
        assert abs(a - b).max() < 1e-5 * max(1, abs(a).max())


def tokens_of(steps, prefixes, chunks, mask, noise):
    """Read, write, read again, write in chunks; the tokens, and the points on the way."""
    point = steps.begin(prefixes.shape[1])
    point, first, rows, points = steps.read(point, prefixes), 0, [], []
    for chunk in chunks:
        tokens, point = steps.write(point, chunk, None if noise is None else noise[first:first + chunk], mask)
        first += chunk
        rows.append(tokens)
        points.append(point)
        point = steps.read(point, prefixes[-2:])
    return numpy.concatenate(rows), points


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", ["gru", "kit"])
def test_tokens_are_those_of_the_graph_for_every_option(name, options):
    model, draw = made(name, 2.0), numpy.random.default_rng(1)
    mask = numpy.where(numpy.arange(SIZE) == 0, -numpy.inf, 0).astype("float32")
    prefixes = draw.integers(1, SIZE, (6, 3)).astype("int32")
    noise = None if options.get("temperature") == 0 else draw.gumbel(size=(48, 3, SIZE)).astype("float32")
    (expected, points), (found, others) = (tokens_of(steps, prefixes, (8, 8, 32), mask, noise)
                                           for steps in both(model, **options))
    assert (found == expected).all()
    assert len({*found.ravel().tolist()}) > 1
    for one, other in zip(points, others):
        assert_equal(one, other)


@pytest.mark.parametrize("num_sequences", [1, 2, 13])
@pytest.mark.parametrize("name", MODELS)
def test_tokens_are_those_of_the_graph_for_every_model(name, num_sequences):
    model, draw = made(name), numpy.random.default_rng(2)
    mask = numpy.where(draw.random((num_sequences, SIZE)) < 0.1, -numpy.inf, 0).astype("float32")
    prefixes = draw.integers(0, SIZE, (5, num_sequences)).astype("int32")
    noise = draw.gumbel(size=(16, num_sequences, SIZE)).astype("float32")
    (expected, points), (found, others) = (tokens_of(steps, prefixes, (8, 8), mask, noise)
                                           for steps in both(model, temperature=0.9, top_k=12))
    assert (found == expected).all()
    for one, other in zip(points, others):
        assert_equal(one, other)


@pytest.mark.parametrize("length", [1, 2, 31, 32, 33, 34, 66])
def test_prefixes_of_any_length_are_read(length):
    model = made("lstm")
    tokens = numpy.random.default_rng(3).integers(0, SIZE, (length, 2)).astype("int32")
    graph, plain = both(model, repetition_penalty=1.3)
    assert_equal(graph.read(graph.begin(2), tokens), plain.read(plain.begin(2), tokens))
    same = numpy.repeat(tokens[:, :1], 2, axis=1)
    assert_equal(graph.read(graph.begin(2), same), plain.read(plain.begin(2), same))


def test_ties_are_decided_as_the_graph_decides_them():
    model = made("tanh")
    model.dense.weight.set_data(model.dense.weight.data() * 0)
    bias = numpy.array([1, 3, 3, 2, 2, 2, -numpy.inf, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0], dtype="float32")
    model.dense.bias.set_data(np.array(bias))
    mask, prefix = numpy.zeros(SIZE, "float32"), numpy.zeros((1, 1), "int32")
    noise = numpy.random.default_rng(0).gumbel(size=(64, 1, SIZE)).astype("float32") * 3
    for options in ({"top_k": 2}, {"top_k": 4}, {"top_k": 6}, {"top_p": 0.3}, {"top_p": 0.8}, {"top_k": 18}):
        allowed = []
        for steps in both(model, temperature=1.0, **options):
            tokens, _ = steps.write(steps.read(steps.begin(1), prefix), 64, noise, mask)
            first, _ = steps.write(steps.read(steps.begin(1), prefix), 8, None, mask)
            assert (first == 1).all()
            allowed.append(tokens)
        assert (allowed[0] == allowed[1]).all()
        assert len({*allowed[0].ravel().tolist()}) >= 3


def test_a_sequence_has_the_same_tokens_alone_and_among_others():
    """With the same bits: sums are added up in the same order."""
    model = made("gru")
    plain = plain_model(model, CPU)
    tokens = numpy.random.default_rng(1).integers(0, SIZE, (20, 29)).astype("int32")
    state = numpy.repeat(plain.first_state, 29, axis=2)
    together = plain.network.read(tokens, state)
    for i in range(29):
        alone = plain.network.read(tokens[:, i:i + 1], state[:, :, i:i + 1])
        assert (alone == together[:, :, i:i + 1]).all()


@pytest.mark.parametrize("name", ["gru", "scratch", "kit"])
def test_texts_are_those_of_the_graph(name, monkeypatch):
    vocab, model = Vocab("abcdefghijklmnopqr"), made(name)
    texts = []
    for _ in range(2):
        text = Continuation(model, vocab, temperature=1.0, seed=3, top_p=0.95)
        text.read("fade")
        pieces = ["".join(text.write(n)) for n in (3, 70, 1)] + ["".join(text.write(90, stop="ab"))]
        text.read("c")
        pieces += text.write(20)
        texts.append(["".join(pieces), *generate_many(model, vocab, "cab", 70, 5, seed=7),
                      "".join(generate(model, vocab, "d", 300, temperature=0.9))])
        monkeypatch.setattr("gluon_deeprnn.generation.steps.plain_model", lambda model, ctx: None)
    assert texts[0] == texts[1]
    assert len({*texts[0]}) == 7


def test_a_model_that_is_trained_further_writes_with_its_new_parameters():
    """From the next call of read or write on that samples; in the state in which it was."""
    vocab, model = Vocab("abcdefghijklmnopqr"), made("gru")
    text = Continuation(model, vocab, temperature=0)
    text.read("fade")
    assert "".join(text.write(8)) != "a" * 8
    model.dense.bias.set_data(np.array(numpy.where(numpy.arange(SIZE) == vocab["a"], 99, 0), dtype="float32"))
    assert "".join(text.write(5)) == "aaaaa"
    model.dense.bias.set_data(np.array(numpy.where(numpy.arange(SIZE) == vocab["b"], 99, 0), dtype="float32"))
    text.read("c")
    assert "".join(text.write(5)) == "bbbbb"
    assert "".join(generate(model, vocab, "a", 4, temperature=0)) == "bbbb"


class Own(RNNLM):
    """A language model whose logits are others."""

    def hybrid_forward(self, F, tokens, state):
        logits, state = super().hybrid_forward(F, tokens, state)
        return -logits, state


def another_output_layer():
    model = RNNLM(GRU(4), SIZE)
    model.dense = gluon.nn.Dense(SIZE, activation="relu", flatten=False, in_units=4)
    model.dense.initialize()
    return model


def in_double_precision():
    model = RNNLM(GRU(4), SIZE)
    model.dense.cast("float64")
    return model


@pytest.mark.parametrize("make", [
    lambda: RNNLM(StackedRNNScratch(SIZE, 4, 1, cell="mgu"), SIZE),
    lambda: RNNLM(StackedRNNScratch(SIZE, 4, 1, cell="gru", reset="before"), SIZE),
    lambda: Own(GRU(4), SIZE), another_output_layer, in_double_precision])
def test_other_models_are_left_to_the_graph(make):
    model = make()
    assert plain_model(model, CPU) is None
    assert isinstance(steps_of(model, DecodingOptions(), CPU), GraphSteps)


def test_a_model_with_hooks_is_left_to_the_graph():
    model = RNNLM(GRU(4), SIZE)
    hook = model.dense.register_forward_hook(lambda *_: None)
    assert plain_model(model, CPU) is None
    hook.detach()
    assert plain_model(model, CPU) is not None


def test_gpus_beams_and_training_are_left_to_the_graph():
    model = RNNLM(GRU(4), SIZE)
    assert plain_model(model, mxnet.gpu(0)) is None
    assert isinstance(steps_of(model, DecodingOptions(), CPU), PlainSteps)
    assert isinstance(steps_of(model, DecodingOptions(beam=2), CPU), GraphSteps)
    with mxnet.autograd.train_mode():
        assert isinstance(steps_of(model, DecodingOptions(), CPU), GraphSteps)


def test_a_model_of_another_kind_by_now_is_refused():
    vocab = Vocab("abcdefghijklmnopqr")
    model = RNNLM(GRU(4), SIZE)
    text = Continuation(model, vocab)
    text.read("fade")
    model.dense.cast("float64")
    with pytest.raises(ValueError, match=r"^model must be of the layers, on the device and of the dtype"):
        next(text.write(5))


def test_changed_attributes_are_followed():
    model = made("norm")
    before = plain_model(model, CPU)
    assert plain_model(model, CPU) is before
    model.rnn.residual = True
    assert plain_model(model, CPU) is not before
    graph, plain = both(model)
    tokens = numpy.random.default_rng(3).integers(0, SIZE, (9, 2)).astype("int32")
    assert_equal(graph.read(graph.begin(2), tokens), plain.read(plain.begin(2), tokens))
