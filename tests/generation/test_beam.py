import itertools

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab, generate
from gluon_deeprnn.generation import Continuation, TrainingText, generate_many
from gluon_deeprnn.generation.beam import BeamSearch, BeamStep
from gluon_deeprnn.generation.options import DecodingOptions
from gluon_deeprnn.generation.writer import Writer
import mxnet
from mxnet import np
import numpy
import pytest


def sharp(vocab, seed=1, factor=4.0):
    """A small model whose distributions are far from uniform."""
    mxnet.random.seed(seed)
    model = RNNLM(GRU(6, 2), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * factor)
    return model


def log_probabilities(model, indices, penalty=1.0):
    """Read a whole sequence; the log-probabilities of the token after it, in double precision."""
    logits = model(np.array(indices, dtype="int32").reshape(-1, 1))[0][-1, 0].asnumpy().astype("float64")
    for token in set(indices):
        logits[token] *= 1 / penalty if logits[token] > 0 else penalty
    return logits - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum())


def all_continuations(model, vocab, prefix, length, stop, penalty=1.0, limit=None):
    """Every continuation that is finished, or of this length: its text, number of tokens and score."""
    begin = [] if vocab.begin_index is None else [vocab.begin_index]
    found = []

    def follow(tokens, score):
        text = "".join(vocab.text(tokens))
        ends = [text.index(string) for string in stop if string in text]
        if ends or vocab.end_index in tokens or len(tokens) == length:
            found.append((text[:min(ends, default=None)], len(tokens), score))
            return
        indices = [*begin, *(vocab.encode_prefix(prefix).tolist() if prefix else []), *tokens]
        allowed = set(range(len(vocab))) - {vocab.unknown_index, vocab.begin_index}
        if limit is not None:
            allowed -= set(limit.excluded(indices).tolist())
        log_p = log_probabilities(model, indices, penalty)
        for token in allowed:
            follow([*tokens, token], score + log_p[token])
        if not allowed:
            found.append((text, len(tokens), score))

    follow([], 0.0)
    return found


def ranked(continuations, length_penalty):
    return sorted(continuations, key=lambda each: -each[2] / ((5 + each[1]) / 6) ** length_penalty)


@pytest.mark.parametrize("length_penalty", [0, 0.7, 1.6])
@pytest.mark.parametrize(("letters", "boundaries", "prefix", "stop"), [
    ("abc", False, "ab", ()), ("abc", False, "c", ("a",)), ("abc", False, "b", ("ab", "ca")), ("a", True, "", ()),
    ("ab", True, "ba", ()), ("ab", True, "", ("bb",)),
])
def test_a_beam_as_wide_as_all_sequences_finds_the_best_ones(letters, boundaries, prefix, stop, length_penalty):
    vocab = Vocab(letters, boundaries=boundaries)
    for seed in (1, 2, 3):
        model = sharp(vocab, seed)
        expected = ranked(all_continuations(model, vocab, prefix, 4, stop), length_penalty)[:5]
        options = {"beam": len(vocab) ** 4, "length_penalty": length_penalty, "stop": stop}
        assert "".join(generate(model, vocab, prefix, 4, **options)) == expected[0][0]
        best = generate_many(model, vocab, prefix, 4, len(expected), **options)
        assert best == [text for text, _, _ in expected]


def test_the_scores_are_sums_of_log_probabilities():
    vocab = Vocab("abc")
    model = sharp(vocab)
    writer = Writer(model, vocab, DecodingOptions(beam=256, length_penalty=0.7), None)
    writer.read(vocab.encode_prefix("ab").tolist())
    expected = ranked(all_continuations(model, vocab, "ab", 4, ()), 0.7)
    found = BeamSearch(writer, 4, (), num_best=81).run()
    assert len(found) == 81 == len(expected)
    numpy.testing.assert_allclose([each.score for each in found], [score for _, _, score in expected], atol=1e-5)
    assert numpy.exp([each.score for each in found]).sum() < 1  # the rest has an unknown token


