"""What the rest of the package has to know of a cell: one description each."""

import dataclasses
from typing import Any, Callable, Mapping, Optional, Tuple, Type

from gluon_deeprnn.models.cells.layer import LayerScratch


@dataclasses.dataclass(frozen=True)
class Option:
    """An option that one cell has and others do not.

    Attributes
    ----------
    default : object
    check : callable
        ``check(name, value)`` returns the value, or raises `InputError`.
    per_layer : bool
        Whether each layer of a stack can have another value.
    initial : bool
        Whether it is about the initial parameters alone, and not about what the cell computes.
    fused : tuple, optional
        The values for which there is a fused operator; None for all.
    """

    default: Any
    check: Callable[[str, Any], Any]
    per_layer: bool = False
    initial: bool = False
    fused: Optional[Tuple[Any, ...]] = None

    @property
    def is_free_when_fused(self) -> bool:
        """Whether a fused stack leaves a choice, and so takes the option."""
        return self.fused is None or len(self.fused) > 1


@dataclasses.dataclass(frozen=True)
class Cell:
    """A recurrent cell, as stacks, conversion, configuration, memory estimate and pictures need it.

    Attributes
    ----------
    name : str
        As options, settings and files have it.
    title : str
        As pictures and messages have it.
    scratch : type
        Its layer from scratch, which also says its ``gates``, in the order of the fused weights, and ``num_states``.
    options : mapping of str to Option
        Its own options: keyword arguments of ``scratch``.
    fused_mode : str, optional
        The fused operator's name for it, with options in braces; None where there is no fused operator.
    second_biases : mapping of str to str
        Gates whose recurrent bias is a parameter of its own from scratch, and that parameter.  (Fused layers have two
        biases for every gate; where both are only added, the layer from scratch has one.)
    kept : mapping of str to int
        Numbers that a training keeps for each hidden unit, step and sequence, by implementation; measured.
    operators_per_step : int
        MXNet operators of a step from scratch.
    """

    name: str
    title: str
    scratch: Type[LayerScratch]
    options: Mapping[str, Option]
    fused_mode: Optional[str]
    kept: Mapping[str, int]
    operators_per_step: int
    second_biases: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def gates(self) -> Tuple[str, ...]:
        """Its gates, in the order of the fused weights."""
        return self.scratch.gates

    @property
    def num_states(self) -> int:
        """How many arrays a layer carries from step to step."""
        return self.scratch.num_states
