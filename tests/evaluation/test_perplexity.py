import math
import sys

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, evaluate, kernels
from gluon_deeprnn.data import Records, Stream, Windows
from gluon_deeprnn.data.evaluated_text import EvaluatedText
from gluon_deeprnn.evaluation import Evaluation, MeanLoss, perplexity
from gluon_deeprnn.kernels import writing
from gluon_deeprnn.models.weights import gradient_arrays, parameter_arrays
from mxnet import autograd, np, npx
import numpy
import pytest
import reference

V = 13


@pytest.fixture(params=["scratch", "gru", "lstm"])
def model(request):
    made = {  # sigma: for larger weights the states are chaotic, and rounding grows
            "scratch": lambda: RNNLMScratch(StackedRNNScratch(V, 8, 2, sigma=0.1), V),
            "gru": lambda: RNNLM(GRU(8, 2, dropout=0.5), V), "lstm": lambda: RNNLM(LSTM(8, 2), V)}[request.param]()
    for _, parameter in made.named_parameters():
        parameter.set_data(parameter.data() * 3)  # away from the uniform model
    return made


@pytest.fixture
def tokens():
    return numpy.random.randint(0, V, 400).astype("int32")


def nll_by_hand(model, x, y):
    """The sum of -log p(y), in double precision, with a zero initial state in each column."""
    logits = model(np.array(x, dtype="int32"))[0].asnumpy().astype("float64")
    log_p = logits - numpy.log(numpy.exp(logits).sum(axis=-1, keepdims=True))
    return -numpy.take_along_axis(log_p, y[..., None].astype("int64"), axis=-1).sum()


@pytest.mark.parametrize("batch_size", [1, 7, 30, 64])
def test_windows_are_weighted_by_tokens_whatever_the_batch_size(model, tokens, batch_size):
    windows = Windows(tokens, 10, 30, batch_size=batch_size, num_steps=9)
    x = numpy.stack([tokens[i:i + 9] for i in range(10, 40)], axis=1)
    y = numpy.stack([tokens[i + 1:i + 10] for i in range(10, 40)], axis=1)
    result = evaluate(model, windows)
    assert result.num_tokens == 270
    assert result.perplexity == pytest.approx(math.exp(nll_by_hand(model, x, y) / 270), rel=1e-5)


@pytest.mark.parametrize("num_steps", [1, 10, 64, 399, 1000])
def test_the_loss_of_a_stream_does_not_depend_on_num_steps(model, tokens, num_steps):
    result = evaluate(model, Stream(tokens, batch_size=1, num_steps=num_steps))
    assert result.num_tokens == 399
    expected = nll_by_hand(model, tokens[:-1, None], tokens[1:, None])
    assert result.nll == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", [2, 28, 1000])
def test_the_uniform_model_has_the_vocabularys_size_as_perplexity(size):
    model = RNNLM(GRU(8), size)
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 0)
    tokens = numpy.random.randint(0, size, 3000).astype("int32")
    windows = Windows(tokens, 0, 2000, batch_size=512, num_steps=32)
    assert evaluate(model, windows).perplexity == pytest.approx(size, rel=1e-5)


def test_dropout_is_off(tokens):
    model = RNNLM(GRU(8, 3, dropout=0.9), V)
    stream = Stream(tokens, batch_size=1, num_steps=50)
    assert evaluate(model, stream).nll == evaluate(model, stream).nll


def test_bits_per_character_count_characters_not_tokens():
    text = EvaluatedText("word", 26, 0, num_characters=125, num_words=25, unpredicted=5 * math.log(2))
    result = Evaluation(nll=100 * math.log(2), num_tokens=25, text=text)
    assert result.bits_per_character == pytest.approx(105 / 125)
    assert result.word_perplexity == pytest.approx(2 ** (105 / 25))
    assert str(result) == "perplexity 16.000 per word, 0.840 bits per character (125 characters)"


def test_without_a_text_there_are_no_bits_per_character():
    result = Evaluation(nll=100 * math.log(2), num_tokens=25)
    assert math.isnan(result.bits_per_character)
    assert str(result) == "perplexity 16.000 (25 tokens)"


def test_other_objects_than_batch_sources_are_refused(model):
    with pytest.raises(ValueError, match=r"^batches must be a batch source, such as Windows or Stream; got \[\]$"):
        evaluate(model, [])


def test_a_perplexity_that_overflows_is_infinite():
    assert perplexity(1e6, 1) == math.inf