def test_a_length_penalty_prefers_longer_records():
    vocab = Vocab("ab", boundaries=True)
    models = [sharp(vocab, seed, 1.0) for seed in range(9)]
    lengths = [sum(len("".join(generate(model, vocab, "", 4, beam=5 ** 4, length_penalty=length_penalty)))
                   for model in models) for length_penalty in (0, 1, 8)]
    assert lengths[0] <= lengths[1] < lengths[2]
    assert lengths[0] == 0
    assert 27 <= lengths[2] <= 36  # the fourth token may be the end


@pytest.mark.parametrize("penalty", [1.0, 1.7])
def test_a_repetition_penalty_changes_the_scores_as_defined(penalty):
    vocab = Vocab("abc")
    model = sharp(vocab)
    expected = ranked(all_continuations(model, vocab, "ab", 4, (), penalty), 0)
    best = generate_many(model, vocab, "ab", 4, 9, beam=256, repetition_penalty=penalty)
    assert best == [text for text, _, _ in expected[:9]]


@pytest.mark.parametrize("text", ["abcabcaabbcc", "abc", "aabacbabbcbcacbccc"])
@pytest.mark.parametrize("length", [1, 2])
def test_no_hypothesis_copies_more_than_the_limit(text, length):
    """Where every token would, the hypothesis ends."""
    vocab = Vocab("abc")
    model = sharp(vocab)
    limit = TrainingText(vocab.encode(list(text)), vocab).limit(length)
    expected = ranked(all_continuations(model, vocab, "ab", 4, (), limit=limit), 0.5)
    best = generate_many(model, vocab, "ab", 4, 4, beam=256, no_copy=limit, length_penalty=0.5)
    assert best == [each for each, _, _ in expected[:4]]
    assert "".join(generate(model, vocab, "ab", 4, beam=256, no_copy=limit, length_penalty=0.5)) == best[0]


MODELS = {
    "gru": lambda vocab: sharp(Vocab(vocab.idx_to_token[1:])), "lstm": lambda vocab: RNNLM(LSTM(8, 2), len(vocab)),
    "scratch": lambda vocab: RNNLMScratch(StackedRNNScratch(len(vocab), 8, 2, sigma=0.5), len(vocab)),
}


@pytest.mark.parametrize("length_penalty", [0, 2])
@pytest.mark.parametrize("stop", [(), ("e",), ("th", "ma")])
@pytest.mark.parametrize("kind", MODELS)
def test_a_beam_of_one_is_greedy_decoding(kind, stop, length_penalty):
    vocab = Vocab("the time machine, it has")
    model = MODELS[kind](vocab)
    greedy = "".join(generate(model, vocab, "it has", 60, temperature=0, stop=stop))
    assert "".join(generate(model, vocab, "it has", 60, beam=1, length_penalty=length_penalty, stop=stop)) == greedy


def test_a_beam_of_one_ends_a_record_as_greedy_decoding_does():
    vocab = Vocab("abcdef", boundaries=True)
    lengths = set()
    for seed in range(6):
        model = sharp(vocab, seed, 3.0)
        greedy = "".join(generate(model, vocab, "", 30, temperature=0))
        assert "".join(generate(model, vocab, "", 30, beam=1)) == greedy
        lengths.add(len(greedy))
    assert min(lengths) < 30 == max(lengths)


def by_hand(model, vocab, prefix, length, width):
    """A beam search without finished hypotheses, that reads each hypothesis again at each step."""
    prefix = vocab.encode_prefix(prefix).tolist()
    live = [([], 0.0)]
    for _ in range(length):
        candidates = []
        for tokens, score in live:
            log_p = log_probabilities(model, prefix + tokens)
            log_p[vocab.unknown_index] = -numpy.inf
            candidates += [([*tokens, token], score + log_p[token]) for token in range(len(vocab))]
        live = sorted(candidates, key=lambda each: -each[1])[:width]
    return ["".join(vocab.to_tokens(tokens)) for tokens, _ in live]


@pytest.mark.parametrize("width", [2, 3, 7])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_hypotheses_are_those_of_a_search_by_hand(width, seed):
    """So the states follow their hypotheses."""
    vocab = Vocab("the time machine")
    model = sharp(vocab, seed)
    expected = by_hand(model, vocab, "tim", 12, width)
    assert generate_many(model, vocab, "tim", 12, width, beam=width) == expected
    assert "".join(generate(model, vocab, "tim", 12, beam=width)) == expected[0]


