"""Contexts of tokens, as numbers."""

from gluon_deeprnn.prediction.contexts import LOWER, NUM_OF_WORDS, ORDERS, Contexts, contexts_of
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy

LETTERS = [0, 1, 2, 1, 0]  # tokens 1 and 3 are the same letter; 0 and 4 are between words


def described(text, letters):
    """The contexts of the token after a text, as tuples."""
    words, word = [], ()
    for token in text:
        if letters[token]:
            word += (letters[token],)
        elif word:
            words, word = [*words, word], ()
    before, second = ([(), (), *words])[-1], ([(), (), *words])[-2]
    return [tuple(text[max(0, len(text) - order):]) for order in ORDERS] + [
        word, (word, before), (word, second, 1), (word, before, second, 2)]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=60))
def test_numbers_are_the_same_exactly_where_the_contexts_are(text):
    contexts, found = Contexts(LETTERS), [{} for _ in LOWER]
    for i in range(len(text) + 1):
        for kind, number, context in zip(found, contexts.numbers(), described(text[:i], LETTERS)):
            assert kind.setdefault(context, number) == number
        if i < len(text):
            contexts.add(text[i])
    for kind in found:
        assert len(set(kind.values())) == len(kind)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=60))
def test_the_contexts_of_a_whole_text_are_those_one_after_the_other(text):
    contexts, whole = Contexts(LETTERS), contexts_of(numpy.array(text, dtype="int32"), LETTERS)
    assert len(whole) == len(ORDERS) + NUM_OF_WORDS
    for i, token in enumerate(text):
        assert contexts.numbers() == [int(numbers[i]) for numbers in whole]
        contexts.add(token)
