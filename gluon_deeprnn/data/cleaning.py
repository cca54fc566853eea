"""Text cleaning before tokenization.

Each kind of cleaning is a class with one instance in ``CLEANINGS``, under the name used in options, recipes and
``vocab.json``.  To add one, write a subclass of ``Cleaning`` and add an instance to ``CLEANINGS``.
"""

import abc
import re
from typing import Dict, List
import unicodedata

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import Advice, Argument, Described, InputError

_LEAST_KEPT = 0.5


class Cleaning(abc.ABC):
    """A function from text to text.

    Attributes
    ----------
    about : str
        A short description of the kept characters, for ``--help``.
    """

    about = ""

    @abc.abstractmethod
    def __call__(self, text: str) -> str:
        """The cleaned text."""


class Unchanged(Cleaning):
    """The text as it is, with capitals, punctuation and line ends; only composed (NFC)."""

    about = "everything"

    def __call__(self, text: str) -> str:
        """The text, composed."""
        return unicodedata.normalize("NFC", text)


class LatinLetters(Cleaning):
    """Keep the letters A to Z, in lower case; replace every run of other characters by one space.

    Source
    ------
    Dive into Deep Learning, section "Converting Raw Text into Sequence Data".
    """

    about = "letters A-Z"

    def __call__(self, text: str) -> str:
        """The cleaned text."""
        return re.sub("[^A-Za-z]+", " ", text).lower()


class UnicodeLetters(Cleaning):
    """Keep letters and marks of every script, composed (NFC), in lower case; replace every other run by one space."""

    about = "letters of every script"

    def __call__(self, text: str) -> str:
        """The cleaned text."""
        # Lower-casing can decompose a character ('İ' becomes two), so the text is composed again; composing lower-case
        # characters yields no capital letters.
        text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
        other = {ord(character): " " for character in set(text) if unicodedata.category(character)[0] not in "LM"}
        return re.sub(" +", " ", text.translate(other))


CLEANINGS: Dict[str, Cleaning] = {"none": Unchanged(), "d2l": LatinLetters(), "unicode": UnicodeLetters()}


def clean(text: str, cleaning: str = "d2l") -> str:
    """Clean a text before tokenization.

    Parameters
    ----------
    text : str
        Any text.
    cleaning : {"none", "d2l", "unicode"}, default "d2l"
        ``none`` keeps everything and only composes characters (NFC).  ``d2l`` keeps the letters A to Z in lower case,
        ``unicode`` the letters of every script; each run of other characters is replaced by one space.

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
    """The fraction of a text's characters, not counting white space, that cleaning has kept.

    Examples
    --------
    >>> from gluon_deeprnn.data.cleaning import share_kept
    >>> share_kept("봄 강 a", " a"), share_kept("봄 강 a", "봄 강 a")
    (0.3333333333333333, 1.0)
    """
    whole = len("".join(unicodedata.normalize("NFC", text).split()))
    return len("".join(cleaned.split())) / whole if whole else 1.0


def _use_one_of(cleanings: List[str]) -> Advice:
    first, *others = cleanings
    return Advice("use ", Argument("cleaning", first), *(f" or {other}" for other in others))


def check_kept(name: str, text: str, cleaning: str, share: float) -> None:
    """Check that ``cleaning`` keeps at least half of a text; ``share`` is what it keeps.

    Raises
    ------
    ValueError
        "text must be one of which cleaning d2l keeps at least half; got ..."; the remedy names other kinds of cleaning.
    """
    if share < _LEAST_KEPT:
        better = [other for other in CLEANINGS if share_kept(text, clean(text, other)) >= _LEAST_KEPT]
        raise InputError("text", f"one of which cleaning {cleaning} keeps at least half",
                         Described(f"{name!r}, of which it keeps {share:.1%}"),
                         _use_one_of(better) if better else None)
