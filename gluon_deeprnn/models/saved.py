"""Models in parameter files of MXNet's format, with the names of their cells."""

import json
import os
from pathlib import Path
import tempfile
from typing import Any, Dict, Mapping, Optional, Tuple, Union

from gluon_deeprnn import mxnet_private, storage
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.graph import GraphBlock, one_at_a_time
from gluon_deeprnn.models.parameters import check_dtype
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from mxnet import np, npx
from mxnet.base import MXNetError
import numpy

_ABOUT = "gluon_deeprnn"
_FORMER_NAMES = {"gru with the reset before the product": "gru_reset_before"}
"""Names of cells in files of earlier versions."""


class SavedBlock(GraphBlock):
    """A block whose parameter files contain the named parts of its weights and the names of its cells.

    Gluon's own files contain the weights of a fused layer as one vector, which can be loaded into any layer with the
    same number of weights: an LSTM with 8 units and 2 inputs and a GRU with 8 units and 6 inputs both have 384.
    """

    def cast(self, dtype: Any) -> None:
        """Leave the parameters float32, the only dtype of these models.

        Raises
        ------
        ValueError
            For any other dtype: on the CPU, MXNet has no operators for it, or some with wrong gradients.
        """
        check_dtype(dtype)

    def save_parameters(self, filename: Union[str, "os.PathLike[str]"], deduplicate: bool = False) -> None:
        """Write all parameters by name, with the names of the cells; the file is replaced atomically.

        Parameters
        ----------
        filename : str or path
            The file; `mxnet.npx.load` can read it.
        deduplicate : bool, default False
            Ignored, for compatibility with Gluon: tied parameters are always written once.

        Raises
        ------
        ValueError
            If the file cannot be written.
        """
        about = numpy.frombuffer(json.dumps({"cells": cells_of(self)}).encode(), dtype="uint8")
        arrays = {_ABOUT: np.array(about, dtype="uint8")}
        arrays.update((name, np.array(array)) for name, array in parameter_arrays(self).items())
        write_arrays(filename, arrays)

    def load_parameters(self, filename: Union[str, "os.PathLike[str]"],
                        ctx: Optional[Union[str, Context]] = None, allow_missing: bool = False,
                        ignore_extra: bool = False, cast_dtype: bool = False,
                        dtype_source: str = "current") -> None:
        """Load the parameters of a file that `save_parameters` wrote, or of a file in Gluon's own format.

        Parameters
        ----------
        filename : str or path
            The file.
        ctx : str or mxnet.context.Context, optional
            The context of the parameters; default: their current context, or the CPU.
        allow_missing, ignore_extra : bool, default False
            Whether parameters of the model may be missing from the file, and the file may contain others.
        cast_dtype, dtype_source
            As in Gluon, for files in its format; files of `save_parameters` are float32.

        Raises
        ------
        ValueError
            "... must be parameters of gru at layer0; got lstm at layer0", and similar messages for different sizes or
            names and for unreadable files.  The model is then unchanged.
        """
        about, arrays = _read(filename)
        if about is None:
            self._load_gluons_form(filename, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source)
            return
        ours = cells_of(self)
        if about != ours:
            raise InputError(str(filename), f"parameters of {_shown(ours)}", Described(_shown(about)))
        with one_at_a_time:
            set_parameters(self, arrays, allow_missing=allow_missing, ignore_extra=ignore_extra)
            if ctx is not None:
                self.collect_params().reset_ctx(as_context(ctx))

    def _load_gluons_form(self, filename: Union[str, "os.PathLike[str]"], ctx: Any, *options: Any) -> None:
        try:
            super().load_parameters(str(filename), as_context(ctx) if ctx is not None else None, *options)
        except AssertionError as error:  # raised by Gluon if names or shapes do not match
            raise InputError(str(filename), "parameters of this model",
                                     Described(" ".join(str(error).split()))) from None


def write_arrays(filename: Union[str, "os.PathLike[str]"], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a file of MXNet's format; it is replaced atomically.

    Parameters
    ----------
    filename : str or path
        The file.
    arrays : mapping of str to mxnet.np.ndarray
        The arrays by name.

    Raises
    ------
    ValueError
        If the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:  # MXNet writes in place and does not report a full disk
        npx.save(str(Path(folder) / "arrays"), dict(arrays))
        storage.replace_file(Path(filename), (Path(folder) / "arrays").read_bytes())


def read_arrays(filename: Union[str, "os.PathLike[str]"]) -> Dict[str, numpy.ndarray]:
    """The arrays of a file of MXNet's format, by name.

    Parameters
    ----------
    filename : str or path
        The file.

    Raises
    ------
    ValueError
        "... must be a complete file of parameters; got ...".
    """
    try:
        with open(filename, "rb"):  # MXNet reports a missing file, or a folder, as a damaged file
            loaded = npx.load(str(filename))
        if not isinstance(loaded, dict):
            raise ValueError("arrays without names")
        return {name: array.asnumpy() for name, array in loaded.items()}
    except (OSError, MXNetError, ValueError, TypeError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).strip().splitlines()[-1]
        raise DamagedFileError(str(filename), "a complete file of parameters",
                               Described(reason or str(error))) from error


def cells_of(block: Any, path: str = "") -> Dict[str, str]:
    """The cell of each recurrent layer of a block, by the path of the layer."""
    found = {path: block.computes} if hasattr(block, "computes") else {}
    for name, child in mxnet_private.children(block).items():
        found.update(cells_of(child, f"{path}.{name}" if path else name))
    return found


def _shown(cells: Dict[str, str]) -> str:
    return ", ".join(f"{cell} at {path}" if path else cell for path, cell in cells.items()) or "no recurrent layer"


def _read(filename: Union[str, "os.PathLike[str]"]) -> Tuple[Optional[Dict[str, str]], Dict[str, numpy.ndarray]]:
    """The cells that a file names, or None if it names none, and its arrays."""
    try:
        arrays = read_arrays(filename)
    except DamagedFileError as error:
        if "is_np_shape" in str(error.__cause__):  # written without NumPy mode: Gluon's own loader can read it
            return None, {}
        raise
    if _ABOUT not in arrays:
        return None, arrays
    try:
        cells = storage.parse_json(arrays.pop(_ABOUT).astype("uint8").tobytes().decode("utf-8"))["cells"]
        return {str(path): _FORMER_NAMES.get(cell, str(cell)) for path, cell in cells.items()}, arrays
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedFileError(str(filename), "a complete file of parameters", Described(str(error))) from None
