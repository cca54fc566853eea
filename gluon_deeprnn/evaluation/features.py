"""Features of a text: for each position a number that has a name, such as the position in the line.

Each feature is a function from a text to one number for each of its characters, in ``FEATURES`` under its name.  The
number belongs to the moment after the character was read.  To add a feature, write such a function with the decorator
``feature("its name")``; a Korean name goes into ``gluon_deeprnn/plotting/labels.py``.
"""

import itertools
import math
from typing import Callable, Dict, Iterator, List, Tuple
import unicodedata

from gluon_deeprnn.data.words import WORD_OF_LETTERS
import regex

Feature = Callable[[str], List[float]]

FEATURES: Dict[str, Feature] = {}
"""The features by name."""

_PARAGRAPH = "\n\n"
_SENTENCE_ENDS = ".!?\u2026\u3002"
_WORD = regex.compile(WORD_OF_LETTERS)
_TAB = 4


def feature(name: str) -> Callable[[Feature], Feature]:
    r"""A decorator that enters a function into ``FEATURES``.

    Examples
    --------
    >>> from gluon_deeprnn.evaluation.features import FEATURES
    >>> FEATURES["inside quotes"]('a "b" c')
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    >>> FEATURES["position in the line"]('ab\ncd')
    [1.0, 2.0, 0.0, 1.0, 2.0]
    """
    def enter(function: Feature) -> Feature:
        FEATURES[name] = function
        return function

    return enter


@feature("inside quotes")
def _inside_quotes(text: str) -> List[float]:
    """Between double quotation marks; a blank line ends the quotation."""
    found, inside = [], False
    for i, character in enumerate(text):
        if character == '"':
            inside = not inside
        elif character in "“«„「『":
            inside = True
        elif character in "”»」』" or text.startswith(_PARAGRAPH, i - 1):
            inside = False
        found.append(float(inside))
    return found


@feature("inside parentheses")
def _inside_parentheses(text: str) -> List[float]:
    """Between ( and ), [ and ], or { and }, at any depth."""
    return [float(depth > 0) for depth in _depths(text, "([{", ")]}")]


@feature("depth of parentheses")
def _depth_of_parentheses(text: str) -> List[float]:
    """How many of ( [ { are not closed."""
    return [float(depth) for depth in _depths(text, "([{", ")]}")]


def _depths(text: str, opening: str, closing: str) -> Iterator[int]:
    depth = 0
    for i, character in enumerate(text):
        if character in opening:
            depth += 1
        elif character in closing:
            depth = max(0, depth - 1)
        elif text.startswith(_PARAGRAPH, i - 1):
            depth = 0
        yield depth


@feature("position in the line")
def _position_in_the_line(text: str) -> List[float]:
    """The number of characters since the line break."""
    return _since(text, lambda character: character == "\n")


@feature("position in the word")
def _position_in_the_word(text: str) -> List[float]:
    """The number of letters of the present word so far; 0 outside a word."""
    return _in_words(text, lambda word: [float(count) for count in itertools.accumulate(map(_is_letter, word))])


@feature("length of the word")
def _length_of_the_word(text: str) -> List[float]:
    """The number of letters of the whole present word; 0 outside a word."""
    return _in_words(text, lambda word: [float(sum(map(_is_letter, word)))] * len(word))


@feature("in a capitalised word")
def _in_a_capitalised_word(text: str) -> List[float]:
    """In a word that begins with a capital letter."""
    return _in_words(text, lambda word: [float(word[0].isupper())] * len(word))


@feature("in a word of capitals")
def _in_a_word_of_capitals(text: str) -> List[float]:
    """At a capital letter after a capital letter."""
    return [float(character.isupper() and before.isupper()) for before, character in _with_the_one_before(text)]


@feature("at a capital letter")
def _at_a_capital_letter(text: str) -> List[float]:
    """At a capital letter."""
    return [float(character.isupper()) for character in text]


