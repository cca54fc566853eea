import itertools

from gluon_deeprnn import GRU, RNNLM, Vocab, generate
from gluon_deeprnn.generation import sample
import mxnet
from mxnet import np
import numpy
import pytest


@pytest.fixture
def vocab():
    return Vocab("the time machine, it has", cleaning="d2l")


@pytest.fixture
def model(vocab):
    made = RNNLM(GRU(16, 2), len(vocab))
    for _, parameter in made.named_parameters():
        parameter.set_data(parameter.data() * 3)
    return made


def by_hand(model, vocab, prefix, length, temperature, seed=0):
    """Read the whole text anew for every token, with the model not hybridized."""
    indices, rng = vocab.encode_prefix(prefix).tolist(), numpy.random.default_rng(seed)
    for _ in range(length):
        scores = model(np.array(indices, dtype="int32").reshape(-1, 1))[0][-1, 0].asnumpy().astype("float64")
        scores[vocab.unknown_index] = -numpy.inf
        indices.append(sample(scores, temperature, 0, rng))
    return "".join(vocab.to_tokens(indices))


@pytest.mark.parametrize("prefix", ["it has", "t", "the time machine it has the time machine it has the time"])
def test_predict_takes_the_most_likely_token_given_everything_before(model, vocab, prefix):
    expected = by_hand(model, vocab, prefix, 20, temperature=0)
    assert model.predict(prefix, 20, vocab) == expected


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_what_is_drawn_does_not_depend_on_hybridizing_or_on_carrying_the_state(model, vocab, temperature):
    expected = by_hand(model, vocab, "it has", 40, temperature, seed=3)
    assert "it has" + "".join(generate(model, vocab, "it has", 40, temperature=temperature, seed=3)) == expected


def test_seed_repeats_a_text_and_another_writes_another(model, vocab):
    def text(seed):
        return "".join(generate(model, vocab, "it has", 60, temperature=1.0, seed=seed))

    assert text(1) == text(1) != text(2)


def test_a_longer_text_begins_with_the_shorter(model, vocab):
    texts = ["".join(generate(model, vocab, "it", n, temperature=1.0)) for n in (0, 10, 30)]
    assert [len(text) for text in texts] == [0, 10, 30]
    assert texts[2].startswith(texts[1])


def test_tokens_come_as_they_are_drawn(model, vocab):
    calls = []
    model.hybridize()
    model.register_forward_hook(lambda *_: calls.append(1))
    pieces = generate(model, vocab, "it", 1000)
    assert len(list(itertools.islice(pieces, 3))) == 3
    assert len(calls) <= 4


def test_the_unknown_token_is_never_drawn():
    vocab = Vocab("ab")
    model = RNNLM(GRU(4), len(vocab))
    model.dense.bias.set_data(np.array([50.0, 0.0, 0.0]))
    assert set("".join(generate(model, vocab, "a", 50, temperature=1.0))) == {"a", "b"}


def test_words_are_written_with_spaces():
    vocab = Vocab(["it", "has"], kind="word", cleaning="d2l")
    assert RNNLM(GRU(4), len(vocab)).predict("It has", 3, vocab).split(" ")[:2] == ["It", "has"]


@pytest.mark.parametrize(("temperature", "top_k"), [(1.0, 0), (0.5, 0), (2.0, 3), (0.7, 1)])
def test_tokens_are_drawn_as_often_as_softmax_says(temperature, top_k):
    scores, rng, draws = numpy.array([1.0, 2.0, 0.5, -1.0, 1.5]), numpy.random.default_rng(0), 20_000
    counts = numpy.bincount([sample(scores, temperature, top_k, rng) for _ in range(draws)], minlength=5)
    p = numpy.exp(scores / temperature)
    if top_k:
        p[numpy.argsort(-scores)[top_k:]] = 0
    p /= p.sum()
    sigma = numpy.sqrt(draws * p * (1 - p))
    assert (abs(counts - draws * p) <= 4 * sigma).all()  # 4 sigma of a binomial count


@pytest.mark.parametrize(("options", "message"), [
    ({"length": -1}, "length must be a non-negative integer; got -1"),
    ({"length": "5"}, "length must be a non-negative integer; got '5'"),
    ({"temperature": -0.1}, "temperature must be a number, at least 0; got -0.1"),
    ({"top_k": 1.5}, "top_k must be a non-negative integer; got 1.5"),
    ({"seed": None}, "seed must be a non-negative integer; got None"),
    ({"prefix": "Zürich"}, "prefix must be made of tokens that the vocabulary knows; got 'z', 'r'"),
    ({"device": mxnet.Context("cpu", 1)}, r"device must be where the model's parameters are, cpu\(0\); got 'cpu\(1\)'"),
    ({"vocab": Vocab("it has")}, "vocab must be of the model's size, 12 tokens; got 7"),
])
def test_bad_arguments_are_refused_before_anything_is_written(model, vocab, options, message):
    with pytest.raises(ValueError, match="^" + message):
        next(generate(model, **{"vocab": vocab, "prefix": "it", "length": 3, **options}))


def test_lost_parameters_are_no_text():
    with pytest.raises(ValueError, match=r"^the model's scores must be finite numbers; got nan"):
        sample(numpy.array([numpy.nan, 1.0]), 1.0, 0, numpy.random.default_rng(0))
