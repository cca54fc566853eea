"""Counts in sorted arrays are those of a dictionary."""

import collections

from gluon_deeprnn.prediction.contexts import contexts_of
from gluon_deeprnn.prediction.counts import Counts, Pairs
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy
import pytest

PAIRS = st.lists(st.one_of(st.integers(0, 9), st.integers(2**64 - 10, 2**64 - 1)), max_size=40)


@settings(max_examples=60, deadline=None)
@given(st.lists(PAIRS, min_size=1, max_size=5))
def test_what_is_counted_in_parts_is_what_a_dictionary_counts(parts):
    counts, expected = Counts.of(numpy.array(parts[0], dtype="uint64")), collections.Counter(parts[0])
    for part in parts[1:]:
        counts = counts.and_of(numpy.array(part, dtype="uint64"))
        expected.update(part)
    assert list(zip(counts.pairs.tolist(), counts.counts.tolist())) == sorted(expected.items())
    assert (counts.pairs.dtype, counts.counts.dtype) == ("uint64", "int32")


def test_parts_in_ascending_order_are_counted_into_one_array():
    parts = [numpy.array(part, dtype="uint64") for part in ([3, 1, 3], [], [7, 9, 7, 9])]
    counts = Counts.of_parts(parts, most=7)
    assert (counts.pairs.tolist(), counts.counts.tolist()) == ([1, 3, 7, 9], [1, 2, 2, 2])


@pytest.mark.parametrize("vocab_size", [1, 2, 100, 128, 129, 20_000, 2**20])
def test_pairs_keep_kind_and_token_apart_and_most_of_the_context(vocab_size):
    pairs, rng = Pairs(vocab_size), numpy.random.default_rng(0)
    numbers = rng.integers(0, 2**64, 50, dtype="uint64")
    keys = [pairs.key(kind, int(number)) for kind in range(13) for number in numbers]
    assert keys == [int(key) for kind in range(13) for key in pairs.key(kind, numbers)]
    assert len({key + token for key in keys for token in {0, vocab_size // 2, vocab_size - 1}}) \
        == len(keys) * len({0, vocab_size // 2, vocab_size - 1})
    bounds = pairs.bounds(keys).tolist()
    for key, first, end in zip(keys, bounds, bounds[len(keys):]):
        assert first == key
        assert key + vocab_size - 1 < end
        assert not any(first <= other < end for other in keys if other != key)


def test_the_contexts_of_a_long_text_stay_different_in_the_bits_of_a_pair():
    """100,000 tokens have as many different contexts by 45 bits as by 64."""
    text = numpy.random.default_rng(1).integers(0, 20_000, 100_000) // 200
    pairs = Pairs(20_000)
    for kind, numbers in enumerate(contexts_of(text, [1] * 100)):
        assert len(numpy.unique(pairs.key(kind, numbers))) == len(numpy.unique(numbers))
