"""Text cleaning before tokenization.

Each kind of cleaning is a class with one instance in ``CLEANINGS``, under the name used in options, recipes and
``vocab.json``.  To add one, write a subclass of ``Cleaning`` and add an instance to ``CLEANINGS``.
"""

import abc
import re
from typing import Dict, Iterable, List
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
    keeps_white_space : bool
        Whether white space stays as it is; otherwise there is none at both ends of a cleaned record.
    """

    about = ""
    keeps_white_space = False

    @abc.abstractmethod
    def __call__(self, text: str) -> str:
        """The cleaned text."""


class Unchanged(Cleaning):
    """The text as it is, with capitals, punctuation and line ends; only composed (NFC)."""

    about = "everything"
    keeps_white_space = True

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


def share_kept(text: str, cleaned: str, left_out: Iterable[str] = ()) -> float:
    """The fraction of a text's characters, not counting white space, that cleaning has kept.

    With what was ``left_out`` of its file before (`Source.left_out`), the fraction of the file's characters.

    Examples
    --------
    >>> from gluon_deeprnn.data.cleaning import share_kept
    >>> share_kept("봄 강 a", " a"), share_kept("봄 강 a", "봄 강 a"), share_kept("ab c", "ab c", ["a note."])
    (0.3333333333333333, 1.0, 0.3333333333333333)
    """
    whole = sum(len("".join(part.split())) for part in (unicodedata.normalize("NFC", text), *left_out))
    return len("".join(cleaned.split())) / whole if whole else 1.0


def shown_share(share: float) -> str:
    """A share in percent; 100.0% is all of it.

    Examples
    --------
    >>> from gluon_deeprnn.data.cleaning import shown_share
    >>> shown_share(1.0), shown_share(0.99999), shown_share(0.5)
    ('100.0%', '99.9%', '50.0%')
    """
    return f"{share if share == 1 else min(share, 0.999):.1%}"


def _use_one_of(cleanings: List[str]) -> Advice:
    first, *others = cleanings
    return Advice("use ", Argument("cleaning", first), *(f" or {other}" for other in others))


def check_kept(name: str, text: str, cleaning: str, cleaned: str) -> None:
    """Check that ``cleaning`` keeps at least half of a text.

    Raises
    ------
    ValueError
        "text must be one of which cleaning d2l keeps at least half; got ..."; the remedy names other kinds of cleaning.
    """
    share = share_kept(text, cleaned)
    if share < _LEAST_KEPT:
        better = [other for other in CLEANINGS if share_kept(text, clean(text, other)) >= _LEAST_KEPT]
        raise InputError("text", f"one of which cleaning {cleaning} keeps at least half",
                         Described(f"{name!r}, of which it keeps {share:.1%}"),
                         _use_one_of(better) if better else None)
