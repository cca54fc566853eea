"""The spelling of unknown tokens is a code: no probability is given twice, and every token has some."""

import itertools
import json
import math

from gluon_deeprnn import Vocab
from gluon_deeprnn.data.spelling import NUM_CODE_POINTS, Spelling
from hypothesis import given
from hypothesis import strategies as st
import pytest


@given(st.dictionaries(st.text(max_size=6), st.integers(1, 1000), max_size=20), st.text(max_size=8))
def test_the_probabilities_of_the_symbols_add_up_to_one_and_every_token_has_a_finite_code(counts, token):
    for spelling in (Spelling.of_tokens(counts), Spelling.of_characters(counts, "aeiou")):
        assert math.fsum(spelling.probabilities.values()) == pytest.approx(1, abs=1e-12)
        assert 0 <= spelling.nats(token) < 1000


def test_the_probabilities_of_all_words_add_up_to_less_than_one():
    spelling = Spelling.of_tokens({"ab": 3, "b": 5})
    total = math.fsum(math.exp(-spelling.nats("".join(word)))
                      for length in range(12) for word in itertools.product("ab", repeat=length))
    escaped = 2 / 21  # the probability of an escape: two characters among 13 and the 8 ends of the words
    assert total < 1
    assert total == pytest.approx(1 - escaped / (escaped + 8 / 21), abs=1e-3)  # words that end before any escape


def test_a_word_costs_its_characters_and_its_end():
    vocab = Vocab(["ab", "ab", "b"], kind="word")  # a 2, b 3, ends 3, escape 2 of 10
    assert vocab.spelling.nats("ba") == pytest.approx(-math.log(0.3 * 0.2 * 0.3))
    assert vocab.spelling.nats("c") == pytest.approx(-math.log(0.2 / NUM_CODE_POINTS * 0.3))


def test_a_character_that_the_training_text_lacks_is_one_of_all_code_points():
    assert Vocab("abc").spelling.nats("z") == pytest.approx(math.log(NUM_CODE_POINTS))


def test_a_rare_character_costs_less_than_one_that_never_occurs():
    spelling = Vocab("aaabbbcc" + "d", min_freq=3).spelling  # c 2, d 1, escape 2 of 5; a and b are in the vocabulary
    assert spelling.nats("c") == pytest.approx(-math.log(2 / 5))
    assert spelling.nats("a") == pytest.approx(-math.log(2 / 5 / NUM_CODE_POINTS))


@pytest.mark.parametrize("kind", ["char", "word", "byte"])
def test_it_is_stored_with_the_vocabulary(kind):
    vocab = Vocab(Vocab(kind=kind).split("time and time again"), 2, kind=kind)
    assert Vocab.from_json(vocab.to_json()).spelling == vocab.spelling


@pytest.mark.parametrize(("kind", "text", "expected"), [
    ("char", "abba", Spelling({}, 0)), ("word", "ab ab b", Spelling({"a": 1, "b": 2}, 2))])
def test_in_a_vocabulary_of_an_earlier_version_each_token_counts_once(kind, text, expected):
    stored = json.loads(Vocab(Vocab(kind=kind).split(text), kind=kind).to_json())
    del stored["spelling"]
    assert Vocab.from_json(json.dumps(stored)).spelling == expected


@pytest.mark.parametrize("damaged", [
    {"characters": {"a": 0}, "ends": 1}, {"characters": {"ab": 1}, "ends": 1}, {"characters": [], "ends": 1},
    {"characters": {}, "ends": -1}, {"characters": {"a": 1.5}, "ends": 1}, {}, 3, None])
def test_a_damaged_spelling_is_refused(damaged):
    stored = json.loads(Vocab("abc").to_json())
    with pytest.raises(ValueError, match=r"^vocab.json must be a vocabulary that this package wrote; got "):
        Vocab.from_json(json.dumps({**stored, "spelling": damaged}))


def test_further_texts_are_added_and_what_becomes_known_is_spelled_no_more():
    old, new = Vocab("aaab", 2), Vocab("bbbc", 2)
    assert old.extended(new.idx_to_token, spelling=new.spelling).spelling == Spelling({"c": 1}, 0)
    words = Vocab(["ab"], kind="word").extended(["ba", "c"])
    assert words.spelling == Spelling({"a": 2, "b": 2, "c": 1}, 3)
