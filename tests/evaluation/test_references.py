"""The simple models equal an n-gram model that is written with dictionaries."""

import collections
import math

from gluon_deeprnn import TextData
from gluon_deeprnn.data import Records, Source, Stream, Windows, corpus
from gluon_deeprnn.evaluation import references
from gluon_deeprnn.evaluation.references import ngram_log_probs
import numpy
import pytest


class Counted:
    """A Witten-Bell n-gram model of sequences, each of which is predicted from its second token on."""

    def __init__(self, sequences, vocab_size, order):
        self.after, self.vocab_size, self.order = collections.defaultdict(collections.Counter), vocab_size, order
        for sequence in sequences:
            for i in range(1, len(sequence)):
                for n in range(min(i, order - 1) + 1):
                    self.after[tuple(sequence[i - n:i])][sequence[i]] += 1

    def probability(self, context, token, order):
        """p_order of the token after the context."""
        if order == 0:
            return 1 / self.vocab_size
        shorter = self.probability(context, token, order - 1)
        if order - 1 > len(context):
            return shorter
        after = self.after.get(tuple(context[len(context) - order + 1:]))
        if after is None:
            return shorter
        return (after[token] + len(after) * shorter) / (sum(after.values()) + len(after))

    def log_probs(self, sequences, order):
        """log p_order of all predicted tokens."""
        return [math.log(self.probability(sequence[:i], sequence[i], order))
                for sequence in sequences for i in range(1, len(sequence))]

    def perplexity(self, sequences, order):
        """The perplexity of the model of an order."""
        found = self.log_probs(sequences, order)
        return math.exp(-math.fsum(found) / len(found))


def random_texts(seed):
    """The tokens of a training and of a held-out text, and the size of the vocabulary: 2 to 40."""
    rng = numpy.random.default_rng(seed)
    vocab_size = [2, 3, 5, 40][seed % 4]
    return [rng.integers(0, vocab_size, rng.integers(2, length)).astype("int32") for length in (90, 50)], vocab_size


@pytest.mark.parametrize("seed", range(20))
def test_the_log_probabilities_of_every_order_equal_those_of_a_model_of_dictionaries(seed):
    (train, text), vocab_size = random_texts(seed)
    found = ngram_log_probs(train, text, vocab_size, 6)
    model = Counted([train.tolist()], vocab_size, 6)
    for order, row in enumerate(found):
        numpy.testing.assert_allclose(row, model.log_probs([text.tolist()], order), rtol=1e-12)


@pytest.mark.parametrize("num_tokens", [300, 20_000])  # the counts are sorted, or in a table
def test_every_distribution_sums_to_one(num_tokens):
    train, vocab_size = numpy.random.default_rng(num_tokens).integers(0, 7, num_tokens), 8  # one token never occurs
    total = 0
    for last in range(vocab_size):
        text = numpy.append(train[:4], last)
        total = total + numpy.exp(ngram_log_probs(train, text, vocab_size, 5)[:, -1])
    numpy.testing.assert_allclose(total, 1, rtol=1e-12)


def test_the_perplexities_of_an_array_and_of_a_stream_are_those_of_its_tokens():
    (train, text), vocab_size = random_texts(6)
    model = Counted([train.tolist()], vocab_size, 3)
    stream = Stream(text, batch_size=1, num_steps=7)
    for found in (references(train, each, vocab_size, order=3) for each in (text, stream)):
        assert found.uniform == pytest.approx(vocab_size, rel=1e-12)
        assert found.unigram == pytest.approx(model.perplexity([text.tolist()], 1), rel=1e-12)
        assert (found.ngram, found.order) == (pytest.approx(model.perplexity([text.tolist()], 3), rel=1e-12), 3)


