import itertools

from gluon_deeprnn import GRU, RNNLM, Vocab, generate
from gluon_deeprnn.generation import generate_many, steps
from gluon_deeprnn.generation.sampler import Sampler
import mxnet
from mxnet import np
import numpy
import pytest
from sampling import filtered, generated, sample
from scipy import stats


@pytest.fixture(scope="module")
def vocab():
    return Vocab("the time machine, it has", cleaning="d2l")


@pytest.fixture(scope="module")
def model(vocab):
    """A model that no test changes: its graphs are compiled once."""
    return made(vocab)


def made(vocab):
    mxnet.random.seed(1)
    model = RNNLM(GRU(16, 2), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 3)
    return model


def by_hand(model, vocab, prefix, length, temperature, seed=0):
    """Read the whole text again for every token, without hybridizing the model."""
    indices, rng = vocab.encode_prefix(prefix).tolist(), numpy.random.default_rng(seed)
    for _ in range(length):
        logits = model(np.array(indices, dtype="int32").reshape(-1, 1))[0][-1, 0].asnumpy().astype("float64")
        logits[vocab.unknown_index] = -numpy.inf
        indices.append(sample(logits, temperature, 0, rng))
    return "".join(vocab.to_tokens(indices))


TEXT = "the time machine it has " * 6


@pytest.mark.parametrize("prefix", ["it has", "t", *(TEXT[:n] for n in (31, 32, 33, 34, 35, 64, 65, 66, 67, 98))])
def test_greedy_decoding_takes_the_most_likely_token_given_everything_before(model, vocab, prefix):
    expected = by_hand(model, vocab, prefix, 20, temperature=0)
    assert prefix + "".join(generate(model, vocab, prefix, 20, temperature=0)) == expected
    assert model.predict(prefix, 20, vocab) == expected


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_samples_do_not_depend_on_hybridizing_or_on_carrying_the_state(model, vocab, temperature):
    expected = by_hand(model, vocab, "it has", 40, temperature, seed=3)
    assert "it has" + "".join(generate(model, vocab, "it has", 40, temperature=temperature, seed=3)) == expected


def test_the_same_seed_generates_the_same_text_and_another_a_different_one(model, vocab):
    def text(seed):
        return "".join(generate(model, vocab, "it has", 60, temperature=1.0, seed=seed))

    assert text(1) == text(1) != text(2)


def test_a_longer_text_begins_with_the_shorter(model, vocab):
    texts = ["".join(generate(model, vocab, "it", n, temperature=1.0)) for n in (0, 10, 30)]
    assert [len(text) for text in texts] == [0, 10, 30]
    assert texts[2].startswith(texts[1])


def test_the_text_does_not_depend_on_the_number_of_steps_per_call(model, vocab, monkeypatch, calls):
    texts = []
    for first, later in ((8, 32), (1, 1), (3, 5)):
        monkeypatch.setattr(steps, "FIRST_STEPS", first)
        monkeypatch.setattr(steps, "STEPS", later)
        monkeypatch.setattr(steps, "MOST_STEPS", later)
        texts.append("".join(generate(model, vocab, "it has", 90, temperature=1.0, top_k=7, seed=4)))
    assert len(texts[0]) == 90
    assert texts[0] == texts[1] == texts[2]
    assert len(calls) > 90 + 20


@pytest.mark.parametrize(("temperature", "top_k"), [(0, 0), *itertools.product((0.7, 1.5), (0, 1, 4, 99))])
def test_sampling_on_the_device_equals_sampling_in_numpy(model, vocab, temperature, top_k):
    def read(tokens, state):
        logits, state = model(np.array(tokens[:, None], dtype="int32"), state)
        return logits[-1, 0].asnumpy(), state

    expected = generated(read, model.begin_state(1), vocab, vocab.encode_prefix("it has"), 70, temperature, top_k,
                         numpy.random.default_rng(5))
    pieces = generate(model, vocab, "it has", 70, temperature=temperature, top_k=top_k, seed=5 if temperature else 0)
    assert "".join(pieces) == expected


