"""The vocabulary of an imported model, and its parameters in the order of this package's vocabularies."""

import dataclasses
import json
from pathlib import Path
from typing import Any, List, Optional

from gluon_deeprnn import storage
from gluon_deeprnn.data import Vocab
from gluon_deeprnn.data.vocab import UNKNOWN
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.models.interchange import Weights
import numpy

_BELOW = 20.0
"""How far the bias of an added unknown token is below all others: its probability is about exp(-20), 2e-9."""


def read_tokens(path: Path) -> Any:
    """The vocabulary in a JSON file: one of this package, or a list of tokens by index.

    A mapping of tokens to indices, and gluonnlp's vocabularies, are lists of tokens, too.

    Returns
    -------
    Vocab or list of str

    Raises
    ------
    ValueError
        If it is neither.
    """
    try:
        stored = storage.parse_json(storage.read_file(path, 2**26).decode("utf-8"))
        if isinstance(stored, dict) and "vocab" in stored:
            return Vocab.from_json(json.dumps(stored))
        if isinstance(stored, dict) and "idx_to_token" in stored:
            tokens, unknown = checked(stored["idx_to_token"]), stored.get("unknown_token") or UNKNOWN
            if unknown != UNKNOWN and unknown in tokens and UNKNOWN not in tokens:
                tokens[tokens.index(unknown)] = UNKNOWN
            return tokens
        return checked(_by_index(stored) if isinstance(stored, dict) else stored)
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DamagedFileError(str(path), "a list of tokens in JSON, or a mapping of tokens to indices",
                               Described(reason)) from None


def _by_index(indices: Any) -> List[str]:
    tokens = sorted(indices, key=indices.get)
    if [indices[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError("indices that are not 0, 1, 2, ...")
    return tokens


def checked(tokens: Any) -> List[str]:
    """Return ``tokens``, if it is a list of different strings."""
    if not isinstance(tokens, list) or not all(isinstance(token, str) and token for token in tokens) \
            or len(set(tokens)) != len(tokens):
        raise ValueError("tokens that are not strings, or that occur twice")
    "".join(tokens).encode("utf-8")  # half of a surrogate pair is a ValueError
    return tokens


def kind_of(tokens: List[str]) -> str:
    """The kind of tokens: of one character each, words, or words with the spaces before them; ``<eos>`` is none."""
    own = [token for token in tokens if not (token.startswith("<") and token.endswith(">") and len(token) > 2)]
    if sum(len(token) == 1 for token in own) >= 0.8 * len(own):
        return "char"
    return "word-unicode" if sum(token.startswith(" ") for token in own) > 0.2 * len(own) else "word"


def made(tokens: List[str], kind: Optional[str], cleaning: Optional[str], unknown: Optional[str] = None) -> Vocab:
    """A vocabulary of foreign tokens, with the unknown token first.

    Parameters
    ----------
    tokens : list of str
        By the foreign index.
    kind, cleaning : str, optional
        How texts become tokens; by default, the kind that the tokens look like, and no cleaning.
    unknown : str, optional
        The token for unknown ones, if it is not ``<unk>``.

    Raises
    ------
    ValueError
        If ``unknown`` is not one of the tokens.
    """
    if unknown is not None and (unknown not in tokens or (unknown != UNKNOWN and UNKNOWN in tokens)):
        raise InputError("unknown", f"one of the tokens of the vocabulary, which has no {UNKNOWN}", unknown)
    others = [token for token in tokens if token not in (unknown or UNKNOWN, UNKNOWN)]
    return Vocab([], cleaning=cleaning, kind=kind or kind_of(tokens)).extended(others)


def in_order(weights: Weights, tokens: List[str], vocab: Vocab, unknown: Optional[str] = None) -> Weights:
    """The weights for ``vocab``, from those for foreign tokens by index; an added unknown token is never likely.

    Raises
    ------
    ValueError
        If there are not as many tokens as the model has, or ``vocab`` has others, or tokens for boundaries or sources.
    """
    if vocab.begin_index is not None or vocab.sources:
        raise InputError("vocab", "one without tokens for the boundaries of records or for sources",
                         Described(", ".join(vocab.to_tokens(vocab.special))),
                         "an export in the format zip keeps a run with them as it is")
    if len(tokens) != weights.vocab_size:
        raise InputError("the vocabulary", f"of the {weights.vocab_size} tokens of the model",
                         Described(f"{len(tokens)} tokens"))
    index = {UNKNOWN if token == (unknown or UNKNOWN) else token: i for i, token in enumerate(tokens)}
    if set(vocab.idx_to_token) - {UNKNOWN} != set(index) - {UNKNOWN}:
        raise InputError("tokens", "a kind with these tokens", Described(", ".join(map(repr, tokens[:5]))))
    order = [index.get(token, len(tokens)) for token in vocab.idx_to_token]  # the last row is of the added token

    def rows(array: numpy.ndarray, fill: float = 0.0) -> numpy.ndarray:
        added = numpy.full((1, *array.shape[1:]), fill, array.dtype)
        return numpy.ascontiguousarray(numpy.concatenate([array, added])[order])

    layers = list(weights.layers)
    if weights.embedding is None:
        first = layers[0]
        columns = rows(first.arrays["i2h_weight"].T).T
        layers[0] = dataclasses.replace(first, arrays={**first.arrays, "i2h_weight": numpy.ascontiguousarray(columns)})
    bias = rows(weights.bias, float(weights.bias.min()) - _BELOW)
    return dataclasses.replace(weights, layers=layers, output=rows(weights.output), bias=bias,
                               embedding=None if weights.embedding is None else rows(weights.embedding))
