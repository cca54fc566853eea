"""The split of texts by position, for the protocol ``book``: first the training part, then validation and test."""

import itertools
import math
from typing import Dict, List, Sequence

from gluon_deeprnn.errors import Described, InputError

TEST_FRACTION, VAL_FRACTION = 0.10, 0.05


def cut_by_position(texts: Sequence[List[str]], held_out: Sequence[bool], val_fraction: float = VAL_FRACTION,
                    ) -> Dict[str, List[List[str]]]:
    """The parts ``train``, ``val`` and ``test`` of each text; all of a text that is not held out is for training.

    Examples
    --------
    >>> from gluon_deeprnn.data.positions import cut_by_position
    >>> parts = cut_by_position([['a'] * 40, ['b'] * 20], [True, False])
    >>> {name: [len(tokens) for tokens in texts] for name, texts in parts.items()}
    {'train': [34, 20], 'val': [2, 0], 'test': [4, 0]}
    """
    parts: Dict[str, List[List[str]]] = {"train": [], "val": [], "test": []}
    for text, is_held_out in zip(texts, held_out):
        test = _test_begin(text) if is_held_out else len(text)
        val = test - round(len(text) * val_fraction) if is_held_out else len(text)
        for name, tokens in (("train", text[:val]), ("val", text[val:test]), ("test", text[test:])):
            parts[name].append(tokens)
    return parts


def _test_begin(text: List[str]) -> int:
    return len(text) - round(len(text) * TEST_FRACTION)


def check_parts(parts: Dict[str, List[str]], texts: Sequence[List[str]], batch_size: int,
                val_fraction: float = VAL_FRACTION) -> None:
    """Check that texts are long enough to be trained on, and evaluated, as one stream.

    Raises
    ------
    ValueError
        "text must be at least 77 tokens long for batch_size=64; got 40 tokens ...", and the like.
    """
    num_tokens = sum(map(len, texts))
    smaller = min(val_fraction, TEST_FRACTION)
    least = round_up(2 / smaller)
    shortest = int((batch_size + 1) / (1 - TEST_FRACTION - val_fraction)) - 1  # but for the rounding of lengths
    needed = max(least, next(n for n in itertools.count(shortest) if n - round(n * val_fraction) - round(
        n * TEST_FRACTION) > batch_size))
    if num_tokens >= least and min(map(len, parts.values())) < 2:
        one, two = round_up(1.5 / smaller), math.floor(round(0.5 / smaller, 9)) + 1  # as lengths of parts are rounded
        raise InputError("text", f"one of at least {one} tokens, or two of at least {two}, for validation data",
                         Described(f"{len(texts)} texts of at most {max(map(len, texts))} tokens"),
                         "join them into one file")
    if num_tokens < needed:
        refuse_length(num_tokens, needed, least, "batch_size", batch_size)


def round_up(number: float) -> int:
    """The smallest integer that is not below a number, up to the number's own rounding error.

    Examples
    --------
    >>> from gluon_deeprnn.data.positions import round_up
    >>> round_up(3.2), round_up(3 + 1e-12)
    (4, 3)
    """
    return math.ceil(round(number, 9))


def refuse_length(num_tokens: int, needed: int, least: int, option: str, value: int) -> None:
    """Raise an error for a text that is too short: for any value of an option, or for this one."""
    found = Described(f"{num_tokens} tokens")
    if num_tokens < least:  # what the smallest value of the option needs
        raise InputError("text", f"at least {least} tokens long", found)
    raise InputError("text", f"at least {needed} tokens long for {option}={value}", found,
                     f"a smaller --{option.replace('_', '-')} allows a shorter text")