def test_texts_generated_in_one_batch_equal_those_of_their_seeds(model, vocab):
    texts = generate_many(model, vocab, "it has", 40, num_samples=5, temperature=1.0, seed=11)
    assert texts == ["".join(generate(model, vocab, "it has", 40, temperature=1.0, seed=11 + i)) for i in range(5)]
    assert len(set(texts)) == 5


def test_new_parameters_are_used_by_graphs_that_were_compiled_before(vocab):
    model = made(vocab)
    before = "".join(generate(model, vocab, "it has", 30, temperature=0))
    model.dense.bias.set_data(np.array(numpy.linspace(9, 0, len(vocab))))
    assert "".join(generate(model, vocab, "it has", 30, temperature=0)) != before


def test_tokens_are_yielded_as_they_are_sampled(model, vocab, calls):
    pieces = generate(model, vocab, "it", 1000)
    assert len(list(itertools.islice(pieces, 3))) == 3
    assert calls == [8]
    assert len(list(pieces)) == 997
    assert calls in ([8, *[32] * 31], [8, 256, 256, 256, 224])


def test_the_unknown_token_is_never_sampled():
    vocab = Vocab("ab")
    model = RNNLM(GRU(4), len(vocab))
    model.dense.bias.set_data(np.array([50.0, 0.0, 0.0]))
    assert set("".join(generate(model, vocab, "a", 50, temperature=1.0))) == {"a", "b"}


def test_words_are_generated_with_spaces():
    vocab = Vocab(["it", "has"], kind="word", cleaning="d2l")
    assert RNNLM(GRU(4), len(vocab)).predict("It has", 3, vocab).split(" ")[:2] == ["It", "has"]


def constant(vocab, logits):
    """A model with these logits whatever it reads."""
    model = RNNLM(GRU(2), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 0)
    model.dense.bias.set_data(np.array(logits))
    return model


@pytest.mark.parametrize("options", [
    {"temperature": 1.0}, {"temperature": 0.5}, {"temperature": 2.0, "top_k": 3}, {"temperature": 1.0, "top_p": 0.8},
    {"temperature": 1.3, "min_p": 0.15}], ids=str)
def test_token_frequencies_agree_with_softmax(options):
    """Sampled on the device, one after the other and many at a time; Pearson's chi-squared test, at 0.1%."""
    vocab, logits = Vocab("abcde"), numpy.array([3.0, 1.0, 2.0, 0.5, -1.0, 1.5])
    p = numpy.exp(filtered(logits[1:] / options["temperature"], options.get("top_p", 1), options.get("min_p", 0)))
    p[numpy.argsort(-p)[options.get("top_k", 5):]] = 0
    p /= p.sum()
    model = constant(vocab, logits)
    for text in ("".join(generate(model, vocab, "a", 8000, **options)),
                 "".join(generate_many(model, vocab, "a", 40, 200, seed=9, **options))):
        counts = numpy.array([text.count(letter) for letter in "abcde"])
        assert counts.sum() == len(text) == 8000
        assert (counts[p == 0] == 0).all()
        possible = p > 0
        assert stats.chisquare(counts[possible], 8000 * p[possible]).pvalue > 0.001


def test_each_token_is_independent_of_the_one_before():
    """Of a model that ignores its input: the pairs have the product of the probabilities."""
    vocab, logits = Vocab("abc"), numpy.array([0.0, 1.0, 0.5, 0.0])
    text = "".join(generate(constant(vocab, logits), vocab, "a", 9000, temperature=1.0, seed=2))
    pairs = list(zip(text[::2], text[1::2]))
    counts = [[pairs.count((first, second)) for second in "abc"] for first in "abc"]
    assert stats.chi2_contingency(counts).pvalue > 0.001


