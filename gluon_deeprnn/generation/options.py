"""How tokens are chosen from the logits of a step."""

import dataclasses
from typing import Any, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

_OF_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "seed")
"""Options without effect on a beam search, which is deterministic."""


@dataclasses.dataclass(frozen=True)
class DecodingOptions:
    """The options of `gluon_deeprnn.generate` that choose a token, checked.

    Attributes
    ----------
    temperature : float
    top_k : int
    top_p, min_p, repetition_penalty : float
    seed, beam : int
    length_penalty : float
    """

    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0
    beam: int = 0
    length_penalty: float = 0.0

    def __post_init__(self) -> None:
        checked = {
            "temperature": _checks.not_negative("temperature", self.temperature),
            "top_k": _checks.integer("top_k", self.top_k, at_least=0),
            "top_p": _checks.number("top_p", self.top_p, "a number in (0, 1]", above=0, at_most=1),
            "min_p": _checks.fraction("min_p", self.min_p),
            "repetition_penalty": _checks.positive("repetition_penalty", self.repetition_penalty),
            "seed": _checks.integer("seed", self.seed, at_least=0),
            "beam": _checks.integer("beam", self.beam, at_least=0),
            "length_penalty": _checks.not_negative("length_penalty", self.length_penalty)}
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        changed = [name for name in checked if checked[name] != getattr(DecodingOptions, name)]
        if self.beam:
            check_omitted("beam", {name: checked[name] for name in changed})
        elif "length_penalty" in changed:
            raise InputError("length_penalty", "0 without a beam", self.length_penalty)


def check_omitted(beam: str, given: Any) -> None:
    """Raise an error if options of sampling, by name, are ``given`` beside the option that is called ``beam``."""
    for name in _OF_SAMPLING:
        if name in given:
            raise InputError(name, f"omitted with {beam}", given[name], "a beam search does not sample")


def stop_strings(stop: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    """The stop strings, from one or several."""
    found: Any = [stop] if isinstance(stop, str) else _checks.sequence("stop", stop, str, "a string or several")
    if not all(found):
        raise InputError("stop", "strings, none of them empty", stop)
    return tuple(found)
