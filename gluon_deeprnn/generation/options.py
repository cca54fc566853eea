"""How tokens are chosen from the logits of a step."""

import dataclasses
from typing import Any, Iterable, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError

_OF_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "seed")
"""Options without effect on a beam search and, but for the temperature, on greedy decoding: they do not sample."""


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
        self.check_effect(name for name in checked if checked[name] != getattr(DecodingOptions, name))
        if self.length_penalty and not self.beam:
            raise InputError("length_penalty", "0 without a beam", self.length_penalty)

    def check_effect(self, given: Iterable[str]) -> None:
        """Check that options, by name, have an effect beside the others.

        Raises
        ------
        ValueError
            "top_k must be omitted with beam; got 5 ...", "top_k must be omitted with temperature 0; got 5 ...".
        """
        given = set(given)
        if self.beam:
            beside, remedy = "beam", "a beam search does not sample"
        elif self.temperature == 0:
            beside, remedy = "temperature 0", "greedy decoding does not sample"
            given.discard("temperature")
        else:
            return
        for name in _OF_SAMPLING:
            if name in given:
                raise InputError(name, f"omitted with {beside}", getattr(self, name), remedy)


def stop_strings(stop: Union[str, Sequence[str]], vocab: Any) -> Tuple[str, ...]:
    """The stop strings, from one or several, if a text of the vocabulary's tokens can contain each of them."""
    found: Any = [stop] if isinstance(stop, str) else _checks.sequence("stop", stop, str, "a string or several")
    if not all(found):
        raise InputError("stop", "strings, none of them empty", stop)
    if found and not vocab.tokenizer.reads_bytes:  # bytes can make any character
        special = set(vocab.special)
        characters = set("".join(vocab.text(index for index in range(len(vocab)) if index not in special)))
        for each in found:
            missing = "".join(character for character in dict.fromkeys(each) if character not in characters)
            if missing:
                raise InputError("stop", "made of characters that the model can write", each,
                                 f"it never writes {missing!r}, so the text would not end there")
    return tuple(found)
