import itertools

from gluon_deeprnn import GRU, RNNLM, TextData, Vocab, generate
from gluon_deeprnn.data import Source
from gluon_deeprnn.generation import RunLimit, TrainingText, copies, generate_many
from gluon_deeprnn.generation.copies import CopiedRun, CopyReport
import hypothesis
from hypothesis import strategies as st
import mxnet
import numpy
import pytest

LETTERS = "abc"
VOCAB = Vocab(LETTERS, boundaries=True)
LONG = st.text(alphabet=LETTERS, max_size=60)
UNKNOWN, BEGIN, END = VOCAB.unknown_index, VOCAB.begin_index, VOCAB.end_index


def encoded(text):
    return VOCAB.encode(list(text))


def records(texts):
    """Records as run data has them: each from its beginning to its end token."""
    return numpy.array([token for text in texts for token in (BEGIN, *encoded(text), END)], dtype="int32")


def longest_by_hand(text, trained_on):
    runs = [(end - start, start, end) for start in range(len(text)) for end in range(start + 1, len(text) + 1)
            if any(text[start:end] in record for record in trained_on)]
    return max(runs, key=lambda run: (run[0], -run[1]), default=(0, 0, 0))


@hypothesis.given(LONG, LONG)
@hypothesis.example("abcab" * 12, "cab" + "abcab" * 9 + "cc")
@hypothesis.example("a" * 60, "b" + "a" * 59)
@hypothesis.example("abcabcabcabcabcabcabc" + "cc" + "abcabcabcabcabcabcabcab", "abcabcabcabcabcabcabcabcabc")
def test_the_longest_run_is_the_longest_part_in_the_training_text(trained_on, text):
    run = TrainingText(encoded(trained_on), VOCAB).longest_run(encoded(text))
    length, start, end = longest_by_hand(text, [trained_on])
    assert (run.length, run.start, run.text) == (length, start, text[start:end])
    assert run.text in trained_on
    assert trained_on[run.place:run.place + length] == run.text


@hypothesis.given(st.lists(LONG, max_size=4), LONG)
def test_no_run_crosses_the_boundary_of_two_records(trained_on, text):
    training = TrainingText(records(trained_on), VOCAB)
    run = training.longest_run(encoded(text))
    length, start, end = longest_by_hand(text, trained_on)
    assert (run.length, run.start, run.text) == (length, start, text[start:end])
    assert records(trained_on)[run.place:run.place + length].tolist() == encoded(run.text).tolist()
    together = training.longest_run(records([text, text]))
    assert together.length == length


@hypothesis.given(st.lists(LONG, max_size=4), st.lists(LONG, max_size=4), st.integers(1, 13))
def test_the_share_is_that_of_the_ngrams_in_the_training_text(trained_on, texts, n):
    training = TrainingText(records(trained_on), VOCAB)
    ngrams = [text[i:i + n] for text in texts for i in range(len(text) - n + 1)]
    expected = [any(ngram in record for record in trained_on) for ngram in ngrams]
    share = training.share([encoded(text) for text in texts], n)
    assert share == (pytest.approx(sum(expected) / len(expected)) if expected else None)
    assert training.share([records(texts)], n) == share  # held-out records are one sequence


@hypothesis.given(LONG, LONG, st.integers(1, 8))
def test_what_is_excluded_is_what_would_make_a_longer_run(trained_on, text, length):
    limit = TrainingText(encoded(trained_on), VOCAB).limit(length)
    last = text[-length:]
    expected = [letter for letter in LETTERS if len(last) == length and last + letter in trained_on]
    assert sorted(VOCAB.to_tokens(limit.excluded(encoded(text)))) == expected


def test_an_unknown_token_equals_no_other():
    unknown = numpy.array([UNKNOWN] * 5, dtype="int32")
    training = TrainingText(numpy.concatenate([encoded("ab"), unknown, encoded("ca")]), VOCAB)
    text = numpy.concatenate([encoded("ab"), unknown])
    assert training.longest_run(text).length == 2
    assert training.share([text], 1) == pytest.approx(2 / 7)
    assert training.limit(2).excluded(encoded("ab")).tolist() == []


def test_the_place_of_a_run_is_that_in_the_training_text():
    trained_on = "aabbcc" * 5 + "abcacb" + "aabbcc" * 5
    run = TrainingText(encoded(trained_on), VOCAB).longest_run(encoded("bbbabcacba"))
    assert (run.length, run.text, run.start, run.place) == (7, "abcacba", 3, 30)


