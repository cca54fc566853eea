"""How a cleaned text becomes tokens, and tokens become text again.

Each kind of token is one class with one instance in `TOKENIZERS`, under the name that options, recipes and
``vocab.json`` use.  To add one, write a subclass of `Tokenizer` and put an instance into `TOKENIZERS`.
"""

from typing import Dict, List, Sequence

from gluon_deeprnn import _checks


class Tokenizer:
    """Splits text into tokens and joins them again.

    Attributes
    ----------
    about : str
        What a token is, in a few words, for ``--help``.

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
        """What the tokens add to a text that they continue."""
        raise NotImplementedError

    def characters_per_token(self, tokens: Sequence[str]) -> float:
        """How many characters of text a token stands for, on average over ``tokens``."""
        return len(self.join(tokens)) / len(tokens)


class Characters(Tokenizer):
    """A token is a character."""

    about = "characters"

    def split(self, text: str) -> List[str]:
        """The characters of a text."""
        return list(text)

    def join(self, tokens: Sequence[str]) -> str:
        """The characters, one after the other."""
        return "".join(tokens)


class Words(Tokenizer):
    """A token is a word, and stands for the space before it too."""

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