@pytest.mark.parametrize(("num_steps", "order"), [(1, 4), (2, 4), (9, 4), (3, 1), (3, 2)])
def test_in_windows_every_target_is_predicted_from_its_window(num_steps, order):
    tokens = numpy.random.default_rng(5).integers(0, 4, 300)
    train = Windows(tokens, 0, 150, batch_size=32, num_steps=num_steps, shuffle=True)
    windows = Windows(tokens, 150, 40, batch_size=16, num_steps=num_steps)
    model = Counted([tokens[:150 + num_steps].tolist()], 4, order)
    sequences = [column.tolist() for x, y in windows for column in numpy.concatenate([x, y[-1:]]).T]
    assert len(sequences) == 40
    assert references(train, windows, 4, order=order).ngram == pytest.approx(
        model.perplexity(sequences, order), rel=1e-12)


def test_records_are_predicted_one_by_one_from_their_beginning():
    begin, end = 0, 1
    records = [[[begin, *numpy.random.default_rng([seed, i]).integers(2, 6, 1 + i % 5).tolist(), end]
                for i in range(number)] for seed, number in ((1, 30), (2, 12))]
    train, text = (Records(numpy.concatenate(each).astype("int32"), begin, batch_size=4, num_steps=3)
                   for each in records)
    found = references(train, text, 6, order=4)
    model = Counted(records[0], 6, 4)
    assert found.unigram == pytest.approx(model.perplexity(records[1], 1), rel=1e-12)
    assert found.ngram == pytest.approx(model.perplexity(records[1], 4), rel=1e-12)
    counted = sum(len(record) - 1 for record in records[1])
    assert counted == text.num_tokens


def test_the_order_is_the_best_of_one_to_eight_on_the_validation_text():
    text = corpus("python-docs").text[:40_000]
    data = TextData([Source("text", text, "")], 16, 16, protocol="book")
    train, validation, test = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    size = len(data.vocab)
    on_validation = [references(train, validation, size, order=order).ngram for order in range(1, 9)]
    found = references(train, test, size, validation=validation)
    assert found.order == 1 + int(numpy.argmin(on_validation))
    assert 1 < found.order < 8
    assert found == references(train, test, size, order=found.order)
    assert references(train, validation, size).ngram == min(on_validation)
    assert found.ngram < 0.5 * found.unigram < 0.5 * found.uniform


def test_tokens_in_random_order_are_predicted_best_by_the_unigram_model():
    tokens = numpy.random.default_rng(3).choice(9, size=4000, p=numpy.arange(1, 10) / 45)
    found = references(tokens[:3000], tokens[3000:], 9)
    assert (found.order, found.ngram) == (1, found.unigram)
    shares = numpy.arange(1, 10) / 45
    assert found.unigram == pytest.approx(numpy.exp(-(shares * numpy.log(shares)).sum()), rel=0.02)
    assert str(found) == f"9.00 uniform, {found.unigram:.2f} unigram (perplexity)"


def test_the_time_machine_has_the_measured_bits_per_character(real_text):
    """2.032 with the best order, 5, on the last 17,343 characters; that model had no unknown token, ours has one."""
    source = Source("time-machine", real_text("timemachine.txt").read_text(encoding="utf-8"), "")
    data = TextData([source], 16, 16, protocol="book", cleaning="d2l")
    train = numpy.concatenate([data.indices("train"), data.indices("val")])
    test = data.indices("test")
    assert (len(test), len(data.vocab)) == (17343, 28)
    found = references(train, test, 28)
    assert found.order == 5
    assert math.log2(found.ngram) == pytest.approx(2.032, abs=0.001)
    assert math.log2(references(train, test, 27 + 1, order=4).ngram) > math.log2(found.ngram)


@pytest.mark.parametrize(("arguments", "message"), [
    (([0, 1], [0, 1], 2), "train must be an array of integers, or a batch source: Windows, Stream or Records; got"),
    ((numpy.array([0, 1]), numpy.array([0, 2]), 2), "text must be indices from 0 to 1; got 0 to 2"),
    ((numpy.array([0, 1]), numpy.array([0]), 2), "text must be at least 2 tokens long; got 1 tokens"),
    ((numpy.zeros((2, 2), dtype=int), numpy.array([0, 1]), 2), r"train must be an array of shape \(any\); got"),
])
def test_texts_that_cannot_be_read_are_refused(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        references(*arguments)
