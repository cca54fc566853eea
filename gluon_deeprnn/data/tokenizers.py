"""Tokenizers, which split a cleaned text into tokens and join tokens to text.

Each kind of token is a class with one instance in ``TOKENIZERS``, under the name used in options, recipes and
``vocab.json``.  To add one, write a subclass of ``Tokenizer`` and add an instance to ``TOKENIZERS``.
"""

from typing import Dict, List, Sequence

from gluon_deeprnn import _checks


class Tokenizer:
    """Splits text into tokens and joins them again.

    Attributes
    ----------
    about : str
        A short description of a token, for ``--help``.

    Examples
    --------
    >>> from gluon_deeprnn.data.tokenizers import TOKENIZERS
    >>> words = TOKENIZERS["word"]
    >>> words.split("the time machine")
    ['the', 'time', 'machine']
    >>> words.join(["the", "time"])
    ' the time'
    """

    about = ""

    def split(self, text: str) -> List[str]:
        """The tokens of a cleaned text."""
        raise NotImplementedError

    def join(self, tokens: Sequence[str]) -> str:
        """The text to append for these tokens."""
        raise NotImplementedError

    def characters_per_token(self, tokens: Sequence[str]) -> float:
        """The mean number of characters per token of ``tokens``."""
        return len(self.join(tokens)) / len(tokens)


class Characters(Tokenizer):
    """A token is a character."""

    about = "characters"

    def split(self, text: str) -> List[str]:
        """The characters of a text."""
        return list(text)

    def join(self, tokens: Sequence[str]) -> str:
        """The characters, concatenated."""
        return "".join(tokens)


class Words(Tokenizer):
    """A token is a word, including the space before it."""

    about = "words"

    def split(self, text: str) -> List[str]:
        """The words of a text, without white space."""
        return text.split()

    def join(self, tokens: Sequence[str]) -> str:
        """The words, each with a space before it."""
        return "".join(" " + token for token in tokens)


TOKENIZERS: Dict[str, Tokenizer] = {"char": Characters(), "word": Words()}


def tokenize(text: str, tokens: str = "char") -> List[str]:
    """Split a cleaned text into characters (``char``) or words (``word``)."""
    return TOKENIZERS[_checks.one_of("tokens", tokens, TOKENIZERS)].split(text)
