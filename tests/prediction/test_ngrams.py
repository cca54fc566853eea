"""n-grams of several kinds of contexts that go on counting."""

from gluon_deeprnn.prediction import NGrams
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
    ngrams, counted = NGrams(text, LETTERS), places(text)
    for contexts, token in places(new):
        found = ngrams.distributions()
        numpy.testing.assert_allclose(found, by_definition(counted, contexts), rtol=1e-12)
        numpy.testing.assert_allclose(found.sum(1), 1, rtol=1e-12)
        ngrams.observe(token)
        counted.append((contexts, token))


def test_nothing_counted_is_the_uniform_distribution():
    numpy.testing.assert_allclose(NGrams([], LETTERS).distributions(), 0.25)


@pytest.mark.parametrize(("arguments", "message"), [
    (([4], LETTERS), "tokens must be"),
    (([0], []), "the size of the vocabulary must be a positive integer; got 0"),
    (([0], [0] * 1025), "the vocabulary must be of at most 1,024 tokens, such as characters or bytes; got 1,025"),
])
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        NGrams(*arguments)
