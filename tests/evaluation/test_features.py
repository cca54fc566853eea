"""The features of a text, each against what it has to be at every character."""

import math

from gluon_deeprnn.evaluation import features
from gluon_deeprnn.evaluation.features import FEATURES, feature
from hypothesis import given
from hypothesis import strategies as st
import pytest

# For each feature a text and the value of each of its characters; "." is 0.
CASES = [
    ("inside quotes", 'say "no" to', "....111...."), ("inside quotes", "“a” «b»", "11..11."),
    ("inside quotes", "“a\nb\n\nc", "11111.."),
    ("inside parentheses", "a(b[c]d)e", ".111111.."), ("depth of parentheses", "a(b[c]d))e", ".112211..."),
    ("position in the line", "ab\ncd\n\ne", "12.12..1"), ("position in the word", "it's a cat", "1234.1.123"),
    ("position in the word", "नदी में", "122.111"), ("position in the word", "o\u0323ro\u0323\u0300", "112333"),
    ("length of the word", "it's a cat", "4444.1.333"), ("length of the word", "क्\u200dय मी", "2222.11"),
    ("in a capitalised word", "The cat Sat", "111.....111"),
    ("in a capitalised word", "O\u0323\u0300ro oro", "11111...."),
    ("in a word of capitals", "The CAT I", ".....11.."), ("in a word of capitals", "E\u0323\u0301E\u0323 a", "...1..."),
    ("at a capital letter", "The CAT I", "1...111.1"),
    ("at a vowel", "École: a y", "1.1.1..1.."), ("at a syllable with a final consonant", "봄이 한강ㄱ", "1..11."),
    ("at a digit", "a 10x", "..11."), ("at a punctuation mark", "a, b + “c”", ".1...1.1.1"),
    ("at white space", "a b\tc\n", ".1.1.1"), ("at a line break", "a b\n\nc", "...11."),
    ("before white space", "an b\n\nc", ".1.1..."), ("at the second of two equal letters", "look  11", "..1....."),
    ("at the second of two equal letters", "e\u0323\u0301e\u0323 क्क", "...1....1"),
    ("lines since the last blank line", "a\nb\n\nc\nd", ".112..11"),
    ("indentation of the line", "a\n  b c\n\td", "..12222.44"),
]


@pytest.mark.parametrize(("name", "text", "expected"), CASES)
def test_a_feature_has_the_expected_value_at_each_character(name, text, expected):
    assert "".join("." if value == 0 else f"{value:g}" for value in FEATURES[name](text)) == expected


@pytest.mark.parametrize("name", ["distance from the end of the last sentence", "distance from the last comma"])
def test_distances_are_logarithms(name):
    assert FEATURES[name]("ab. c,d") == pytest.approx([math.log1p(distance) for distance in (
        (1, 2, 0, 1, 2, 3, 4) if "sentence" in name else (1, 2, 0, 1, 2, 0, 1))])


def test_every_feature_is_tested():
    tested = {name for name, _, _ in CASES}
    assert FEATURES.keys() - tested == {"distance from the end of the last sentence", "distance from the last comma"}


@given(st.text())
def test_a_feature_has_one_number_for_each_character(text):
    for name, function in FEATURES.items():
        values = function(text)
        assert len(values) == len(text), name
        assert all(isinstance(value, float) and math.isfinite(value) for value in values), name


def test_a_new_feature_is_entered_by_its_name(monkeypatch):
    monkeypatch.setattr(features, "FEATURES", {})

    @feature("at an x")
    def at_an_x(text):
        return [float(character == "x") for character in text]

    assert features.FEATURES["at an x"]("ax") == [0.0, 1.0] == at_an_x("ax")
