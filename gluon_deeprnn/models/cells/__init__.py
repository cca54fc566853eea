"""The recurrent cells: one file per cell with its layer from scratch and its description, and a table of all cells.

To add a cell, write such a file and add its description to ``CELLS``.
"""

from typing import Any, Dict, List, Mapping, Sequence

from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models.cells import gru, lstm, mgu, rnn
from gluon_deeprnn.models.cells.description import Cell as Cell
from gluon_deeprnn.models.cells.description import Option as Option
from gluon_deeprnn.models.cells.gru import RESETS as RESETS
from gluon_deeprnn.models.cells.gru import GRUScratch as GRUScratch
from gluon_deeprnn.models.cells.layer import LayerScratch as LayerScratch
from gluon_deeprnn.models.cells.lstm import LSTMScratch as LSTMScratch
from gluon_deeprnn.models.cells.mgu import MGUScratch as MGUScratch
from gluon_deeprnn.models.cells.rnn import ACTIVATIONS as ACTIVATIONS
from gluon_deeprnn.models.cells.rnn import RNNScratch as RNNScratch

CELLS: Dict[str, Cell] = {cell.name: cell for cell in (rnn.CELL, lstm.CELL, gru.CELL, mgu.CELL)}


def cell_of_mode(mode: str) -> Cell:
    """The cell of the fused operator with this name."""
    return CELLS[mode.split("_")[0]]


def layer_options(cell: str, num_layers: int, given: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """The options of each layer of a stack, from the options of the stack.

    Parameters
    ----------
    cell : str
        The name of the cell.
    num_layers : int
        The number of layers.
    given : mapping
        Options by name: for this cell, one value or one per layer; for other cells, their defaults.

    Raises
    ------
    ValueError
        "reset must be omitted for cell lstm; got 'before'", and for invalid values of an option.
    """
    own: Dict[str, Sequence[Any]] = {}
    for each in CELLS.values():
        for name, option in each.options.items():
            if name not in given:
                continue
            values = _per_layer(name, given[name], num_layers, option)
            if each.name == cell:
                own[name] = values
            elif any(value != option.default for value in values):
                raise InputError(name, f"omitted for cell {cell}", given[name])
    return [{name: values[i] for name, values in own.items()} for i in range(num_layers)]


def _per_layer(name: str, value: Any, num_layers: int, option: Option) -> Sequence[Any]:
    """One value per layer, from a single value or a sequence."""
    if option.per_layer and not isinstance(value, str):
        if not isinstance(value, (list, tuple)) or len(value) != num_layers:
            raise InputError(name, f"one name, or one for each of the {num_layers} layers", value)
        return [option.check(name, each) for each in value]
    return [option.check(name, value)] * num_layers


def check_fused(cell: str, options: Sequence[Dict[str, Any]], name: str = "cell") -> List[str]:
    """The names of the fused operators of a stack's layers.

    Raises
    ------
    ValueError
        If there is no fused operator for this cell or these options.
    """
    described = CELLS[cell]
    if described.fused_mode is None:
        known = [each.name for each in CELLS.values() if each.fused_mode]
        raise InputError(name, f"one of {', '.join(known)} for fused layers", cell, "use layers from scratch")
    for own in options:
        for option, value in own.items():
            fused = described.options[option].fused
            if fused is not None and value not in fused:
                rule = ("one of " if len(fused) > 1 else "") + ", ".join(map(str, fused))
                raise InputError(option, f"{rule}, for a fused {described.title}", value)
    return [described.fused_mode.format(**own) for own in options]
