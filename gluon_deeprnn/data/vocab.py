"""Tokens and their indices."""

import collections
import json
from typing import Any, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data.cleaning import CLEANINGS
from gluon_deeprnn.data.spelling import Spelling
from gluon_deeprnn.data.tokenizers import TOKENIZERS, Tokenizer
from gluon_deeprnn.errors import Advice, Argument, DamagedFileError, Described, InputError
from gluon_deeprnn.storage import parse_json
import gluonnlp
import numpy

UNKNOWN = "<unk>"
BEGIN, END = "<bos>", "<eos>"
_SOURCE = "<source {}>"


def _counted(tokens: Any) -> Any:
    """Return ``tokens``, if they are strings or counts of strings."""
    if isinstance(tokens, str):
        return tokens
    if isinstance(tokens, Mapping):
        for token, count in tokens.items():
            _checks.text("tokens", token)
            _checks.integer("tokens[...]", count, at_least=0)
        return tokens
    return _checks.sequence("tokens", tokens, str, "strings, or a mapping of strings to their counts")


class Vocab:
    """The tokens of a text with their indices; the unknown token has index 0, the others are sorted by frequency.

    Built on `gluonnlp.Vocab`.  It also stores how its text was cleaned and tokenized, to treat prefixes the same way.

    Parameters
    ----------
    tokens : sequence of str or mapping of str to int, optional
        The tokens of a text, or the number of occurrences of each.
    min_freq : int, default 0
        Tokens that occur less often are mapped to the unknown token.
    reserved_tokens : sequence of str, optional
        Tokens to include in any case.
    cleaning : {"none", "d2l", "unicode"}, optional
        How prefixes are cleaned; by default they are not cleaned.
    kind : {"char", "word", "word-unicode", "word-exact", "byte"}, default "char"
        The kind of tokens; see `gluon_deeprnn.data.tokenizers`.
    boundaries : bool, default False
        Whether there are tokens for the beginning and the end of a record, ``<bos>`` and ``<eos>``.
    sources : sequence of str, optional
        The names of texts that have a token of their own, such as ``<source timemachine.txt>``.

    Attributes
    ----------
    sources : list of str
    spelling : Spelling
        The model of how tokens are written that are not in the vocabulary, from the characters of ``tokens``.  A
        vocabulary that an earlier version wrote, and an imported one, has no counts: there each token counts once.

    Source
    ------
    Dive into Deep Learning, section "Converting Raw Text into Sequence Data".

    Examples
    --------
    >>> from gluon_deeprnn import Vocab
    >>> vocab = Vocab('the time traveller')
    >>> len(vocab), vocab['t'], vocab[['t', 'e', '?']]
    (11, 2, [2, 1, 0])
    >>> vocab.to_tokens([2, 1])
    ['t', 'e']
    """

    def __init__(self, tokens: Union[Sequence[str], Mapping[str, int]] = (), min_freq: int = 0,
                 reserved_tokens: Sequence[str] = (), *, cleaning: Optional[str] = None, kind: str = "char",
                 boundaries: bool = False, sources: Sequence[str] = ()) -> None:
        counts = collections.Counter(_counted(tokens))
        reserved_tokens = _checks.sequence("reserved_tokens", reserved_tokens, str, "a sequence of strings")
        self.sources = list(dict.fromkeys(_checks.sequence("sources", sources, str, "a sequence of names")))
        own = [_SOURCE.format(name) for name in self.sources]
        special = (UNKNOWN, *((BEGIN, END) if _checks.flag("boundaries", boundaries) else ()), *own)
        for token in special:
            counts.pop(token, None)
        min_freq = _checks.integer("min_freq", min_freq, at_least=0)
        self._describe(cleaning, kind)
        if self.tokenizer.alphabet:
            counts = collections.Counter({token: max(min_freq, 1) + counts[token] for token in self.tokenizer.alphabet})
        self._vocab = gluonnlp.Vocab(
            counts, min_freq=max(1, min_freq), unknown_token=UNKNOWN, padding_token=None,
            bos_token=BEGIN if boundaries else None, eos_token=END if boundaries else None,
            reserved_tokens=[*own, *reserved_tokens] or None)
        self.spelling = self._spelling_of(counts)

    def _spelling_of(self, counts: Mapping[str, int]) -> Spelling:
        """The spelling of unknown tokens of texts with these tokens."""
        if self.tokenizer.alphabet:  # nothing is unknown
            return Spelling({}, 0)
        if self.tokenizer.unit == "character":
            return Spelling.of_characters(counts, self)
        return Spelling.of_tokens(counts)

    def _describe(self, cleaning: Optional[str], kind: str) -> None:
        self.cleaning = None if cleaning is None else _checks.one_of("cleaning", cleaning, CLEANINGS)
        self.kind = _checks.one_of("kind", kind, TOKENIZERS)

    def __len__(self) -> int:
        return len(self._vocab)

    def __contains__(self, token: object) -> bool:
        return token in self._vocab.token_to_idx

    def __getitem__(self, tokens: Union[str, Sequence[str]]) -> Any:
        """The index of a token, or the list of indices of several tokens; 0 for an unknown token."""
        return self._vocab[tokens]

    def to_tokens(self, indices: Union[int, Iterable[int]]) -> Any:
        """The token of an index, or the list of tokens of several indices (a list of one for a list of one)."""
        if isinstance(indices, (int, numpy.integer)):
            return self._vocab.to_tokens(int(indices))
        return self._vocab.to_tokens([int(i) for i in indices])

    @property
    def idx_to_token(self) -> List[str]:
        """All tokens, by index."""
        return self._vocab.idx_to_token

    @property
    def unknown_index(self) -> int:
        """The index of the unknown token."""
        return self._vocab[UNKNOWN]

    @property
    def begin_index(self) -> Optional[int]:
        """The index of the token before the first one of a record; None in a vocabulary without boundaries."""
        return self._index_of(self._vocab.bos_token)

    @property
    def end_index(self) -> Optional[int]:
        """The index of the token after the last one of a record; None in a vocabulary without boundaries."""
        return self._index_of(self._vocab.eos_token)

    def _index_of(self, token: Optional[str]) -> Optional[int]:
        return None if token is None else self._vocab[token]

    def source_index(self, name: str) -> int:
        """The index of the token of a source.

        Raises
        ------
        ValueError
            "source must be one of a.txt, b.txt; got 'c.txt' ...".
        """
        if not self.sources:
            raise InputError("source", "omitted for a vocabulary without tokens of sources", name)
        return self._vocab[_SOURCE.format(_checks.one_of("source", name, self.sources))]

    @property
    def special(self) -> List[int]:
        """The indices of the tokens that are not a part of a text: unknown, boundaries, sources."""
        found = (self.unknown_index, self.begin_index, self.end_index, *map(self.source_index, self.sources))
        return [index for index in found if index is not None]

    def encode(self, tokens: Sequence[str]) -> numpy.ndarray:
        """The indices of tokens, as int32."""
        return numpy.array(self._vocab[list(tokens)], dtype=numpy.int32)

    def clean(self, text: str) -> str:
        """A text, cleaned like the text of this vocabulary."""
        return CLEANINGS[self.cleaning](text) if self.cleaning else text

    def split(self, text: str) -> List[str]:
        """The tokens of a text, cleaned and tokenized like the text of this vocabulary."""
        return self.tokenizer.split(self.clean(text))

    def encode_prefix(self, prefix: str, *, skip_unknown: bool = False) -> numpy.ndarray:
        """The indices of the tokens of a prefix; ``skip_unknown`` skips tokens that are not in the vocabulary.

        Raises
        ------
        ValueError
            If no token is left, or if the prefix contains tokens that are not in the vocabulary.
        """
        if not isinstance(prefix, str):
            raise InputError("prefix", "a string", prefix)
        tokens = self.tokenizer.prefix(self.split(prefix), self)
        special = self.to_tokens(self.special)
        unknown = [token for token in dict.fromkeys(tokens) if token not in self or token in special]
        if _checks.flag("skip_unknown", skip_unknown):
            tokens = [token for token in tokens if token not in unknown]
        elif unknown:
            raise InputError("prefix", "made of tokens in the vocabulary",
                                     Described(", ".join(map(repr, unknown))),
                                     Advice(Argument("skip_unknown"), " skips them"))
        if not tokens or (prefix.strip() and not "".join(tokens).strip()):
            raise InputError("prefix", "at least one token in the vocabulary, after cleaning", prefix)
        return self.encode(tokens)

    @property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of its texts."""
        return TOKENIZERS[self.kind]

    def text(self, indices: Iterable[int]) -> Iterator[str]:
        """What tokens, by index, add to a text, in pieces, as soon as it is known; boundaries and sources add none."""
        silent = {*self.special} - {self.unknown_index}
        return self.tokenizer.stream(self.to_tokens(int(index)) for index in indices if int(index) not in silent)

    def extended(self, tokens: Sequence[str], sources: Sequence[str] = (),
                 spelling: Optional[Spelling] = None) -> "Vocab":
        """A copy with further tokens, and tokens of sources, after its own, which keep their indices.

        The characters of ``spelling``, by default those of the further tokens, each once, are added to its own.

        Examples
        --------
        >>> from gluon_deeprnn import Vocab
        >>> Vocab('aab').extended(['b', 'c']).idx_to_token
        ['<unk>', 'a', 'b', 'c']
        """
        tokens = _checks.sequence("tokens", tokens, str, "strings")
        stored = json.loads(self.to_json())
        own = stored["vocab"]["idx_to_token"]
        sources = _checks.sequence("sources", sources, str, "a sequence of names")
        added = [token for token in dict.fromkeys([*map(_SOURCE.format, sources), *tokens]) if token not in self]
        own += added
        stored["sources"] = list(dict.fromkeys([*self.sources, *sources]))
        stored["vocab"]["token_to_idx"] = {token: i for i, token in enumerate(own)}
        extended = Vocab.from_json(json.dumps(stored))
        total = self.spelling + (spelling or self._spelling_of(dict.fromkeys(added, 1)))
        extended.spelling = total if total.ends else Spelling.of_characters(total.counts, extended)
        return extended

    def to_json(self) -> str:
        """Return the vocabulary as JSON text."""
        return json.dumps({"kind": self.kind, "cleaning": self.cleaning, "vocab": json.loads(self._vocab.to_json()),
                           **({"sources": self.sources} if self.sources else {}),
                           "spelling": self.spelling.as_dict()}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "Vocab":
        """Return the vocabulary from the output of `to_json`."""
        try:
            stored = parse_json(text)
            tokens, indices = stored["vocab"]["idx_to_token"], stored["vocab"]["token_to_idx"]
            if not all(isinstance(token, str) for token in tokens) or UNKNOWN not in tokens \
                    or indices != {token: i for i, token in enumerate(tokens)} or len(indices) != len(tokens):
                raise ValueError("tokens and indices that do not match")
            vocab = cls()
            vocab._describe(stored["cleaning"], stored["kind"])
            vocab.sources = _checks.sequence("sources", stored.get("sources", []), str, "a list of names")
            if not {_SOURCE.format(name) for name in vocab.sources} <= indices.keys():
                raise ValueError("sources without their tokens")
            vocab._vocab = gluonnlp.Vocab.from_json(json.dumps(stored["vocab"]))
            special = vocab.to_tokens(vocab.special)
            vocab.spelling = Spelling.from_dict(stored["spelling"]) if "spelling" in stored else vocab._spelling_of(
                dict.fromkeys((token for token in tokens if token not in special), 1))
            return vocab
        except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
            raise DamagedFileError("vocab.json", "a vocabulary that this package wrote",
                                     Described(f"{type(error).__name__}: {error}")) from None
