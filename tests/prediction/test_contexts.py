"""Counts of the tokens after each context."""

from gluon_deeprnn.prediction.contexts import ContextCounts
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy
import pytest

TEXTS = st.lists(st.integers(0, 2), max_size=60)


def counted(text, context, vocab_size):
    """What has followed a context in a text, by looking everywhere."""
    k, found = len(context), numpy.zeros(vocab_size)
    for i in range(k, len(text)):
        if text[i - k:i] == context:
            found[text[i]] += 1
    return found


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS, st.integers(0, 5))
def test_counts_are_those_found_by_looking_everywhere(text, more, order):
    counts = ContextCounts(numpy.array(text, dtype="int32"), 3, order)
    for i, token in enumerate(more):
        rows = counts.rows()
        expected = [counted(text, more[i - k:i], 3) + counted(more[:i], more[i - k:i], 3)
                    for k in range(min(order, i) + 1)]
        assert len(rows) == max([0] + [k for k, row in enumerate(expected) if row.any()]) + 1
        assert (rows == expected[:len(rows)]).all()
        counts.add(token)


@pytest.mark.parametrize("vocab_size", [2, 65, 300, 70_000])
def test_contexts_longer_than_a_word_of_64_bits_are_told_apart(vocab_size):
    text = numpy.random.default_rng(0).integers(0, vocab_size, 400)
    twice = numpy.concatenate([text, [vocab_size - 1], text[50:90], [0]]).astype("int32")
    counts = ContextCounts(twice, vocab_size, 30)
    for token in text[50:90]:
        counts.add(int(token))
    row = counts.rows()[-1]
    assert len(counts.rows()) == 31
    assert row[text[90]] == row[0] == 1 or text[90] == 0
    assert row.sum() == 2


@pytest.mark.parametrize(("arguments", "message"), [
    (([0, 3], 3, 2), "tokens must be"),
    (([0], 0, 2), "vocab_size must be a positive integer; got 0"),
    (([0], 3, -1), "order must be a non-negative integer; got -1"),
    (([0], 3, 33), "order must be at most 32; got 33"),
])
def test_wrong_arguments_are_refused(arguments, message):
    tokens, *rest = arguments
    with pytest.raises(ValueError, match=message):
        ContextCounts(numpy.array(tokens, dtype="int32"), *rest)
