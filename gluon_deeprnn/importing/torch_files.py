"""Reads files of torch without torch: a ``state_dict`` that ``torch.save`` wrote, and safetensors.

``torch.save`` writes a zip file: a pickle, which names the arrays, and their numbers in parts of their own.  Nothing is
unpickled here: the instructions of the pickle are read one by one, and those that do not belong to a dict of arrays are
refused.
"""

import dataclasses
import json
import math
from pathlib import Path
import pickletools
from typing import Any, Callable, Dict, List, Mapping, Tuple
import zipfile

from gluon_deeprnn import storage
from gluon_deeprnn.data.vocab import UNKNOWN
from gluon_deeprnn.errors import DamagedFileError, Described, InputError
from gluon_deeprnn.importing.vocabulary import checked
import numpy

Arrays = Dict[str, numpy.ndarray]

_DTYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8",
           "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "<i1", "ByteStorage": "<u1", "BoolStorage": "?"}
_INSIDE = ("state_dict", "model_state_dict", "model")
"""Under which names checkpoints hold a ``state_dict``, among other things."""

_MOST_PICKLE, _MOST_AXES, _MOST_COPIES = 2**24, 32, 4
"""Bytes of a list of arrays, axes of an array, and arrays that share their numbers: tied weights."""

_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS_AND_TEXTS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE")


@dataclasses.dataclass(frozen=True)
class _Global:
    """A name in a pickle: of a class or a function, which is never imported."""

    name: str


@dataclasses.dataclass(frozen=True)
class _Storage:
    """The numbers of one part of the file, which arrays share."""

    numbers: numpy.ndarray


def read_torch(path: Path) -> Tuple[Arrays, Any]:
    """The arrays of a file of torch, by name, and what the package that wrote it says about them, or None.

    Raises
    ------
    ValueError
        If it is not such a file, or damaged; if it is a ``.safetensors`` file and safetensors is not installed.
    """
    return _read_safetensors(path) if path.suffix == ".safetensors" else (_read_state_dict(path), None)


def _read_safetensors(path: Path) -> Tuple[Arrays, Any]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise InputError("safetensors", "installed to read this format", None, "pip install safetensors") from None
    try:
        with storage.regular(path), safe_open(path, "np") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            about = (file.metadata() or {}).get("gluon_deeprnn")
        return arrays, None if about is None else storage.parse_json(about)
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise DamagedFileError(str(path), "a safetensors file", Described(_reason(error))) from None


def _read_state_dict(path: Path) -> Arrays:
    try:
        with storage.uncompressed(path) as archive:
            names = [name for name in archive.namelist() if name.endswith("data.pkl")]
            if len(names) != 1:
                raise ValueError("no data.pkl in it")
            folder = names[0][:-len("data.pkl")]
            if f"{folder}byteorder" in archive.namelist() and archive.read(f"{folder}byteorder") != b"little":
                raise ValueError("numbers that do not begin with the lowest byte")
            if archive.getinfo(names[0]).file_size > _MOST_PICKLE:
                raise ValueError("a list of arrays of more than 16 MB")
            found = _Reader(lambda key: archive.read(f"{folder}data/{key}")).read(archive.read(names[0]))
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, EOFError, RuntimeError, OverflowError,
            zipfile.BadZipFile) as error:
        raise DamagedFileError(str(path), "a file that torch.save(model.state_dict(), FILE) wrote (torch 1.6 or later)",
                               Described(_reason(error))) from None
    for name in _INSIDE:
        if isinstance(found.get(name), dict):
            found = found[name]
    return {str(name): array for name, array in found.items() if isinstance(array, numpy.ndarray)}


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"