def test_the_loss_of_a_batch_without_padding_is_computed_as_ever(model, tokens):
    x, y = next(Windows(tokens, 0, 30, batch_size=30, num_steps=9).batches())
    state = model.begin_state(30)
    mean, _, count = MeanLoss(model).of_batch(x, y, state)
    logits, _ = model(np.array(x, dtype="int32"), state)
    expected = -np.mean(npx.pick(npx.log_softmax(logits, axis=-1), np.array(y, dtype="int32"), axis=-1))
    assert (mean.item(), count) == (expected.item(), 270)  # bitwise


LENGTHS = [0, 1, 2, 2, 3, 5, 7, 7, 8, 12, 19, 30]


def records(batch_size=4, num_steps=8):
    rng = numpy.random.default_rng(3)
    texts = [[1, *rng.integers(3, V, length), 2] for length in LENGTHS]
    tokens = numpy.concatenate(texts).astype("int32")
    return texts, Records(tokens, 1, batch_size=batch_size, num_steps=num_steps, shuffle=True)


@pytest.mark.parametrize("num_steps", [1, 5, 8, 40])
@pytest.mark.parametrize("batch_size", [1, 4, 5, 12, 64])
def test_padded_records_are_evaluated_as_one_by_one_without_padding(model, batch_size, num_steps):
    texts, source = records(batch_size, num_steps)
    expected = sum(nll_by_hand(model, numpy.array(text)[:-1, None], numpy.array(text)[1:, None]) for text in texts)
    result = evaluate(model, source)
    assert result.num_tokens == sum(LENGTHS) + len(LENGTHS)
    assert result.nll == pytest.approx(expected, rel=1e-5)


def one_record(cell, model, x, y, state):
    """The summed loss of a sequence, (T,), its gradients, and the state after it: in NumPy, in double precision."""
    weights = {name: array.astype("float64") for name, array in parameter_arrays(model).items()}
    layers = [{name.split(".")[2]: array for name, array in weights.items() if name.startswith(f"rnn.layer{i}.")}
              for i in range(2)]
    inputs, no_state = numpy.eye(V)[x][:, None], [numpy.zeros_like(array) for array in state]  # (T, 1, V)
    no_outputs = numpy.zeros((len(x), 1, 8))
    outputs, *_ = reference.forward_and_backward(cell, layers, inputs, state, no_outputs, no_state)
    logits = outputs @ weights["W_hq"] + weights["b_q"]
    p = numpy.exp(logits) / numpy.exp(logits).sum(axis=-1, keepdims=True)
    d_logits = p - numpy.eye(V)[y][:, None]
    _, after, grads, _, _ = reference.forward_and_backward(
        cell, layers, inputs, state, d_logits @ weights["W_hq"].T, no_state)
    found = {f"rnn.layer{i}.{name}": array for i, layer in enumerate(grads) for name, array in layer.items()}
    found["W_hq"], found["b_q"] = numpy.einsum("tnh,tnv->hv", outputs, d_logits), d_logits.sum(axis=(0, 1))
    return -numpy.log(numpy.take_along_axis(p, y[:, None, None], axis=-1)).sum(), found, after


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_losses_and_gradients_of_padded_batches_are_those_of_single_records_in_numpy(cell):
    model = RNNLMScratch(StackedRNNScratch(V, 8, 2, cell=cell, initializer="uniform"), V)
    loss, (_, source) = MeanLoss(model), records()
    loss.hybridize()
    assert sum(source.continues(0, i) for i in range(len(source))) >= 3
    for i, (x, y) in enumerate(source.batches()):
        if not source.continues(0, i):
            state = model.begin_state(x.shape[1])
            states = [[array.asnumpy()[:, n:n + 1].astype("float64") for array in state] for n in range(x.shape[1])]
        with autograd.record():
            mean, state, count = loss.of_batch(x, y, state, padded=True)
        mean.backward()
        state = [array.detach() for array in state]
        nll, expected = 0.0, dict.fromkeys(parameter_arrays(model), 0.0)
        for n, length in enumerate((y >= 0).sum(axis=0)):
            if length:
                own, grads, states[n] = one_record(cell, model, x[:length, n], y[:length, n], states[n])
                nll += own
                expected = {name: array + grads[name] for name, array in expected.items()}
        assert count == (y >= 0).sum()
        assert mean.item() == pytest.approx(nll / count, rel=1e-5)
        for name, array in gradient_arrays(model).items():
            assert abs(array - expected[name] / count).max() <= 1e-4 * abs(expected[name]).max() / count, name


