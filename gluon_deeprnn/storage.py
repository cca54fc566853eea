"""Atomic writes, and safe reading of untrusted files.

Nothing is unpickled or evaluated.  The sizes that a file declares are compared with its length before any memory is
allocated.
"""

import contextlib
import fcntl
import hashlib
import io
import json
import math
import os
from pathlib import Path
import re
import secrets
import stat
import sys
from typing import Any, BinaryIO, Dict, Iterator, Mapping, Tuple
import zipfile

from gluon_deeprnn.errors import DamagedFileError, Described, InputError
import numpy

_FORMAT = "gluon_deeprnn arrays 1"
_ABOUT = "about.json"
_TEMPORARY = ".writing-"
_TYPES = ("<f4", "<f8", "<i4", "<i8")
_MOST_JSON = 64 * 2**20
_MOST_HEADER = 4096
_MOST_ARRAYS = 100_000


def cache_folder() -> Path:
    """The cache folder: ``$XDG_CACHE_HOME/gluon_deeprnn``, or the platform's default.

    Raises
    ------
    RuntimeError
        If the user has no home folder.
    """
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "gluon_deeprnn"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "gluon_deeprnn"


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically: it always has the complete old or the complete new content, even after a power failure.

    Raises
    ------
    ValueError
        If it cannot be written: no such folder, no permission, no space.
    """
    try:
        _replace(Path(path), content)
    except OSError as error:
        raise InputError(str(path), "a file that can be written", Described(error.strerror or str(error)),
                         "the previous content is intact") from None


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{_TEMPORARY}{path.name}.{secrets.token_hex(8)}")  # known before there is the file
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:  # Ctrl-C too, at any of these steps, and after the last one
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)  # the new directory entry has to reach the disk too
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of writers that were killed.  The caller must hold the folder's ``lock``."""
    for path in Path(folder).glob(_TEMPORARY + "*"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def lock(folder: Path, path: Path, name: str) -> Iterator[None]:
    """Lock a folder by its lock file; the operating system releases the lock when the process ends, even if killed.

    Raises
    ------
    ValueError
        If another process holds the lock: "<name> must be a folder in which no other training runs; got ...".
    """
    try:
        file = open(path, "a+", encoding="ascii")  # noqa: SIM115
    except OSError as error:
        raise InputError(name, "a folder that can be written",
                         Described(f"{str(folder)!r}: {error.strerror}")) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = re.fullmatch(r"\d{1,9}", file.read(9))
            raise InputError(name, "a folder in which no other training runs", Described(
                f"{str(folder)!r}" + (f", where process {holder[0]} trains" if holder else ""))) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def read_file(path: Path, most: int) -> bytes:
    """The content of a regular file of at most ``most`` bytes.

    Raises
    ------
    OSError
        If it cannot be read, or is not a regular file: reading a pipe or a device could block forever.
    ValueError
        If it is larger.
    """
    with regular(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise ValueError(f"more than {most} bytes")
        return file.read()


def read_stream(descriptor: int, most: int) -> bytes:
    """The content of an open stream up to its end, of at most ``most`` bytes.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is larger.
    """
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"more than {most} bytes")
    return content


def regular(path: Path) -> BinaryIO:
    """Open a regular file; OSError if it cannot be opened, or is a pipe, a device or a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "not a regular file")
    return os.fdopen(handle, "rb")


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON atomically.

    The surrogates by which Python represents a file name that is not UTF-8 are written as JSON's escapes.
    """
    replace_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))


def parse_json(text: str) -> Any:
    """Parse JSON text.

    Raises
    ------
    ValueError
        If it is not valid JSON, or contains what this package never writes: deep nesting, numbers with more than 20
        digits, NaN or infinity.
    """
    def number(digits: str) -> int:
        if len(digits) > 20:
            raise ValueError(f"a number of {len(digits)} digits")
        return int(digits)

    def constant(name: str) -> float:
        raise ValueError(f"the value {name}")

    try:
        return json.loads(text, parse_int=number, parse_constant=constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: Path) -> Any:
    """Read and parse a JSON file.

    Raises
    ------
    ValueError
        If it is missing, not a regular file, too large, not UTF-8, or not valid JSON.
    """
    return parsed(path, parse_json)


