"""Files that are whole or absent: replaced atomically, arrays checked, no pickle."""

import hashlib
import io
import json
import os
from pathlib import Path
import tempfile
from typing import Any, Dict, Mapping, Tuple
import zipfile

from gluon_deeprnn._checks import Described, InputError
import numpy

_FORMAT = "gluon_deeprnn arrays 1"
_ABOUT = "about.json"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that at every moment the old content or the new is there, complete, even if the machine stops.

    Raises
    ------
    ValueError
        When it cannot be written: no such folder, no permission, no space.
    """
    try:
        _replace(Path(path), content)
    except OSError as error:
        raise InputError(str(path), "a file that can be written", Described(error.strerror or str(error)),
                         "what was written before is intact") from None


def _replace(path: Path, content: bytes) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder = os.open(path.parent, os.O_RDONLY)  # the new name has to reach the disk too
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented, atomically."""
    replace_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def write_arrays(path: Path, arrays: Mapping[str, numpy.ndarray], about: Any = None) -> None:
    """Write named arrays, and JSON ``about`` them, as a NumPy ``.npz`` with a checksum, atomically.

    ``numpy.load(path)`` reads it too.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, numpy.asarray(array, order="C"), allow_pickle=False)
        text = {"format": _FORMAT, "sha256": _checksum(arrays), "about": about}
        archive.writestr(_ABOUT, json.dumps(text, ensure_ascii=False))
    replace_file(path, buffer.getvalue())


def read_arrays(path: Path) -> Tuple[Dict[str, numpy.ndarray], Any]:
    """The arrays, and what was said about them, of a file that `write_arrays` wrote.

    Raises
    ------
    ValueError
        When the file is missing, damaged, or not of this kind.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            text = json.loads(archive.read(_ABOUT))
            if text["format"] != _FORMAT:
                raise ValueError(f"format {text['format']!r}")
            arrays = {}
            for name in archive.namelist():
                if name != _ABOUT:
                    with archive.open(name) as member:
                        arrays[name[:-len(".npy")]] = numpy.lib.format.read_array(member, allow_pickle=False)
        if _checksum(arrays) != text["sha256"]:
            raise ValueError("another checksum")
        return arrays, text["about"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        raise InputError(str(path), "a complete file that this package wrote", Described(reason)) from None


def _checksum(arrays: Mapping[str, numpy.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = numpy.asarray(arrays[name], order="C")
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
