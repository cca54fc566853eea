import unicodedata

from gluon_deeprnn.data.cleaning import CLEANINGS, clean
from hypothesis import given
from hypothesis import strategies as st
import pytest


@given(st.text(), st.sampled_from(list(CLEANINGS)))
def test_cleaning_twice_is_cleaning_once(text, cleaning):
    once = clean(text, cleaning)
    assert clean(once, cleaning) == once


@given(st.text())
def test_d2l_cleaning_leaves_a_to_z_and_single_spaces(text):
    cleaned = clean(text)
    assert set(cleaned) <= set("abcdefghijklmnopqrstuvwxyz ")
    assert "  " not in cleaned


@given(st.text())
def test_unicode_cleaning_leaves_letters_marks_and_single_spaces(text):
    cleaned = clean(text, "unicode")
    assert {unicodedata.category(c)[0] for c in cleaned if c != " "} <= {"L", "M"}
    assert "  " not in cleaned


def test_decomposed_hangul_is_composed():
    assert clean(unicodedata.normalize("NFD", "김첨지, 1924년"), "unicode") == "김첨지 년"


def test_both_cleanings_agree_on_english():
    text = "'You must follow me carefully.' -- The Time Traveller, 1895\n"
    assert clean(text, "unicode") == clean(text, "d2l") == " you must follow me carefully the time traveller "


def test_unknown_names_are_refused_with_the_choices():
    with pytest.raises(ValueError, match=r"^cleaning must be one of none, d2l, unicode; got 'unicod' \(did you"):
        clean("x", "unicod")


def test_every_kind_of_cleaning_has_a_description():
    assert len(CLEANINGS) > 1
    assert all(cleaning.about for cleaning in CLEANINGS.values())


def test_an_uncleaned_text_keeps_its_capitals_punctuation_and_lines():
    text = "NAME:\n  \u201cEt tu?\u201d \u2013 42\u00a0%\r\n"
    assert clean(text, "none") == text
    assert clean("e\u0301", "none") == "\u00e9"