@pytest.mark.parametrize(("options", "message"), [
    ({"length": -1}, "length must be a non-negative integer; got -1"),
    ({"length": "5"}, "length must be a non-negative integer; got '5'"),
    ({"temperature": -0.1}, "temperature must be a number, at least 0; got -0.1"),
    ({"top_k": 1.5}, "top_k must be a non-negative integer; got 1.5"),
    ({"seed": None}, "seed must be a non-negative integer; got None"),
    ({"prefix": "Zürich"}, "prefix must be made of tokens in the vocabulary; got 'z', 'r'"),
    ({"device": mxnet.Context("cpu", 1)},
     r"device must be the context of the model's parameters, cpu\(0\); got 'cpu\(1\)'"),
    ({"vocab": Vocab("it has")}, "vocab must be of the model's size, 12 tokens; got 7"),
])
def test_bad_arguments_are_refused_before_anything_is_generated(model, vocab, options, message):
    with pytest.raises(ValueError, match="^" + message):
        next(generate(model, **{"vocab": vocab, "prefix": "it", "length": 3, **options}))


@pytest.mark.parametrize("temperature", [0, 1.0])
def test_parameters_that_are_not_finite_are_an_error(vocab, temperature):
    model = made(vocab)
    model.dense.bias.set_data(np.array([numpy.nan] * len(vocab)))
    with pytest.raises(ValueError, match=r"^the model's logits must be finite numbers; got nan"):
        next(generate(model, vocab, "it has", 5, temperature=temperature))


PENALTIES = [{"repetition_penalty": 1.3}, {"repetition_penalty": 0.7}]
OF_SAMPLING = [{"top_p": 0.9}, {"top_p": 0.2}, {"top_p": 1e-6}, {"min_p": 0.1}, {"min_p": 0.9},
               {"top_k": 9, "top_p": 0.8, "min_p": 0.02, "repetition_penalty": 1.2}]


@pytest.mark.parametrize(("temperature", "options"), [
    *itertools.product((0,), PENALTIES), *itertools.product((0.7, 1.5), OF_SAMPLING + PENALTIES)], ids=str)
def test_tokens_are_chosen_as_numpy_chooses_them(model, vocab, temperature, options):
    def read(tokens, state):
        logits, state = model(np.array(tokens[:, None], dtype="int32"), state)
        return logits[-1, 0].asnumpy(), state

    expected = generated(read, model.begin_state(1), vocab, vocab.encode_prefix("it has"), 60, temperature,
                         options.get("top_k", 0), numpy.random.default_rng(5),
                         **{name: value for name, value in options.items() if name != "top_k"})
    options = {**options, "temperature": temperature, "seed": 5 if temperature else 0}
    text = "".join(generate(model, vocab, "it has", 60, **options))
    assert text == expected
    assert text == "".join(generate(model, vocab, "it has", 61, **options))[:60]
    assert text == generate_many(model, vocab, "it has", 60, 2, **options)[0]


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.99])
def test_top_p_keeps_the_smallest_set_that_has_the_probability(top_p):
    logits = numpy.random.default_rng(3).normal(0, 2, (1, 12))
    vocab = Vocab("abcdefghijk")
    sampler = Sampler(RNNLM(GRU(4), len(vocab)), 0, True, False, False)
    arrays = [np.array(array, dtype="float32") for array in (logits, [top_p])]
    kept = sampler._nucleus(mxnet.ndarray, *arrays).asnumpy()[0] > -numpy.inf
    p = numpy.exp(logits[0]) / numpy.exp(logits[0]).sum()
    sets = [subset for size in range(1, 13) for subset in itertools.combinations(range(12), size)
            if p[list(subset)].sum() >= top_p]
    smallest = min(map(len, sets))
    best = max((s for s in sets if len(s) == smallest), key=lambda s: p[list(s)].sum())
    assert sorted(numpy.flatnonzero(kept)) == sorted(best)


@pytest.mark.parametrize("stop", ["e", "me", "e m", "the", ["ttt", "ma"], "emit that"])
def test_a_text_ends_before_the_first_stop_string(model, vocab, stop):
    whole = "".join(generate(model, vocab, "it", 300, temperature=1.0, seed=2))
    strings = [stop] if isinstance(stop, str) else stop
    ends = [whole.index(string) for string in strings if string in whole]
    expected = whole[:min(ends)] if ends else whole
    assert "".join(generate(model, vocab, "it", 300, temperature=1.0, seed=2, stop=stop)) == expected
    assert generate_many(model, vocab, "it", 300, 2, temperature=1.0, seed=2, stop=stop)[0] == expected


