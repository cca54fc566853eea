"""n-grams of several kinds of contexts that go on counting."""

import tracemalloc

from gluon_deeprnn.prediction import NGrams, ngrams
from gluon_deeprnn.prediction.contexts import LOWER, Contexts
import numpy
import pytest

LETTERS = [0, 1, 2, 3]
DISCOUNT = 0.4


def places(text):
    """For each place of a text: the contexts before it, and its token."""
    contexts, found = Contexts(LETTERS), []
    for token in text:
        found.append((contexts.numbers(), token))
        contexts.add(token)
    return found


def by_definition(counted, present):
    """The distributions after contexts, from all places that were counted."""
    found = []
    for kind, (number, lower) in enumerate(zip(present, LOWER)):
        below = numpy.full(4, 0.25) if lower < 0 else found[lower]
        after = [token for contexts, token in counted if contexts[kind] == number]
        counts = numpy.bincount(after, minlength=4)
        if after:
            below = (numpy.maximum(counts - DISCOUNT, 0) + DISCOUNT * len(set(after)) * below) / len(after)
        found.append(below)
    return found


def test_distributions_are_those_of_the_definition():
    rng = numpy.random.default_rng(1)
    text, new = rng.integers(0, 4, 150).tolist(), rng.integers(0, 4, 60).tolist()
    counting, counted = NGrams(text, LETTERS), places(text)
    for contexts, token in places(new):
        found = counting.distributions()
        numpy.testing.assert_allclose(found, by_definition(counted, contexts), rtol=1e-12)
        numpy.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
        counting.observe(token)
        counted.append((contexts, token))


@pytest.mark.parametrize("limits", [{"_MOST_RECENT": 1}, {"_MOST_RECENT": 100},
                                    {"_TABLE_BYTES": 1, "_FEWEST_ROWS": 27}])
def test_distributions_are_the_same_however_small_the_table_is(monkeypatch, limits):
    rng = numpy.random.default_rng(1)
    text, new = rng.integers(0, 4, 150), rng.integers(0, 4, 200).tolist()
    expected, others = NGrams(text, LETTERS), rng.integers(0, 4, 200).tolist()
    found, contexts = NGrams(text, LETTERS), expected.no_context()
    emptied = []
    monkeypatch.setattr(found, "_empty_table", lambda: (emptied.append(1), NGrams._empty_table(found)))
    for token, other in zip(new, others):
        with monkeypatch.context() as patch:
            for name, value in limits.items():
                patch.setattr(ngrams, name, value)
            distributions = found.distributions(), found.distributions(found.following(contexts))
            found.observe(token)
        numpy.testing.assert_array_equal(distributions[0], expected.distributions())
        numpy.testing.assert_array_equal(distributions[1], expected.distributions(expected.following(contexts)))
        expected.observe(token)
        contexts.add(other)
    assert len(emptied) > 10


def test_a_copy_counts_for_itself():
    text, new = numpy.random.default_rng(1).integers(0, 4, (2, 150))
    first, expected = NGrams(text, LETTERS), NGrams(text, LETTERS)
    for token in new[:50].tolist():
        first.observe(token)
        expected.observe(token)
    other = first.copy()
    for token in new[50:].tolist():
        other.observe(token)
    numpy.testing.assert_array_equal(first.distributions(), expected.distributions())
    for token in new[50:].tolist():
        expected.observe(token)
    numpy.testing.assert_array_equal(other.distributions(), expected.distributions())


@pytest.mark.parametrize(("vocab_size", "num_counted", "num_read"), [
    (4, 30_000, 3000), (100, 100_000, 20_000), (2000, 20_000, 6000), (20_000, 20_000, 2000)])
def test_the_memory_of_what_has_never_been_seen_before_is_at_most_the_estimate(vocab_size, num_counted, num_read):
    """All contexts of random tokens are new: the most memory that there can be.  Dense rows take 4 V bytes each."""
    rng = numpy.random.default_rng(0)
    text, new = rng.integers(0, vocab_size, num_counted), rng.integers(0, vocab_size, num_read).tolist()
    tracemalloc.start()
    found = NGrams(text, range(vocab_size))
    for token in new:
        found.observe(token)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    estimate = NGrams.memory(vocab_size, num_counted, num_read)
    assert 0.3 * estimate < peak < estimate
    assert estimate < 150_000_000


def test_nothing_counted_is_the_uniform_distribution():
    numpy.testing.assert_allclose(NGrams([], LETTERS).distributions(), 0.25)


@pytest.mark.parametrize(("arguments", "message"), [
    (([4], LETTERS), "tokens must be"),
    (([0], []), "the size of the vocabulary must be a positive integer; got 0"),
    (([0], [0] * (2**20 + 1)), "the vocabulary must be of at most 1,048,576 tokens; got 1,048,577 tokens"),
])
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NGrams(*arguments)
