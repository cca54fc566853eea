"""Packs the state of a training into arrays and JSON, and validates and unpacks it."""

from typing import Any, Callable, Dict, List, Mapping, Tuple

from gluon_deeprnn.models.weights import shapes
from gluon_deeprnn.training.diagnosis import GradientNorms
from gluon_deeprnn.training.history import check_history
from gluon_deeprnn.training.position import Position
import numpy

Arrays = Mapping[str, numpy.ndarray]


def pack(**groups: Arrays) -> Dict[str, numpy.ndarray]:
    """The arrays of all groups, named ``<group>/<name>``."""
    return {f"{group}/{name}": array for group, members in groups.items() for name, array in members.items()}


def members(arrays: Arrays, group: str) -> Dict[str, numpy.ndarray]:
    """The arrays of one group of those that `pack` returned, by their names in the group."""
    return {name[len(group) + 1:]: array for name, array in arrays.items() if name.startswith(group + "/")}


def copied(value: Any) -> Any:
    """A copy of plain dicts and lists, as JSON has them, that shares nothing with them."""
    if isinstance(value, dict):
        return {name: copied(each) for name, each in value.items()}
    if isinstance(value, list):  # lists of numbers can be long
        return [copied(each) for each in value] if value and isinstance(value[0], (dict, list)) else list(value)
    return value


def unpack(arrays: Arrays, about: Mapping[str, Any], batches_per_epoch: int, norms: GradientNorms,
           state_shapes: Callable[[Position], Mapping[str, Tuple[int, ...]]],
           ) -> Tuple[Dict[str, Dict[str, numpy.ndarray]], Position, List[Dict[str, Any]]]:
    """The groups of arrays, the position and the history of a checkpoint; the latter are copies.

    Raises
    ------
    KeyError, TypeError, AttributeError, ValueError, OverflowError
        If it is not a checkpoint of this training.
    """
    groups: Dict[str, Dict[str, numpy.ndarray]] = {
        "parameters": {}, "average": {}, "optimizer": {}, "best": {}, "state": {}}
    for path, array in arrays.items():
        group, name = path.split("/", 1)
        groups[group][name] = array
    position = Position(**copied(about["position"]))
    position.check(batches_per_epoch)
    norms.check(position.gradients)
    if shapes(groups["state"]) != state_shapes(position):
        raise ValueError("a state of a different shape")
    if groups["best"] and shapes(groups["best"]) != shapes(groups["parameters"]):
        raise ValueError("best parameters of different shapes")
    history = check_history(copied(about["history"]))
    if len(history) != position.epoch:
        raise ValueError(f"a history of {len(history)} epochs in epoch {position.epoch + 1}")
    return groups, position, history
