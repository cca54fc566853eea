# ruff: noqa: RUF001
"""What a word is, in scripts with and without marks; and a character that belongs to no word."""

import random
import sys
import unicodedata

from gluon_deeprnn.data.words import CHARACTER, TOKEN, WORD
import pytest
import regex

WORDS = {
    "Hindi": "हिन्दी में नदी बहुत सुन्दर मेज़ न्\u200dयाय क्\u200cष १२३", "Tamil": "தமிழ் மொழி க்ஷ ஸ்ரீ கொ",
    "Malayalam": "മലയാളം അവന്\u200d കണ്ണ്", "Thai": "ที่นี่ น้ำ ภาษาไทย ๑๒", "Hebrew": "שָׁלוֹם בְּרֵאשִׁית צה״ל ג׳ון",
    "Arabic": "مُحَمَّدٌ رَسُولُ ٱللَّهِ ١٢ \u06dd١٢", "Persian": "می\u200cروم خانه\u200cها",
    "Yoruba": "e\u0323\u0300ko\u0323\u0301 o\u0323ba\u0300",
    "English": "don't rock'n'roll It\u2019s time_1 1924 caf\u00e9 \u00bd",
    "German": "Stra\u00dfe Donau\u00addampf\u00adschiff", "Korean": "운수 좋은 \u1112\u1161\u11ab",
    "Chinese": "我喜歡讀書",
}
CHARACTERS = [
    ".", "\u2019", "।", "👩\u200d👩\u200d👧", "❤\ufe0f", "👍\U0001f3fd", "🇰🇷", "#\ufe0f\u20e3",
    "\u0301\u0301", "\u200d", "\u00ad",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "!\u0301", "\ud83d", "\ufeff", "\u200b"]


@pytest.mark.parametrize("language", WORDS)
def test_a_word_with_its_marks_and_joiners_is_one_token_with_the_space_before_it(language):
    words = WORDS[language].split(" ")
    assert regex.findall(TOKEN, WORDS[language]) == [words[0], *(f" {word}" for word in words[1:])]
    assert all(regex.fullmatch(WORD, word) for word in words)


def test_what_is_no_word_is_divided_into_what_readers_see_as_one_character():
    for character in CHARACTERS:
        assert regex.fullmatch(CHARACTER, character)
        assert regex.findall(TOKEN, f"a {character} {character}\n") == ["a", f" {character}", f" {character}", "\n"]


@pytest.mark.parametrize(("text", "tokens"), [
    ("3.14, well-known", ["3", ".", "14", ",", " well", "-", "known"]), ("'a' b's'", ["'", "a", "'", " b's", "'"]),
    ("a\u00ad b", ["a", "\u00ad", " b"]), ("עמ׳ א", ["עמ", "׳", " א"]), ("한·미", ["한", "·", "미"]),
    ("1\ufe0f\u20e32\ufe0f\u20e3 3\u20e3a 12", ["1\ufe0f\u20e3", "2\ufe0f\u20e3", " 3\u20e3", "a", " 12"]),
    ("🇰🇷🇩🇪🇫", ["🇰🇷", "🇩🇪", "🇫"]), ("\r\n\t  a\u00a0\u0301", ["\r", "\n", "\t", " ", " a", "\u00a0", "\u0301"]),
    ("👩a\u0301👩", ["👩", "a\u0301", "👩"])])
def test_where_words_and_characters_end(text, tokens):
    assert regex.findall(TOKEN, text) == tokens


def test_every_single_character_is_a_token_and_so_nothing_of_a_text_is_lost():
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    split = regex.compile(TOKEN).findall
    assert "".join(split(everything)) == everything
    assert all(split(character) == [character] for character in everything)


def test_a_character_is_an_extended_grapheme_cluster_of_unicode():
    """Except that spacing marks of every script, and marks after control characters, belong to what is before them."""
    draw = random.Random(2)
    in_words = regex.compile(rf"{WORD}|\p{{White_Space}}").match
    others = [chr(code) for code in range(sys.maxunicode + 1) if not in_words(chr(code))
              and unicodedata.category(chr(code)) not in ("Cn", "Co", "Cs", "Cc", "Cf", "Mc")]
    split, clusters = regex.compile(TOKEN).findall, regex.compile(r"\X").findall
    emoji = [*filter(regex.compile(r"[\p{Emoji}\p{Mn}]").match, others), *"\u200d\u200c" * 200]
    for alphabet in (others, emoji, "👩👧👍\U0001f3fd🇰🇷❤\ufe0f\u200d\u200c!\u0301\u094d\U000e0067"):
        for length in range(1, 9):
            for _ in range(200):
                text = "".join(draw.choices(alphabet, k=length))
                assert split(text) == clusters(text), ascii(text)


@pytest.mark.parametrize("part", ["a1", "a\u0301", "我", "a'", "\u0301", "👩\u200d"])
def test_a_word_can_have_any_length(part):
    assert len(regex.findall(TOKEN, part * 10**6)) == (2 if part == "a'" else 1)
