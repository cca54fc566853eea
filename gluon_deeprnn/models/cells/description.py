"""Descriptions of cells, from which the rest of the package derives everything cell-specific."""

import dataclasses
from typing import Any, Callable, Mapping, Optional, Tuple, Type

from gluon_deeprnn.models.cells.layer import LayerScratch


@dataclasses.dataclass(frozen=True)
class Option:
    """A cell-specific option.

    Attributes
    ----------
    default : object
    check : callable
        ``check(name, value)`` returns the value, or raises `gluon_deeprnn.errors.InputError`.
    per_layer : bool
        Whether each layer of a stack can have a different value.
    initial : bool
        Whether it affects only the initial parameters, not the computation.
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
        """Whether there is more than one value for fused layers, so that fused stacks have this option."""
        return self.fused is None or len(self.fused) > 1


@dataclasses.dataclass(frozen=True)
class Cell:
    """A recurrent cell, as used by stacks, conversion, configuration, memory estimate and figures.

    Attributes
    ----------
    name : str
        The name in options, settings and files.
    title : str
        The name in figures and messages.
    scratch : type
        Its layer from scratch, which also defines its ``gates``, in the order of the fused weights, and
        ``num_states``.
    options : mapping of str to Option
        Its cell-specific options: keyword arguments of ``scratch``.
    fused_mode : str, optional
        The name of its fused operator, with options in braces; None if there is no fused operator.
    kept : mapping of str to int
        Numbers that are stored for the backward pass per hidden unit, step and sequence: ``fused`` by one operator for
        all steps, also of a layer from scratch, ``scratch`` by operators for each step; measured.
    operators_per_step : int
        Number of MXNet operators per step of the layer from scratch, where no operator computes all steps.
    """

    name: str
    title: str
    scratch: Type[LayerScratch]
    options: Mapping[str, Option]
    fused_mode: Optional[str]
    kept: Mapping[str, int]
    operators_per_step: int

    @property
    def gates(self) -> Tuple[str, ...]:
        """The names of its gates, in the order of the fused weights."""
        return self.scratch.gates

    @property
    def second_biases(self) -> Mapping[str, str]:
        """Gates whose recurrent bias is a separate parameter of the layer from scratch, with that parameter's name.

        (Fused layers have two biases for every gate; if they are only added, the layer from scratch has one.)
        """
        return self.scratch.second_biases

    @property
    def num_states(self) -> int:
        """The number of arrays in the state of a layer."""
        return self.scratch.num_states
