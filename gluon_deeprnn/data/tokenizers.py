"""Tokenizers, which split a cleaned text into tokens and join tokens to text.

Each kind of token is a class with one instance in ``TOKENIZERS``, under the name used in options, recipes and
``vocab.json``.  To add one, write a subclass of ``Tokenizer`` and add an instance to ``TOKENIZERS``.
"""

import abc
import codecs
import re
from typing import Any, Container, Dict, Iterable, Iterator, List, Optional, Sequence, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.data.words import TOKEN
from gluon_deeprnn.errors import InputError
import numpy
import regex


class Tokenizer(abc.ABC):
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

    unit = "word"
    """What a token is, in one word, for figures per token."""

    reads_bytes = False
    """Whether a file is read byte by byte, and not as UTF-8, and nothing in it is composed."""

    alphabet: Sequence[str] = ()
    """Tokens that every vocabulary has, whether they are in its text or not."""

    pattern: Optional[str] = None
    """An expression of which each match is a token, for exported programs: for ``regex``, and JavaScript with ``u``."""

    @abc.abstractmethod
    def split(self, text: str) -> List[str]:
        """The tokens of a cleaned text."""

    @abc.abstractmethod
    def join(self, tokens: Sequence[str]) -> str:
        """The text to append for these tokens."""

    def unsplit(self, tokens: Sequence[str]) -> str:
        """A text that `split` splits into these tokens: part of a text, if these are some of its tokens in a row."""
        return self.join(tokens)

    def spans(self, text: str) -> List[Tuple[int, int]]:
        """Where each token of a cleaned text is: the offset of its first character, and of the one after its last.

        What lies between two tokens, such as the space between two words, belongs to the second one.
        """
        spans, end = [], 0
        for token in self.split(text):
            start, found = end, text.find(token, end)
            if found < 0:
                raise InputError("tokens", "parts of their text", token)
            end = found + len(token)
            spans.append((start, end))
        return spans

    def prefix(self, tokens: List[str], known: Container[str]) -> List[str]:
        """The tokens of a text that is to be continued, as a vocabulary knows them."""
        return tokens

    def stream(self, tokens: Iterable[str]) -> Iterator[str]:
        """The same as `join`, in pieces, each as soon as it is known."""
        return (self.join([token]) for token in tokens)

    def characters(self, tokens: Sequence[str]) -> numpy.ndarray:
        """The number of characters that each token adds to the text that `unsplit` returns, (n,), int64."""
        return numpy.array([len(self.unsplit([token])) for token in tokens], dtype="int64")


class Characters(Tokenizer):
    """A token is a character."""

    about = "characters"
    unit = "character"

    def split(self, text: str) -> List[str]:
        """The characters of a text."""
        return list(text)

    def join(self, tokens: Sequence[str]) -> str:
        """The characters, concatenated."""
        return "".join(tokens)


class Words(Tokenizer):
    """A token is a word, including the space before it."""

    about = "words between white space"

    def split(self, text: str) -> List[str]:
        """The words of a text, without white space."""
        return text.split()

    def join(self, tokens: Sequence[str]) -> str:
        """The words, each with a space before it."""
        return "".join(" " + token for token in tokens)


class UnicodeWords(Tokenizer):
    """A token is a word, or a character that belongs to no word, with the space before it, or white space.

    `gluon_deeprnn.data.words` defines words, and characters as readers see them: an emoji of several code points, such
    as a family or a flag, is one.  Nothing of a text is lost.
    """

    about = "words, punctuation marks, emoji and white space; what word means with cleaning none"
    unit = "token"

    pattern: Optional[str] = TOKEN

    _PARTS: Any = regex.compile(TOKEN)

    def split(self, text: str) -> List[str]:
        """The tokens of a text."""
        return self._PARTS.findall(text)

    def prefix(self, tokens: List[str], known: Container[str]) -> List[str]:
        """The same, but a first word that is known only after a space has one."""
        if tokens and tokens[0] not in known and " " + tokens[0] in known:
            return [" " + tokens[0], *tokens[1:]]
        return tokens

    def join(self, tokens: Sequence[str]) -> str:
        """The tokens, one after the other."""
        return "".join(tokens)