class _Reader:
    """Reads a pickle that consists of dicts, lists, numbers, strings and arrays of torch.

    Parameters
    ----------
    stored : callable
        The bytes of a part of the file, by its key.
    """

    def __init__(self, stored: Callable[[str], bytes]) -> None:
        self._stored, self._storages = stored, {}  # type: ignore[var-annotated]
        self._stack, self._memo = [], {}  # type: ignore[var-annotated]
        self._declared = self._copied = 0  # numbers in the parts that were read, and in the arrays

    def read(self, content: bytes) -> Mapping[str, Any]:
        """The dict that the pickle holds.

        Raises
        ------
        ValueError, KeyError, TypeError, IndexError
            If it holds something else.
        """
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                found = self._stack.pop()
                if not isinstance(found, dict):
                    raise ValueError("not a dict")
                return found
            self._do(opcode.name, argument)
        raise ValueError("a pickle without an end")

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in ("PROTO", "FRAME"):
            return
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _NUMBERS_AND_TEXTS:
            stack.append(argument)
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            stack.append(tuple(reversed([stack.pop() for _ in range(int(name[-1]))])))
        elif name == "TUPLE":
            stack.append(tuple(self._above_mark()))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            parts = argument.split(" ") if name == "GLOBAL" else [stack.pop(), stack.pop()][::-1]
            stack.append(_Global(".".join(_of_type(str, part) for part in parts)))
        else:
            self._collect(name)

    def _collect(self, name: str) -> None:
        stack = self._stack
        if name in ("SETITEM", "SETITEMS"):
            pairs = self._above_mark() if name == "SETITEMS" else list(reversed([stack.pop(), stack.pop()]))
            stack[-1].update(zip((_of_type((str, int), key) for key in pairs[::2]), pairs[1::2]))
        elif name in ("APPEND", "APPENDS"):
            members = self._above_mark() if name == "APPENDS" else [stack.pop()]
            stack[-1].extend(members)
        elif name == "BINPERSID":
            _, kind, key, _, size = _of_type(tuple, stack.pop())
            stack.append(self._storage(_of_type(_Global, kind), _of_type(str, key), _of_type(int, size)))
        elif name == "REDUCE":
            arguments, called = _of_type(tuple, stack.pop()), _of_type(_Global, stack.pop())
            stack.append(self._made(called, arguments))
        elif name == "BUILD":
            stack.pop()  # what a dict of torch has beside its entries: the versions of the modules
            if not isinstance(stack[-1], dict):
                raise ValueError("objects beside dicts and arrays")
        else:
            raise ValueError(f"the instruction {name}")

    def _above_mark(self) -> List[Any]:
        members = []
        while (member := self._stack.pop()) is not _MARK:
            members.append(member)
        return members[::-1]

    def _storage(self, kind: _Global, key: str, size: int) -> _Storage:
        name = kind.name.rsplit(".", 1)[-1]
        if name not in _DTYPES:
            raise ValueError(f"numbers of kind {name}")
        if key not in self._storages:
            self._storages[key] = _Storage(numpy.frombuffer(self._stored(key), _DTYPES[name]))
            self._declared += len(self._storages[key].numbers)
        found = self._storages[key]
        if len(found.numbers) != size or found.numbers.dtype != _DTYPES[name]:
            raise ValueError(f"{len(found.numbers)} numbers where {size} are declared")
        return found

    def _made(self, called: _Global, arguments: Tuple[Any, ...]) -> Any:
        """What a call in a pickle returns: only those that torch writes for arrays are known."""
        if called.name == "collections.OrderedDict" and not arguments:
            return {}
        if called.name == "torch._utils._rebuild_tensor_v2":
            return self._array(*arguments[:4])
        if called.name == "torch._utils._rebuild_parameter":
            return arguments[0]
        raise ValueError(f"an object of {called.name}, beside dicts and arrays")

    def _array(self, storage_of: Any, offset: Any, shape: Any, strides: Any) -> numpy.ndarray:
        numbers = _of_type(_Storage, storage_of).numbers
        if any(type(n) is not int or n < 0 for n in (offset, *_of_type(tuple, shape), *_of_type(tuple, strides))) \
                or len(shape) != len(strides) or len(shape) > _MOST_AXES:
            raise ValueError("an array whose shape and strides are not as many numbers of at least 0")
        last, size = offset + sum((n - 1) * stride for n, stride in zip(shape, strides)), math.prod(shape)
        if 0 in shape:
            return numpy.zeros(0, numbers.dtype)
        self._copied += size
        if size > len(numbers) or last >= len(numbers) or self._copied > _MOST_COPIES * self._declared:
            raise ValueError(f"an array of shape {shape} in {len(numbers)} numbers")
        strides = [n * numbers.itemsize for n in strides]
        return numpy.lib.stride_tricks.as_strided(numbers[offset:], shape, strides).copy()


def _of_type(kind: Any, value: Any) -> Any:
    """Return a value of a pickle, if it is of a type; others are not shown, since they can be very long."""
    if not isinstance(value, kind):
        raise ValueError(f"{type(value).__name__} in a place where torch writes something else")
    return value


def _are_tokens(tokens: List[Any]) -> bool:
    try:
        return UNKNOWN in checked(tokens)
    except ValueError:
        return False


def described(about: Any) -> Dict[str, Any]:
    """What this package says in the metadata of its own safetensors files, if it is complete.

    Raises
    ------
    ValueError
        If it is not what this package wrote.
    """
    kinds: Dict[str, Tuple[type, ...]] = {
        "tokens": (list,), "special": (list,), "cleaning": (str, type(None)), "kind": (str,), "layers": (list,),
        "residual": (bool,), "epsilon": (float,)}
    if not isinstance(about, dict) or not all(isinstance(about.get(name), kind) for name, kind in kinds.items()) \
            or not about["layers"] or len(set(map(str, about["layers"]))) > 1 or not _are_tokens(about["tokens"]):
        raise InputError("the metadata", "what this package writes", Described(f"{json.dumps(about)[:80]}"))
    return about
