"""Contexts of tokens, as numbers."""

from gluon_deeprnn.prediction.contexts import LOWER, NUM_OF_WORDS, ORDERS, Contexts, contexts_of, letters_of
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy
import pytest

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
    contexts, whole = Contexts(LETTERS), list(contexts_of(numpy.array(text, dtype="int32"), LETTERS))
    assert len(whole) == len(ORDERS) + NUM_OF_WORDS
    for i, token in enumerate(text):
        assert contexts.numbers() == [int(numbers[i]) for numbers in whole]
        contexts.add(token)


@pytest.mark.parametrize("character", ["a", "Z", "\u00e9", "\u03b1", "\u0416", "\ud55c", "\u1112", "\u5929",
                                       "\u0939", "\u0940", "\u094d", "\u0301", "\u05d0", "\u0627"])
def test_letters_and_the_marks_on_them_belong_to_words(character):
    assert letters_of(["<unk>", character]) == [0, 1]


@pytest.mark.parametrize("character", ["0", "7", "\u0667", "\u00b2", "\u201c", "\u201d", "\u2019", "\u2014", "\u2026",
                                       "\u3002", "\uff0c", "\u0964", "\u00d7", "\u20ac", "\u00a0", "\u3000",
                                       "\ufffd", " ", "\n", ".", "'", "_", "\U0001f600"])
def test_digits_punctuation_signs_and_spaces_are_between_words(character):
    assert letters_of([character, "a"]) == [0, 1]


def test_capitals_are_the_letters_that_they_are_capitals_of():
    assert letters_of(list("aA\u00e9\u00c9\u03b1\u0391b")) == [1, 1, 2, 2, 3, 3, 4]


def test_a_token_of_several_characters_is_no_letter():
    assert letters_of([" the", "the", "<unk>", "61"]) == [0, 0, 0, 0]


def test_bytes_are_letters_of_ascii_or_of_a_character_of_several_bytes():
    tokens = ["<unk>", *(f"{byte:02x}" for byte in range(256))]
    letters = dict(zip(tokens, letters_of(tokens, are_bytes=True)))
    assert letters["<unk>"] == 0
    assert {byte for byte in range(128) if letters[f"{byte:02x}"]} == {ord(each) for each in
                                                                      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}
    assert [letters[f"{ord(each):02x}"] for each in "abz"] == [letters[f"{ord(each):02x}"] for each in "ABZ"]
    assert len({letters[f"{byte:02x}"] for byte in range(128, 256)} - {0}) == 128


def test_punctuation_ends_a_word_in_every_script():
    """Of a Chinese text the word begins anew after a comma; with the comma as a letter it would never end."""
    vocab = "\u5929\u6c14\uff0c"
    contexts = Contexts(letters_of(list(vocab)))
    for token, length in zip([0, 1, 2, 0], [1, 2, 0, 1]):
        contexts.add(token)
        assert contexts.word_length == length
