"""What is done to a text before it is split into tokens.

Each kind of cleaning is one class with one instance in `CLEANINGS`, under the name that options, recipes and
``vocab.json`` use.  To add one, write a subclass of `Cleaning` and put an instance into `CLEANINGS`.
"""

import re
from typing import Dict
import unicodedata

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError


class Cleaning:
    """A function from text to text.

    Attributes
    ----------
    about : str
        What it keeps, in a few words, for ``--help``.
    """

    about = ""

    def __call__(self, text: str) -> str:
        """The cleaned text."""
        raise NotImplementedError


class Unchanged(Cleaning):
    """The text as it is, with capitals, punctuation and line ends; only composed (NFC)."""

    about = "everything"

    def __call__(self, text: str) -> str:
        """The text, composed."""
        return unicodedata.normalize("NFC", text)


class LatinLetters(Cleaning):
    """Letters A to Z in lower case; everything else becomes one space.

    Source
    ------
    Dive into Deep Learning, section "Converting Raw Text into Sequence Data".
    """

    about = "letters A-Z"

    def __call__(self, text: str) -> str:
        """The cleaned text."""
        return re.sub("[^A-Za-z]+", " ", text).lower()


class UnicodeLetters(Cleaning):
    """Letters of every script and their marks, composed (NFC), in lower case; everything else becomes one space."""

    about = "letters of every script"

    def __call__(self, text: str) -> str:
        """The cleaned text."""
        # Lower case can take a composed character apart ('İ' becomes two), and composing may make new capital letters
        # of none; one more round settles both.
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
        other = {ord(character): " " for character in set(text) if unicodedata.category(character)[0] not in "LM"}
        return re.sub(" +", " ", text.translate(other))


CLEANINGS: Dict[str, Cleaning] = {"none": Unchanged(), "d2l": LatinLetters(), "unicode": UnicodeLetters()}


def clean(text: str, cleaning: str = "d2l") -> str:
    """Clean a text before it is split into tokens.

    Parameters
    ----------
    text : str
        Any text.
    cleaning : {"none", "d2l", "unicode"}, default "d2l"
        ``none`` keeps everything and only composes characters (NFC).  ``d2l`` keeps the letters A to Z in lower case,
        ``unicode`` the letters of every script; everything else becomes one space.

    Returns
    -------
    str

    Examples
    --------
    >>> from gluon_deeprnn.data.cleaning import clean
    >>> clean("The Time-Machine, 1895!")
    'the time machine '
    >>> clean("운수 좋은 날, 1924", cleaning="unicode")
    '운수 좋은 날 '
    """
    _checks.one_of("cleaning", cleaning, CLEANINGS)
    if not isinstance(text, str):
        raise InputError("text", "a string", text)
    return CLEANINGS[cleaning](text)


def share_kept(text: str, cleaned: str) -> float:
    """How much of a text is left after cleaning: the share of its characters that are not white space.

    Examples
    --------
    >>> from gluon_deeprnn.data.cleaning import share_kept
    >>> share_kept("봄 강 a", " a"), share_kept("봄 강 a", "봄 강 a")
    (0.3333333333333333, 1.0)
    """
    whole = len("".join(unicodedata.normalize("NFC", text).split()))
    return len("".join(cleaned.split())) / whole if whole else 1.0