@pytest.mark.parametrize("places", [1, 3, 4096])
def test_runs_of_a_text_that_repeats_itself_are_found_without_following_every_place(places, monkeypatch):
    monkeypatch.setattr(copies, "_PLACES", places)
    trained_on = "abc" * 3000 + "b" + "abc" * 50 + "a"
    training = TrainingText(encoded(trained_on), VOCAB)
    for text in ("abc" * 100, "abc" * 60 + "b" + "abc" * 40 + "aa", "bb" + "abc" * 3000 + "babc"):
        length = max(size for size in range(1, len(text) + 1)
                     if any(text[i:i + size] in trained_on for i in range(len(text) - size + 1)))
        assert training.longest_run(encoded(text)).length == length


def data_of(text, **options):
    return TextData([Source("text", text, "0" * 40)], 4, 8, cleaning="none", **options)


FOX = "The quick brown fox jumps over the lazy dog. " * 20


def test_the_training_text_of_windows_is_their_span():
    data = data_of(FOX, num_train=50, num_val=30)
    assert "".join(data.vocab.to_tokens(data.indices("train"))) == FOX[:58]
    assert "".join(data.vocab.to_tokens(data.indices("val"))) == FOX[58:88]
    windows = numpy.concatenate([block for x, y in data.train_dataloader() for block in (x, y)], axis=1)  # (T, N)
    texts = {"".join(data.vocab.to_tokens(window)) for window in windows.T}
    assert set("".join(texts)) == set(FOX[:58])
    assert all(text in FOX[:58] for text in texts)
    assert FOX[50:58] in texts
    run = TrainingText.of(data).longest_run(data.vocab.encode(list(FOX[50:70])))
    assert (run.text, run.place) == (FOX[50:70], 5)


def test_the_training_text_of_the_book_protocol_is_its_training_part():
    data = data_of(FOX, protocol="book")
    parts = [data.indices(part) for part in ("train", "val", "test")]
    assert "".join(data.vocab.text(numpy.concatenate(parts))) == FOX
    report = TrainingText.of(data).report([data.vocab.encode(list("jumps over the lazy cat"))])
    assert report.longest.text == "jumps over the lazy "
    assert report.shares == {12: 9 / 12, 20: 1 / 4}
    assert report.held_out == {12: 1.0, 20: 1.0}


@pytest.mark.parametrize(("protocol", "part", "message"), [
    ("d2l", "test", "part must be one of train, val; got 'test'"),
    ("book", "all", "part must be one of train, val, test; got 'all'")])
def test_a_part_that_the_data_does_not_have_is_refused(protocol, part, message):
    with pytest.raises(ValueError, match="^" + message):
        data_of(FOX, protocol=protocol).indices(part)


@pytest.mark.parametrize(("report", "text"), [
    (CopyReport(CopiedRun(23, 4, 10_233, "the lazy dog. The quick"), {12: 0.411, 20: 0.03}, {12: 0.38, 20: 0.02},
                "characters"),
     "longest copied sequence: 23 characters ('the lazy dog. The quick', at 10,233 in the training text); 12-grams "
     "that are "
     "in the training text: 41% (held-out text: 38%); 20-grams: 3% (2%)"),
    (CopyReport(CopiedRun(2, 0, 0, "é\n"), {12: 0.0}, {}, "words"),
     "longest copied sequence: 2 words ('é\\n', at 0 in the training text); 12-grams that are in the training text: "
     "0%; "
     "20-grams: the text has none"),
    (CopyReport(CopiedRun(0, 0, 0, ""), {}, {12: 1.0, 20: 1.0}, "tokens"),
     "longest copied sequence: 0 tokens; 12-grams that are in the training text: the text has none (held-out text: "
     "100%); "
     "20-grams: the text has none (100%)"),
    (CopyReport(CopiedRun(100, 0, 7, "a" * 50 + "b" * 50), {12: 1.0, 20: 1.0}, {}, "bytes"),
     f"longest copied sequence: 100 bytes ('{'a' * 40} ... {'b' * 40}', at 7 in the training text); 12-grams that "
     f"are in "
     "the training text: 100%; 20-grams: 100%"),
])
def test_a_report_is_one_line(report, text):
    assert str(report) == text


@pytest.fixture(scope="module")
def model():
    mxnet.random.seed(3)
    made = RNNLM(GRU(12), len(VOCAB))
    for _, parameter in made.named_parameters():
        parameter.set_data(parameter.data() * 3)
    return made