def test_a_wider_beam_never_scores_worse_than_a_narrower_one_that_it_contains():
    vocab = Vocab("abc")
    model = sharp(vocab, 4)
    scores = {text: score for text, _, score in all_continuations(model, vocab, "a", 5, ())}
    best = [scores["".join(generate(model, vocab, "a", 5, beam=width))] for width in (1, 3 ** 5)]
    assert best[1] == max(scores.values())
    assert best[0] <= best[1]


def test_text_is_yielded_as_soon_as_all_hypotheses_agree(monkeypatch):
    vocab = Vocab("the time machine")
    model = sharp(vocab)
    calls, call = [], BeamStep.__call__
    monkeypatch.setattr(BeamStep, "__call__", lambda block, *arguments: calls.append(1) or call(block, *arguments))
    pieces = generate(model, vocab, "tim", 200, beam=3)
    first = "".join(itertools.islice(pieces, 3))
    assert len(calls) < 60
    whole = first + "".join(pieces)
    assert len(calls) == 200
    assert whole == generate_many(model, vocab, "tim", 200, 1, beam=3)[0]


def test_the_search_ends_early_when_nothing_can_become_better(monkeypatch):
    vocab = Vocab("abcdef", boundaries=True)
    model = sharp(vocab, 5)
    calls, call = [], BeamStep.__call__
    monkeypatch.setattr(BeamStep, "__call__", lambda block, *arguments: calls.append(1) or call(block, *arguments))
    text = "".join(generate(model, vocab, "", 1000, beam=4))
    assert len(text) < len(calls) < 100


def test_a_word_that_is_cut_by_a_stop_string_ends_the_text():
    vocab = Vocab(["time", "machine", "the"], kind="word")
    model = sharp(vocab)
    text = "".join(generate(model, vocab, "the", 9, beam=4, stop="chi"))
    assert "chi" not in text
    expected = ranked(all_continuations(model, vocab, "the", 4, ("chi",)), 0)[0][0]
    assert "".join(generate(model, vocab, "the", 4, beam=256, stop="chi")) == expected


@pytest.mark.parametrize(("options", "message"), [
    ({"beam": -1}, "beam must be a non-negative integer; got -1"),
    ({"beam": 2, "temperature": 1.0}, "temperature must be omitted with beam; got 1.0"),
    ({"beam": 2, "top_k": 3}, "top_k must be omitted with beam; got 3"),
    ({"beam": 2, "top_p": 0.5}, "top_p must be omitted with beam; got 0.5"),
    ({"beam": 2, "min_p": 0.5}, "min_p must be omitted with beam; got 0.5"),
    ({"beam": 2, "seed": 3}, "seed must be omitted with beam; got 3"),
    ({"length_penalty": 1}, "length_penalty must be 0 without a beam; got 1"),
    ({"beam": 2, "length_penalty": -1}, "length_penalty must be a number, at least 0; got -1"),
])
def test_options_that_do_not_fit_a_beam_are_refused(options, message):
    vocab = Vocab("abc")
    model = sharp(vocab)
    with pytest.raises(ValueError, match="^" + message):
        generate(model, vocab, "a", 5, **options)
    with pytest.raises(ValueError, match="^" + message):
        Continuation(model, vocab, **options)


def test_more_samples_than_hypotheses_are_refused():
    vocab = Vocab("abc")
    with pytest.raises(ValueError, match=r"^num_samples must be at most the width of the beam, 3; got 4$"):
        generate_many(sharp(vocab), vocab, "a", 5, 4, beam=3)


def test_parameters_that_are_not_finite_are_an_error():
    vocab = Vocab("abc")
    model = sharp(vocab)
    model.dense.bias.set_data(np.array([numpy.nan] * len(vocab)))
    with pytest.raises(ValueError, match=r"^the model's logits must be finite numbers; got nan"):
        next(generate(model, vocab, "a", 5, beam=3))