@pytest.mark.parametrize("hybridize", [False, True])
@pytest.mark.parametrize("core", [RNN, LSTM, GRU])
def test_padding_changes_no_gradient_of_fused_layers(core, hybridize):
    model, (texts, _) = RNNLM(core(8, 2), V), records()
    loss = MeanLoss(model)
    loss.hybridize(hybridize)
    columns = [numpy.array(text, dtype="int32") for text in texts]
    longest = max(map(len, columns)) - 1
    x, y = numpy.full((2, longest, len(texts)), [[[0]], [[-1]]], dtype="int32")
    for n, text in enumerate(columns):
        x[:len(text) - 1, n], y[:len(text) - 1, n] = text[:-1], text[1:]

    def gradients(x, y, padded):
        with autograd.record():
            mean, _, count = loss.of_batch(x, y, model.begin_state(x.shape[1]), padded=padded)
        mean.backward()
        return {name: count * array.astype("float64") for name, array in gradient_arrays(model).items()}

    got = gradients(x, y, True)
    singles = [gradients(text[:-1, None], text[1:, None], False) for text in columns]
    for name, array in got.items():
        expected = sum(single[name] for single in singles)
        assert abs(array - expected).max() <= 1e-4 * abs(expected).max(), name


class Plain:
    """A user's batch source: a stream, or windows, without a method ``continues``."""

    def __init__(self, source, carries_state):
        self.source, self.carries_state = source, carries_state

    def batches(self):
        return self.source.batches()


def test_a_source_with_only_carries_state_is_evaluated_like_ours(model, tokens):
    stream, windows = Stream(tokens, batch_size=3, num_steps=9), Windows(tokens, 0, 30, batch_size=10, num_steps=9)
    assert evaluate(model, Plain(stream, True)).nll == evaluate(model, stream).nll
    assert evaluate(model, Plain(windows, False)).nll == evaluate(model, windows).nll
    assert evaluate(model, Plain(stream, False)).nll != evaluate(model, stream).nll


@pytest.mark.parametrize(("targets", "padded", "message"), [
    ([3, -1], False, f"tokens must be indices from 0 to {V - 1}; got -1 to 3"),
    ([3, -2], True, f"tokens must be indices from 0 to {V - 1}; got -2 to 3"),
    ([3, V], True, f"tokens must be indices from 0 to {V - 1}; got 3 to {V}"),
    ([-1, -1], True, r"y must be targets of which at least one is not padding; got shape \(2, 1\), all -1"),
])
def test_targets_are_checked_before_mxnet_gets_them(model, targets, padded, message):
    y = numpy.array(targets, dtype="int32")[:, None]
    with pytest.raises(ValueError, match=f"^{message}$"):
        MeanLoss(model).of_batch(numpy.zeros_like(y), y, model.begin_state(1), padded=padded)


ours = pytest.mark.skipif(kernels.loaded() is None, reason=f"needs the compiled library: {kernels.why_not()}")

STREAMED = {
    "tanh": lambda: RNNLM(RNN(16, 2), V), "relu": lambda: RNNLM(RNN(16, 2, activation="relu"), V),
    "lstm": lambda: RNNLM(LSTM(16, 2), V), "gru": lambda: RNNLM(GRU(16, 2, dropout=0.5), V),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(V, 16, 2, sigma=0.1), V),
    "scratch lstm": lambda: RNNLMScratch(StackedRNNScratch(V, 16, 2, sigma=0.1, cell="lstm"), V),
    "scratch gru": lambda: RNNLMScratch(StackedRNNScratch(V, 16, 2, sigma=0.1, cell="gru"), V),
    "embedding": lambda: RNNLM(LSTM(16, 2), V, embedding=9),
    "tied": lambda: RNNLM(GRU(16, 2), V, embedding=16, tied=True),
    "layer norm": lambda: RNNLM(GRU(16, 3, layer_norm=True), V),
    "residual": lambda: RNNLM(RNN(16, 3, residual=True), V),
    "learned state": lambda: RNNLM(LSTM(16, 2, learned_state=True), V),
}


class Ways:
    """How many batches the graph has read, and how many columns of batches the compiled library."""

    def __init__(self, monkeypatch):
        self.graph = self.library = 0
        of_batch, score = MeanLoss.of_batch, writing.Network.score

        def by_graph(*arguments, **options):
            self.graph += 1
            return of_batch(*arguments, **options)

        def by_library(*arguments):
            self.library += 1
            return score(*arguments)

        monkeypatch.setattr(MeanLoss, "of_batch", by_graph)
        monkeypatch.setattr(writing.Network, "score", by_library)


@pytest.fixture
def ways(monkeypatch):
    return Ways(monkeypatch)