class ExactWords(UnicodeWords):
    """The same by the rule of earlier versions, for their runs: combining marks end a word and are tokens."""

    about = "what it meant in earlier versions; combining marks divide words"

    pattern = None

    _PARTS = re.compile(r" ?\w+(?:['\u2019]\w+)*| ?[^\w\s]|\s")


class Bytes(Tokenizer):
    """A token is a byte, written as two hexadecimal digits: for any file at all, with nothing unknown.

    Bytes that are not UTF-8 are lone surrogates in the text (``surrogateescape``), and U+FFFD where they are shown.
    """

    about = "bytes, of any file"
    unit = "byte"
    reads_bytes = True
    alphabet = tuple(f"{byte:02x}" for byte in range(256))

    def split(self, text: str) -> List[str]:
        """The bytes of a text in UTF-8."""
        return [self.alphabet[byte] for byte in text.encode("utf-8", "surrogateescape")]

    def join(self, tokens: Sequence[str]) -> str:
        """The text that the bytes are."""
        return "".join(self.stream(tokens))

    def stream(self, tokens: Iterable[str]) -> Iterator[str]:
        """The text that the bytes are, a character as soon as its last byte is there."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in tokens:
            if token in self.alphabet:
                text = decoder.decode(bytes.fromhex(token))
                if text:
                    yield text
        rest = decoder.decode(b"", final=True)
        if rest:
            yield rest

    def unsplit(self, tokens: Sequence[str]) -> str:
        """The text of the bytes, with lone surrogates for what is not UTF-8; unlike `join`, it loses nothing."""
        return bytes.fromhex("".join(tokens)).decode("utf-8", "surrogateescape")

    def spans(self, text: str) -> List[Tuple[int, int]]:
        """For each byte, where the character is that it is a part of."""
        return [(i, i + 1) for i, character in enumerate(text) for _ in character.encode("utf-8", "surrogateescape")]

    def characters(self, tokens: Sequence[str]) -> numpy.ndarray:
        """One for a byte that begins a character or is no part of one, (n,), int64; 0 for the others."""
        begins = numpy.zeros(len(tokens), dtype="int64")
        lengths = [len(character.encode("utf-8", "surrogateescape")) for character in self.unsplit(tokens)]
        begins[numpy.cumsum([0, *lengths])[:-1]] = 1
        return begins


TOKENIZERS: Dict[str, Tokenizer] = {
    "char": Characters(), "word": Words(), "word-unicode": UnicodeWords(), "word-exact": ExactWords(), "byte": Bytes()}


def tokenizer_for(tokens: str, cleaning: Optional[str], known: Optional[str] = None) -> str:
    """The kind of tokens that ``tokens`` means for a text cleaned in this way.

    Parameters
    ----------
    tokens : {"char", "word", "word-unicode", "word-exact", "byte"}
        With ``cleaning="none"``, ``word`` means ``word-unicode``.
    cleaning : {"none", "d2l", "unicode"}, optional
    known : str, optional
        The kind of a vocabulary that exists: ``word`` means ``word-exact`` for one of an earlier version.

    Examples
    --------
    >>> from gluon_deeprnn.data.tokenizers import tokenizer_for
    >>> tokenizer_for("word", "none"), tokenizer_for("word", "none", "word-exact"), tokenizer_for("word", "d2l")
    ('word-unicode', 'word-exact', 'word')
    """
    _checks.one_of("tokens", tokens, TOKENIZERS)
    if tokens == "word" and cleaning == "none":
        return "word-exact" if known == "word-exact" else "word-unicode"
    return tokens


def tokenize(text: str, tokens: str = "char") -> List[str]:
    """Split a cleaned text into tokens, by the name of their kind in `TOKENIZERS`."""
    return TOKENIZERS[_checks.one_of("tokens", tokens, TOKENIZERS)].split(text)