def parsed(path: Path, parse: Any) -> Any:
    """Read a text file and apply ``parse``; errors of either name the file."""
    try:
        return parse(read_file(path, _MOST_JSON).decode("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DamagedFileError(str(path), "a file that this package wrote", Described(reason)) from None


def write_arrays(path: Path, arrays: Mapping[str, numpy.ndarray], about: Any = None) -> None:
    """Write named arrays and JSON metadata ``about`` them as a NumPy ``.npz`` file with a checksum, atomically.

    ``numpy.load(path)`` can read the file.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(name + ".npy", "w", force_zip64=True) as member:
                numpy.lib.format.write_array(member, numpy.asarray(array, order="C"), allow_pickle=False)
        about_text = json.dumps(about, ensure_ascii=False)
        text = {"format": _FORMAT, "sha256": _checksum(arrays, about_text), "about": about_text}
        archive.writestr(_ABOUT, json.dumps(text, ensure_ascii=False))
    replace_file(path, buffer.getvalue())


def read_arrays(path: Path) -> Tuple[Dict[str, numpy.ndarray], Any]:
    """Read the arrays and the metadata of a file that ``write_arrays`` wrote.

    No more memory is allocated than the file has bytes, whatever sizes it declares.

    Raises
    ------
    ValueError
        If the file is missing, damaged, or of another kind.
    """
    try:
        with uncompressed(path) as archive:
            members = archive.infolist()
            text = parse_json(archive.read(_ABOUT).decode("utf-8"))
            if not isinstance(text, dict) or text.get("format") != _FORMAT:
                raise ValueError(f"format {text.get('format') if isinstance(text, dict) else text!r}, "
                                 f"not {_FORMAT!r}")
            arrays = {m.filename[:-len(".npy")]: _array(archive.read(m)) for m in members if m.filename != _ABOUT}
        if text.get("sha256") != _checksum(arrays, str(text.get("about"))):
            raise ValueError("a checksum that does not match")
        return arrays, parse_json(text["about"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, RuntimeError,
            OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else \
            str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise DamagedFileError(str(path), "a complete file that this package wrote", Described(reason)) from None


@contextlib.contextmanager
def uncompressed(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip file whose parts are not compressed, so they have no more bytes than the file; else ValueError."""
    with regular(path) as file, zipfile.ZipFile(file) as archive:
        size, members = os.fstat(file.fileno()).st_size, archive.infolist()
        if len(members) > _MOST_ARRAYS or len({member.filename for member in members}) != len(members):
            raise ValueError("duplicate names, or too many names")
        if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members):
            raise ValueError("compressed or encrypted parts")
        if sum(member.file_size for member in members) > size:
            raise ValueError(f"more bytes declared than the {size} in the file")
        yield archive


def _array(content: bytes) -> numpy.ndarray:
    """An array from a ``.npy`` member; its header is matched, not evaluated, and must agree with the content's size."""
    if content[:6] != b"\x93NUMPY" or content[6:8] not in (b"\1\0", b"\2\0"):
        raise ValueError("a part that is not an array")
    width = 2 if content[6] == 1 else 4
    end = 8 + width + int.from_bytes(content[8:8 + width], "little")
    header = content[8 + width:end].decode("latin-1") if end <= _MOST_HEADER else ""
    match = re.fullmatch(r"\{'descr': '([<>|=\w]{2,4})', 'fortran_order': False, 'shape': \(([\d, ]*)\), \}\s*", header)
    if match is None or match[1] not in _TYPES:
        raise ValueError("an array of a kind that this package does not write")
    shape = tuple(int(n) for n in match[2].replace(",", " ").split() if len(n) < 20)
    dtype = numpy.dtype(match[1])
    if math.prod(shape) * dtype.itemsize != len(content) - end:
        raise ValueError(f"an array of shape {shape} in {len(content) - end} bytes")
    return numpy.frombuffer(content, dtype, offset=end).reshape(shape).copy()


def _checksum(arrays: Mapping[str, numpy.ndarray], about: str) -> str:
    digest = hashlib.sha256(about.encode() + b"\n")
    for name in sorted(arrays):
        array = numpy.asarray(arrays[name], order="C")
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