@pytest.mark.parametrize(("options", "message"), [
    ({"top_p": 0}, r"top_p must be a number in \(0, 1\]; got 0"), ({"min_p": 1}, r"min_p must be a number in \[0, 1\)"),
    ({"repetition_penalty": 0}, "repetition_penalty must be a number above 0; got 0"),
    ({"stop": [""]}, "stop must be strings, none of them empty"), ({"stop": [3]}, "stop must be a string or several"),
    ({"stop": "Zoë."}, r"stop must be made of characters that the model can write; got 'Zoë\.' \(it never writes 'Zoë"),
    ({"temperature": 0, "top_k": 5}, r"top_k must be omitted with temperature 0; got 5 \(greedy decoding does not"),
    ({"temperature": 0, "top_p": 0.9}, "top_p must be omitted with temperature 0; got 0.9"),
    ({"temperature": 0, "min_p": 0.1}, "min_p must be omitted with temperature 0; got 0.1"),
    ({"temperature": 0, "seed": 1}, "seed must be omitted with temperature 0; got 1"),
])
def test_bad_sampling_options_are_refused(model, vocab, options, message):
    with pytest.raises(ValueError, match="^" + message):
        generate(model, vocab, "it", 5, **options)


def records_model():
    """A vocabulary with boundaries, and a model of records whose records are short."""
    vocab = Vocab("abcdef", boundaries=True)
    mxnet.random.seed(1)
    model = RNNLM(GRU(8), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 2)
    return model, vocab


def record_by_hand(model, vocab, prefix, length, seed):
    """Read the whole record again for every token, from its beginning, without hybridizing the model."""
    rng, written = numpy.random.default_rng(seed), []
    for _ in range(length):
        indices = [vocab.begin_index, *vocab.encode(list(prefix)), *written]
        logits = model(np.array(indices, dtype="int32").reshape(-1, 1))[0][-1, 0].asnumpy().astype("float64")
        logits[[vocab.unknown_index, vocab.begin_index]] = -numpy.inf
        written.append(sample(logits, 1.0, 0, rng))
        if written[-1] == vocab.end_index:
            break
    return "".join(vocab.text(written))


@pytest.mark.parametrize("prefix", ["", "abc"])
def test_records_begin_at_their_beginning_and_each_ends_at_its_own_end(prefix):
    model, vocab = records_model()
    texts = generate_many(model, vocab, prefix, 70, 12, temperature=1.0, seed=3)
    assert texts == [record_by_hand(model, vocab, prefix, 70, seed) for seed in range(3, 15)]
    assert texts == ["".join(generate(model, vocab, prefix, 70, temperature=1.0, seed=seed)) for seed in range(3, 15)]
    assert len({len(text) for text in texts}) > 3


def test_the_beginning_of_a_record_and_the_unknown_token_are_never_sampled():
    vocab = Vocab("ab", boundaries=True)
    model = constant(vocab, [50.0, 50.0, -50.0, 0.0, 0.0])
    assert set("".join(generate(model, vocab, "", 60, temperature=1.0))) == {"a", "b"}
    assert len("".join(generate(model, vocab, "", 60, beam=2))) == 60


def test_many_texts_end_as_soon_as_all_have(calls):
    model, vocab = records_model()
    texts = generate_many(model, vocab, "", 10_000, 12, temperature=1.0, seed=3)
    assert len(calls) <= 2 + max(map(len, texts)) / 32
    assert sum(calls) <= max(map(len, texts)) + steps.MOST_STEPS


def test_a_model_without_records_needs_a_prefix(model, vocab):
    with pytest.raises(ValueError, match=r"^prefix must be at least one token"):
        generate(model, vocab, "", 5)
    with pytest.raises(ValueError, match=r"^prefix must be at least one token"):
        generate_many(model, vocab, "", 5, 2)


@pytest.mark.parametrize("options", [{"num_samples": 10**9}, {"num_samples": 2, "beam": 10**9}])
def test_more_texts_than_fit_into_memory_are_refused(model, vocab, options):
    name = [*options][-1]
    with pytest.raises(ValueError, match=rf"^{name} must be small enough for this machine's .*; got 10{{9}}: about"):
        generate_many(model, vocab, "it", 5, **options)
