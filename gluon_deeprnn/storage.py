"""Files that are whole or absent, and that cannot hurt: replaced atomically, checked before they are believed.

Nothing is unpickled and nothing evaluated; what a file declares is compared with the bytes that are there before any
memory is asked for.
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
import stat
import sys
import tempfile
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
    """Where what can be had again is kept: ``$XDG_CACHE_HOME/gluon_deeprnn``, or the platform's usual place.

    Raises
    ------
    RuntimeError
        When this user has no home folder.
    """
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "gluon_deeprnn"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "gluon_deeprnn"


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
    handle, temporary = tempfile.mkstemp(prefix=f"{_TEMPORARY}{path.name}.", dir=path.parent)
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


def remove_unfinished(folder: Path) -> None:
    """Remove what writers left behind that were killed; only for who holds the folder's `lock`."""
    for path in Path(folder).glob(_TEMPORARY + "*"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def lock(folder: Path, path: Path, name: str) -> Iterator[None]:
    """Hold a folder alone, by its lock file; the system gives it back when the process ends, however it ends.

    Raises
    ------
    ValueError
        When another process holds it, "<name> must be a folder in which no other training runs; got ...".
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
        When it cannot be read; also for what is no regular file, which could keep its reader waiting for ever.
    ValueError
        When it is larger.
    """
    with _regular(path) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"more than {most} bytes")
    return content


def read_stream(descriptor: int, most: int) -> bytes:
    """What comes out of an open stream until its end, of at most ``most`` bytes.

    Raises
    ------
    OSError
        When it cannot be read.
    ValueError
        When it is more.
    """
    with os.fdopen(os.dup(descriptor), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"more than {most} bytes")
    return content


def _regular(path: Path) -> BinaryIO:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(0, "no regular file")
    return os.fdopen(handle, "rb")


def write_json(path: Path, content: Any) -> None:
    """Write JSON, indented, atomically."""
    replace_file(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def parse_json(text: str) -> Any:
    """What JSON text says.

    Raises
    ------
    ValueError
        When it is no JSON, or JSON of a kind that this package does not write: nested too deeply, numbers of more
        digits than any setting has, values that are no numbers.
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
    """What a JSON file says.

    Raises
    ------
    ValueError
        When it is missing, no regular file, too large, not UTF-8, no JSON.
    """
    return parsed(path, parse_json)


def parsed(path: Path, parse: Any) -> Any:
    """What ``parse`` makes of the text in a file; its errors, and the file's own, name the file."""
    try:
        return parse(read_file(path, _MOST_JSON).decode("utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DamagedFileError(str(path), "a file that this package wrote", Described(reason)) from None


def write_arrays(path: Path, arrays: Mapping[str, numpy.ndarray], about: Any = None) -> None:
    """Write named arrays, and JSON ``about`` them, as a NumPy ``.npz`` with a checksum, atomically.

    ``numpy.load(path)`` reads it too.
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
    """The arrays, and what was said about them, of a file that `write_arrays` wrote.

    No more memory is used than the file has bytes, whatever it declares.

    Raises
    ------
    ValueError
        When the file is missing, damaged, or not of this kind.
    """
    try:
        with _regular(path) as file, zipfile.ZipFile(file) as archive:
            size = os.fstat(file.fileno()).st_size
            members = archive.infolist()
            names = [member.filename for member in members]
            if len(members) > _MOST_ARRAYS or len(set(names)) != len(names):
                raise ValueError("names that occur twice, or too many of them")
            if any(m.compress_type != zipfile.ZIP_STORED or m.flag_bits & 1 for m in members):
                raise ValueError("compressed or encrypted parts")
            if sum(member.file_size for member in members) > size:
                raise ValueError(f"more bytes declared than the {size} that are there")
            text = parse_json(archive.read(_ABOUT).decode("utf-8"))
            if not isinstance(text, dict) or text.get("format") != _FORMAT:
                raise ValueError(f"format {text.get('format') if isinstance(text, dict) else text!r}, "
                                 f"not {_FORMAT!r}")
            arrays = {m.filename[:-len(".npy")]: _array(archive.read(m)) for m in members if m.filename != _ABOUT}
        if text.get("sha256") != _checksum(arrays, str(text.get("about"))):
            raise ValueError("another checksum than the one it was written with")
        return arrays, parse_json(text["about"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, RuntimeError,
            OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else \
            str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise DamagedFileError(str(path), "a complete file that this package wrote", Described(reason)) from None


def _array(content: bytes) -> numpy.ndarray:
    """An array from a ``.npy`` member; its header is matched, not evaluated, and must declare what is there."""
    if content[:6] != b"\x93NUMPY" or content[6:8] not in (b"\1\0", b"\2\0"):
        raise ValueError("a part that is no array")
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
