"""How tokens are chosen from the logits of a step."""

import dataclasses
from typing import Any, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError


@dataclasses.dataclass(frozen=True)
class SamplingOptions:
    """The options of `gluon_deeprnn.generate` that choose a token, checked.

    Attributes
    ----------
    temperature : float
    top_k : int
    top_p, min_p, repetition_penalty : float
    """

    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        checked = {
            "temperature": _checks.not_negative("temperature", self.temperature),
            "top_k": _checks.integer("top_k", self.top_k, at_least=0),
            "top_p": _checks.number("top_p", self.top_p, "a number in (0, 1]", above=0, at_most=1),
            "min_p": _checks.fraction("min_p", self.min_p),
            "repetition_penalty": _checks.positive("repetition_penalty", self.repetition_penalty)}
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def stop_strings(stop: Union[str, Sequence[str]]) -> Tuple[str, ...]:
    """The stop strings, from one or several."""
    found: Any = [stop] if isinstance(stop, str) else _checks.sequence("stop", stop, str, "a string or several")
    if not all(found):
        raise InputError("stop", "strings, none of them empty", stop)
    return tuple(found)
