import math

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, evaluate
from gluon_deeprnn.data import Stream, Windows
from gluon_deeprnn.evaluation import Evaluation, perplexity
from mxnet import np
import numpy
import pytest

V = 13


@pytest.fixture(params=["scratch", "gru", "lstm"])
def model(request):
    made = {"scratch": lambda: RNNLMScratch(StackedRNNScratch(V, 8, 2, sigma=0.5), V),
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
    result = Evaluation(nll=100 * math.log(2), num_tokens=25, characters_per_token=5.0)
    assert result.bits_per_character == pytest.approx(100 / 125)
    assert str(result) == "perplexity 16.000, 0.800 bits per character (125 characters)"


def test_other_objects_than_batch_sources_are_refused(model):
    with pytest.raises(ValueError, match=r"^batches must be a batch source, such as Windows or Stream; got \[\]$"):
        evaluate(model, [])


def test_a_perplexity_that_overflows_is_infinite():
    assert perplexity(1e6, 1) == math.inf