def randomized(make):
    """A model far from uniform, with no parameter of zeros."""
    model = make()
    for name, parameter in model.named_parameters():
        scale = 0.5 if name.startswith(("dense", "W_hq", "b_q")) else 0.1
        parameter.set_data(parameter.data() + np.random.normal(scale=scale, size=parameter.shape))
    return model


def by_graph(model, batches):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys.modules[MeanLoss.__module__], "plain_reader", lambda *arguments: None)
        return evaluate(model, batches)


@ours
@pytest.mark.parametrize("kind", STREAMED)
def test_a_stream_is_evaluated_by_the_library_with_the_result_of_the_graph(kind, ways):
    model, tokens = randomized(STREAMED[kind]), numpy.random.randint(0, V, 3000).astype("int32")
    stream = Stream(tokens, batch_size=1, num_steps=128)
    expected = by_graph(model, stream)
    assert (ways.graph, ways.library) == (24, 0)
    result = evaluate(model, stream)
    assert (ways.graph, ways.library) == (24, 24)
    assert result.num_tokens == expected.num_tokens == 2999
    assert result.nll == pytest.approx(expected.nll, rel=1e-6)
    assert abs(result.perplexity - V) > 0.1


@ours
def test_the_library_follows_every_change_of_the_parameters(model, tokens):
    stream, found = Stream(tokens, batch_size=1, num_steps=50), []
    for _ in range(3):
        found.append(evaluate(model, stream).nll)
        assert found[-1] == pytest.approx(by_graph(model, stream).nll, rel=1e-6)
        assert evaluate(model, stream).nll == found[-1]
        _, parameter = next(iter(model.named_parameters()))
        parameter.set_data(parameter.data() * 0.9)
    assert len(set(found)) == 3


@ours
@pytest.mark.parametrize("kind", ["lstm", "scratch", "relu", "layer norm", "tied"])
def test_a_parameter_that_is_nan_shows(kind, tokens, ways):
    model, stream = randomized(STREAMED[kind]), Stream(tokens, batch_size=1, num_steps=128)
    for name, parameter in model.named_parameters():
        before = parameter.data().copy()
        parameter.set_data(before * numpy.nan)
        assert math.isnan(evaluate(model, stream).nll), name
        parameter.set_data(before)
    assert math.isfinite(evaluate(model, stream).nll)
    assert ways.graph == 0


@ours
def test_tokens_are_checked_before_the_library_gets_them(model):
    stream = Stream(numpy.array([0, 1, V, 2], dtype="int32"), batch_size=1, num_steps=2)
    with pytest.raises(ValueError, match=rf"^tokens must be indices from 0 to {V - 1}; got 1 to {V}$"):
        evaluate(model, stream)


class Doubled(MeanLoss):
    """Another loss."""

    def hybrid_forward(self, F, x, y, state):
        loss, state = super().hybrid_forward(F, x, y, state)
        return 2 * loss, state


def loss_of(model, kind=MeanLoss, **how):
    loss = kind(model)
    loss.hybridize(children=False, **how)
    return loss


def hooked(model):
    model.register_forward_hook(lambda *arguments: None)
    return model


OTHER_WAYS = {
    "another cell": lambda m, s: evaluate(RNNLMScratch(StackedRNNScratch(V, 8, 2, cell="mgu"), V), s),
    "another loss": lambda m, s: evaluate(loss_of(m, Doubled), s),
    "interpreted": lambda m, s: evaluate(loss_of(m, active=False), s),
    "without our operators": lambda m, s: evaluate(loss_of(m, fuse=False), s),
    "a hook": lambda m, s: evaluate(hooked(m), s),
    "columns": lambda m, s: evaluate(m, Stream(numpy.arange(999, dtype="int32") % V, batch_size=90, num_steps=5)),
    "padding": lambda m, s: evaluate(m, records(batch_size=1)[1]),
}


@ours
@pytest.mark.parametrize("why", OTHER_WAYS)
def test_the_graph_evaluates_what_the_library_does_not(why, tokens, ways):
    result = OTHER_WAYS[why](RNNLM(GRU(8, 2), V), Stream(tokens, batch_size=1, num_steps=50))
    assert ways.library == 0
    assert ways.graph > 0
    assert result.perplexity > 1


@ours
def test_dropout_that_is_asked_for_is_applied(tokens, ways):
    model, stream = RNNLM(GRU(8, 3, dropout=0.9), V), Stream(tokens, batch_size=1, num_steps=50)
    with autograd.train_mode():
        assert evaluate(model, stream).nll != evaluate(model, stream).nll
    assert ways.library == 0