@feature("at a vowel")
def _at_a_vowel(text: str) -> List[float]:
    """At one of the Latin letters a, e, i, o and u, also with an accent."""
    return [float(unicodedata.normalize("NFD", character)[0] in "aeiouAEIOU") for character in text]


@feature("at a syllable with a final consonant")
def _at_a_final_consonant(text: str) -> List[float]:
    """At a syllable of Hangul that ends with a consonant."""
    return [float("가" <= character <= "힣" and (ord(character) - ord("가")) % 28 > 0) for character in text]


@feature("at a digit")
def _at_a_digit(text: str) -> List[float]:
    """At a digit."""
    return [float(character.isdigit()) for character in text]


@feature("at a punctuation mark")
def _at_a_punctuation_mark(text: str) -> List[float]:
    """At a punctuation mark or a symbol."""
    return [float(unicodedata.category(character)[0] in "PS") for character in text]


@feature("at white space")
def _at_white_space(text: str) -> List[float]:
    """At a space, a tab or a line break."""
    return [float(character.isspace()) for character in text]


@feature("at a line break")
def _at_a_line_break(text: str) -> List[float]:
    """At a line break."""
    return [float(character == "\n") for character in text]


@feature("before white space")
def _before_white_space(text: str) -> List[float]:
    """At the last character before white space, which the model has not read yet."""
    return [*(float(not a.isspace() and b.isspace()) for a, b in zip(text, text[1:])), 0.0][:len(text)]


@feature("at the second of two equal letters")
def _at_the_second_of_two_equal_letters(text: str) -> List[float]:
    """At a letter that is equal to the one before it."""
    return [float(character == before and character.isalpha()) for before, character in _with_the_one_before(text)]


@feature("distance from the end of the last sentence")
def _distance_from_the_last_sentence(text: str) -> List[float]:
    """The logarithm of 1 + the number of characters since a full stop, an exclamation mark or a question mark."""
    return [math.log1p(distance) for distance in _since(text, lambda character: character in _SENTENCE_ENDS)]


@feature("distance from the last comma")
def _distance_from_the_last_comma(text: str) -> List[float]:
    """The logarithm of 1 + the number of characters since a comma, or a mark that ends a sentence."""
    return [math.log1p(distance) for distance in _since(text, lambda character: character in ",;:" + _SENTENCE_ENDS)]


@feature("lines since the last blank line")
def _lines_since_the_last_blank_line(text: str) -> List[float]:
    """The number of line breaks since the last blank line."""
    found, lines = [], 0
    for i, character in enumerate(text):
        if character == "\n":
            lines = 0 if text.startswith(_PARAGRAPH, i - 1) else lines + 1
        found.append(float(lines))
    return found


@feature("indentation of the line")
def _indentation(text: str) -> List[float]:
    """The number of spaces at the beginning of the line, so far; a tab counts as four."""
    found, width, begins = [], 0, True
    for character in text:
        if character == "\n":
            width, begins = 0, True
        elif begins and character in " \t":
            width += _TAB if character == "\t" else 1
        else:
            begins = False
        found.append(float(width))
    return found


def _since(text: str, is_end: Callable[[str], bool]) -> List[float]:
    """The number of characters since the last one that ``is_end``, or since the beginning of the text."""
    found, distance = [], 0
    for character in text:
        distance = 0 if is_end(character) else distance + 1
        found.append(float(distance))
    return found


def _in_words(text: str, values: Callable[[str], List[float]]) -> List[float]:
    """The values of the characters of each word; 0 outside words."""
    found = [0.0] * len(text)
    for word in _WORD.finditer(text):
        found[word.start():word.end()] = values(word[0])
    return found


def _is_letter(character: str) -> bool:
    """Whether a character of a word counts as a letter of it: marks and joiners belong to the letter before them."""
    return unicodedata.category(character)[0] not in "MC"


def _with_the_one_before(text: str) -> Iterator[Tuple[str, str]]:
    """Each character, after the last one before it that is no mark; the first one after an empty string."""
    before = ""
    for character in text:
        yield before, character
        if unicodedata.category(character)[0] != "M":
            before = character