WRITING = {
    "sampling": lambda *of, **options: ["".join(generate(*of, temperature=1.0, seed=3, **options))],
    "greedy": lambda *of, **options: ["".join(generate(*of, temperature=0, **options))],
    "filtered": lambda *of, **options: ["".join(generate(*of, top_k=2, top_p=0.9, min_p=0.01, **options))],
    "several": lambda *of, **options: generate_many(*of, 6, temperature=1.0, repetition_penalty=1.1, **options),
    "beam": lambda *of, **options: generate_many(*of, 3, beam=5, **options),
}


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("how", WRITING)
def test_no_run_is_longer_than_the_limit_in_any_way_of_writing(model, how, length):
    """The training text is what would be written without a limit."""
    free = WRITING[how](model, VOCAB, "abac", 60)
    trained_on = ["abac" + text for text in free]
    limit = TrainingText(records(trained_on), VOCAB).limit(length)
    for text in WRITING[how](model, VOCAB, "abac", 60, no_copy=limit):
        whole = "abac" + text
        ends = range(5, len(whole) + 1)  # of runs with a token that was generated
        copied = [whole[end - length - 1:end] for end in ends if end > length]
        assert not any(run in record for run in copied for record in trained_on), whole
        assert text not in free or len(text) < length


def test_where_nothing_would_be_copied_the_text_is_the_same(model):
    limit = TrainingText(encoded("abc"), VOCAB).limit(3)
    for options in ({"temperature": 1.0, "seed": 4}, {"top_p": 0.9}, {"beam": 3}):
        expected = list(generate(model, VOCAB, "ab", 50, **options))
        assert list(generate(model, VOCAB, "ab", 50, no_copy=limit, **options)) == expected


def test_the_frequencies_are_those_of_the_tokens_that_are_not_excluded():
    """Of a model that ignores its input: softmax over what is left."""
    vocab = Vocab("abcd")
    model = RNNLM(GRU(2), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 0)
    model.dense.bias.set_data(mxnet.np.array([0, 1.0, 0.5, 0, -0.5]))
    limit = TrainingText(vocab.encode(list("ab")), vocab).limit(1)  # no b after an a
    text = "".join(itertools.chain(*generate_many(model, vocab, "a", 100, 60, temperature=1.0, no_copy=limit)))
    p = dict(zip("abcd", numpy.exp([1.0, 0.5, 0, -0.5])))
    after = [second for first, second in zip(text, text[1:]) if first == "a"]
    left = p["a"] + p["c"] + p["d"]
    for letter in "acd":
        share = p[letter] / left
        sigma = (share * (1 - share) / len(after)) ** 0.5
        # Where one text ends and the next begins, the limit does not hold.
        assert abs(after.count(letter) / len(after) - share) < 4 * sigma + 60 / len(after)


def test_a_record_may_always_end(model):
    """The end of a record is no token of a run; so where no other token is left, the record ends."""
    pairs = "".join(first + second for first in LETTERS for second in LETTERS)
    limit = TrainingText(records([pairs]), VOCAB).limit(1)
    assert generate_many(model, VOCAB, "a", 9, 4, no_copy=limit) == [""] * 4


@pytest.mark.parametrize(("call", "message"), [
    (lambda model: TrainingText(encoded("ab"), "ab"), "vocab must be a Vocab"),
    (lambda model: TrainingText(numpy.array([99]), VOCAB), "tokens must be indices from 0 to 5; got 99 to 99"),
    (lambda model: TrainingText(encoded("ab"), VOCAB, numpy.array([-1])), "held_out must be indices from 0 to 5"),
    (lambda model: TrainingText.of("text"), r"data must be a TextData, such as run\.data\(\); got 'text'"),
    (lambda model: TrainingText(encoded("ab"), VOCAB).longest_run([7]), "text must be indices from 0 to 5; got 7 to 7"),
    (lambda model: TrainingText(encoded("ab"), VOCAB).share([[0.5]], 3), "text must be an array of integers"),
    (lambda model: TrainingText(encoded("ab"), VOCAB).share([[1]], 0), "n must be a positive integer; got 0"),
    (lambda model: TrainingText(encoded("ab"), VOCAB).limit(0), "length must be a positive integer; got 0"),
    (lambda model: RunLimit("ab", 3), "training must be a TrainingText; got 'ab'"),
    (lambda model: generate(model, VOCAB, "a", 3, no_copy=12), r"no_copy must be a RunLimit, such as .*; got 12"),
])
def test_bad_arguments_are_refused(model, call, message):
    with pytest.raises(ValueError, match="^" + message):
        call(model)
