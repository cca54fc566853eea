"""From a raw text to tokens: cleaning, splitting, and joining them again."""

import re
from typing import List, Sequence
import unicodedata

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

CLEANINGS = ("d2l", "unicode")
TOKENS = ("char", "word")


def clean(text: str, cleaning: str = "d2l") -> str:
    """Reduce a text to lower-case letters and single spaces.

    Parameters
    ----------
    text : str
        Any text.
    cleaning : {"d2l", "unicode"}, default "d2l"
        ``d2l`` keeps the letters A to Z; ``unicode`` composes characters (NFC) and keeps the letters of every script,
        and the marks that belong to them.  Everything else becomes one space.

    Returns
    -------
    str

    Source
    ------
    ``d2l``: Dive into Deep Learning, section "Converting Raw Text into Sequence Data".

    Examples
    --------
    >>> from gluon_deeprnn.data.tokens import clean
    >>> clean("The Time-Machine, 1895!")
    'the time machine '
    >>> clean("운수 좋은 날, 1924", cleaning="unicode")
    '운수 좋은 날 '
    """
    _checks.one_of("cleaning", cleaning, CLEANINGS)
    if not isinstance(text, str):
        raise InputError("text", "a string", text)
    if cleaning == "d2l":
        return re.sub("[^A-Za-z]+", " ", text).lower()
    # Lower case can take a composed character apart ('İ' becomes two), and composing may make new capital letters of
    # none; one more round settles both.
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())
    other = {ord(character): " " for character in set(text) if unicodedata.category(character)[0] not in "LM"}
    return re.sub(" +", " ", text.translate(other))


def share_kept(text: str, cleaned: str) -> float:
    """How much of a text is in what `clean` made of it: the share of its characters that are no white space.

    Examples
    --------
    >>> from gluon_deeprnn.data.tokens import share_kept
    >>> share_kept("봄 강 a", " a"), share_kept("봄 강 a", "봄 강 a")
    (0.3333333333333333, 1.0)
    """
    whole = len("".join(unicodedata.normalize("NFC", text).split()))
    return len("".join(cleaned.split())) / whole if whole else 1.0


def tokenize(text: str, tokens: str = "char") -> List[str]:
    """Split a cleaned text into characters (``char``) or words (``word``)."""
    _checks.one_of("tokens", tokens, TOKENS)
    return list(text) if tokens == "char" else text.split()


def characters_per_token(tokens: Sequence[str], kind: str = "char") -> float:
    """How many characters of text a token stands for, on average; a word stands for the space behind it too."""
    return 1.0 if kind == "char" else 1 + sum(map(len, tokens)) / len(tokens)
