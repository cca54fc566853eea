"""Reads the user's texts: files, folders, patterns of file names, pipes."""

import dataclasses
import fnmatch
import glob
import hashlib
import itertools
import logging
import os
from pathlib import Path
import re
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data.before import strip_gutenberg as strip_to_first_book
from gluon_deeprnn.data.encodings import check_encoding, decode
from gluon_deeprnn.data.gutenberg import split_gutenberg
from gluon_deeprnn.data.gutenberg import strip_gutenberg as strip_gutenberg
from gluon_deeprnn.data.source import Source
from gluon_deeprnn.errors import Described, InputError, UnreadableTextError
from gluon_deeprnn.storage import read_file, read_json, read_stream

_MOST_TEXT = 2**31
READINGS = (1, 2)
"""The rules by which a text is read; 1: those of `gluon_deeprnn.data.before`, 2: those of today."""

_MARK = "\ufeff"
"""A byte-order mark, which is one wherever files were joined."""

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Reader:
    """How the content of files becomes text: the options of `read_texts`."""

    raw: bool
    encoding: Optional[str]
    reading: int

    def __post_init__(self) -> None:
        _checks.flag("raw", self.raw)
        if self.encoding is not None:
            object.__setattr__(self, "encoding", check_encoding("encoding", self.encoding))
            if self.raw:
                raise InputError("encoding", "omitted for bytes", self.encoding)
        check_reading("reading", self.reading)

    def source(self, name: str, content: bytes, path: Path) -> Source:
        """The text in the content of a file."""
        if not self.raw:
            return text_of(name, content, path, self.encoding, self.reading)
        if not content:
            raise UnreadableTextError("text", "a file with something in it", str(path), reason="empty")
        return Source(name, content.decode("utf-8", "surrogateescape"), hashlib.sha1(content).hexdigest())


def check_reading(name: str, value: object) -> int:
    """Return ``value``, if it is one of `READINGS`."""
    for reading in READINGS:
        if value == reading and not isinstance(value, bool):
            return reading
    raise InputError(name, "1 or 2", value)


def read_texts(paths: Sequence[Union[str, "os.PathLike[str]"]], *, raw: bool = False, encoding: Optional[str] = None,
               reading: int = READINGS[-1]) -> List[Source]:
    """Read text files as sources named after the files; a number is appended to duplicate names.

    Parameters
    ----------
    paths : sequence of str or path
        Files, folders and patterns.  ``-`` is standard input; it and pipes, such as the shell's ``<(...)``, are named
        "stream".  A folder stands for the texts in it and in the folders inside it, in the order of their paths;
        hidden files are left out, and files that are not text and the folders of runs too, with a note in the log.  A
        pattern such as ``notes/*.txt`` stands for the files and folders that match it, also sorted; with ``**``, for
        files in any depth, each once.
    raw : bool, default False
        Take any file as it is, byte by byte, with ``surrogateescape`` for what is not UTF-8.  Otherwise it has to be
        text: line ends become line feeds, and byte-order marks, line feeds at the beginning, and the headers and
        licences of Project Gutenberg are left out; `Source.left_out` has them, and a note in the log counts them.
    encoding : str, optional
        The encoding of the texts that are not UTF-8 and have no byte-order mark, by any name that Python knows.  By
        default such a text is refused, unless it is certain that it is UTF-16 or UTF-32.
    reading : {1, 2}, default 2
        1: as runs read their texts that were begun before there was this parameter: with byte-order marks after the
        first, and only the first book of a file from Project Gutenberg.

    Raises
    ------
    ValueError
        For a file that is missing, empty or not text, for a folder without a text, and for an ``encoding`` in which no
        file is.

    Examples
    --------
    >>> from pathlib import Path
    >>> import tempfile
    >>> from gluon_deeprnn.data import read_texts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, 'b.txt').write_text('Once')
    ...     _ = Path(folder, 'a.txt').write_text('upon')
    ...     [source.name for source in read_texts([folder])]
    ['a.txt', 'b.txt']
    """
    reader = _Reader(raw, encoding, reading)
    sources: List[Source] = []
    taken: Set[str] = set()
    numbers: Dict[str, Iterator[int]] = {}
    for given in _checks.sequence("paths", paths, (str, os.PathLike), "a list of files"):
        if not os.fspath(given):  # Path("") is the current folder
            raise InputError("text", "the name of a file or folder, or a pattern", given)
        path = Path(given)
        for name, found in _read(path, reader):
            free = name = _printable(name)
            while free in taken:
                free = f"{name} ({next(numbers.setdefault(name, itertools.count(2)))})"
            taken.add(free)
            sources.append(dataclasses.replace(found, name=free))
    _say(sources, reader.encoding)
    return sources


def _say(sources: Sequence[Source], encoding: Optional[str]) -> None:
    """Say what is left out of texts, and which of them are in another encoding than was to be expected."""
    used = {source.name: source.encoding for source in sources if source.encoding}
    if encoding is not None and sources and encoding not in used.values():
        found = _checks.listed([f"{name} is {each.upper()}" for name, each in used.items()])
        raise InputError("encoding", "that of a text, or omitted", Described(f"{encoding!r}, but {found}"))
    others = {name: each for name, each in used.items() if each != (encoding or "utf-8")}
    for each in sorted(set(others.values())):
        if encoding is not None or each not in ("utf-16", "utf-32"):  # these have a mark that says so
            how = "without a byte-order mark" if encoding is None else f"not {encoding.upper()}"
            names = _checks.listed([name for name, other in others.items() if other == each])
            _log.info("read as %s, %s: %s", each.upper(), how, names)
    for what in dict.fromkeys(what for source in sources for what in source.left_out):
        parts = {source.name: len(source.left_out[what]) for source in sources if what in source.left_out}
        whole = sum(len(source.text) + sum(map(len, source.left_out.values()))
                    for source in sources if what in source.left_out)
        each_of = [name if len(parts) == 1 else f"{name} ({number:,})" for name, number in parts.items()]
        _log.info("left out %s of %s characters: %s, in %s", f"{sum(parts.values()):,}", f"{whole:,}", what,
                  _checks.listed(each_of))


def read_text(path: Union[str, "os.PathLike[str]"], *, raw: bool = False, encoding: Optional[str] = None,
              reading: int = READINGS[-1]) -> Source:
    """Read one file as `read_texts` does; its name is never a pattern, and nothing is said in the log.

    Raises
    ------
    ValueError
        If it is missing, empty or not text.
    """
    return _read_file(Path(path), _Reader(raw, encoding, reading))


def _read_file(path: Path, reader: _Reader) -> Source:
    return dataclasses.replace(reader.source(_printable(path.name), _content(path), path), path=path)


def _printable(name: str) -> str:
    """The name of a file; bytes that are not UTF-8, which no text or picture can show, are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read(path: Path, reader: _Reader) -> Iterator[Tuple[str, Source]]:
    """The texts that a path stands for, with their names."""
    stream = _stream(path)
    if stream is not None:
        content = _content(path, stream)
        yield "stream", dataclasses.replace(reader.source("stream", content, path), content=content)
    elif os.path.isdir(path):
        yield from _folder(path, reader)
    elif not os.path.exists(path) and glob.has_magic(str(path)):
        matches = _matches(path)
        if not matches:
            raise InputError("text", "a file, a folder, or a pattern that matches a file", str(path))
        read: Set[str] = set()
        for match in matches:
            if os.path.realpath(match) in read:
                continue
            texts = _folder(match, reader) if os.path.isdir(match) else [(match.name, _read_file(match, reader))]
            for name, found in texts:
                place = os.path.realpath(found.path or match)
                if place not in read:
                    yield name, found
                read.add(place)
    else:
        yield path.name, _read_file(path, reader)


def _folder(folder: Path, reader: _Reader) -> Iterator[Tuple[str, Source]]:
    names, left_out = _walk(folder)
    errors = []
    for name in names:
        try:
            found = _read_file(folder / name, reader)
        except UnreadableTextError as error:
            errors.append(error)
            left_out.append(f"{_printable(str(name))} ({error.reason})")
        else:
            yield str(name), found
    if names and len(errors) == len(names):
        raise errors[0]
    if not names:
        without = f", without {_checks.listed(left_out)}" if left_out else ""
        raise InputError("text", "a folder with a text in it", Described(f"{str(folder)!r}{without}"))
    _note(left_out)


def _note(left_out: Sequence[str]) -> None:
    if left_out:
        _log.warning("left out: %s", _checks.listed(left_out))


def _walk(top: Path, *, hidden: bool = False) -> Tuple[List[Path], List[str]]:
    """The files in a folder and in the folders inside it, relative to it; what is left out, with the reasons.

    Folders that contain a run are left out: their files are not what a user wrote.  Links to folders are not followed.
    """
    files: List[Path] = []
    left_out: List[str] = []

    def fail(error: OSError) -> None:
        if error.filename == str(top):
            raise InputError("text", "a folder that can be read", Described(f"{str(top)!r}: {error.strerror}"))
        left_out.append(f"{_printable(str(Path(error.filename).relative_to(top)))} ({error.strerror})")

    for folder, folders, names in os.walk(str(top), onerror=fail):
        if _contains_run(folder, names):
            left_out.append(f"{_printable(str(Path(folder).relative_to(top)))} (a run)")
            folders.clear()
            continue
        if not hidden:
            folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(folder, name).relative_to(top) for name in names
                  if (hidden or not name.startswith(".")) and os.path.isfile(os.path.join(folder, name))]
    return sorted(files), sorted(left_out)


def _contains_run(folder: str, names: Sequence[str]) -> bool:
    if "config.json" not in names or "vocab.json" not in names:
        return False
    try:
        content = read_json(Path(folder, "config.json"))
    except ValueError:
        return False
    return isinstance(content, dict) and str(content.get("format")).startswith("gluon_deeprnn run ")


def _matches(pattern: Path) -> List[Path]:
    """The files that match a pattern, and the folders if it has no ``**``, sorted.

    ``**`` is not left to ``glob.glob``, which follows links to folders, also to those that contain the link.
    """
    if "**" not in pattern.parts:
        return sorted((Path(match) for match in glob.glob(str(pattern))
                       if not (os.path.islink(match) and os.path.isdir(match))), key=str)
    start = pattern.parts.index("**")
    base, inner = Path(*pattern.parts[:start]), pattern.parts[start:]
    bases = glob.glob(str(base)) if glob.has_magic(str(base)) and not os.path.exists(base) else [str(base)]
    found: List[Path] = []
    for folder in map(Path, filter(os.path.isdir, bases)):
        files, left_out = _walk(folder, hidden=any(part.startswith(".") for part in inner))
        _note(left_out)
        found += [folder / file for file in files if _match(file.parts, inner)]
    return sorted(found, key=str)


def _match(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the parts of a path match those of a pattern; hidden parts only match what begins with a dot, too."""
    if not pattern:
        return not parts
    if pattern[0] == "**" and _match(parts, pattern[1:]):
        return True
    if not parts or (parts[0].startswith(".") and not pattern[0].startswith(".")):
        return False
    if pattern[0] == "**":
        return _match(parts[1:], pattern)
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and _match(parts[1:], pattern[1:])


def _content(path: Path, stream: Optional[int] = None) -> bytes:
    try:
        return read_file(path, _MOST_TEXT) if stream is None else read_stream(stream, _MOST_TEXT)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        shown = repr(str(path)) if len(repr(str(path))) <= 150 else f"{str(path)[:60]!r}..."  # an error cuts its end
        raise UnreadableTextError("text", "a file that can be read", Described(f"{shown}: {reason}"),
                                  reason="cannot be read") from None


def _stream(path: Path) -> Optional[int]:
    """The descriptor of a stream that is already open: ``-`` is standard input, ``<(...)`` is ``/dev/fd/63``."""
    if str(path) in ("-", "/dev/stdin"):
        return 0
    opened = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,9})", str(path))
    return int(opened[1]) if opened else None


def text_of(name: str, content: bytes, path: Path, encoding: Optional[str] = None,
            reading: int = READINGS[-1]) -> Source:
    """The text in the content of a file.

    Raises
    ------
    ValueError
        If it is not text, or empty.
    """
    decoded = decode(content, str(path), encoding)
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    left_out: Dict[str, str] = {}
    if reading == 1:
        text = strip_to_first_book(text)
    else:
        marks = text.count(_MARK)
        text, rest = split_gutenberg(text.replace(_MARK, ""))
        what = "header and licence of Project Gutenberg" if rest.strip() else "empty lines at the beginning"
        left_out = {key: part for key, part in ((what, rest), ("byte-order marks", marks * _MARK)) if part}
    if not text.strip():
        whole = sum(map(len, left_out.values()))
        what = f"{str(path)!r}" + (f", after {whole:,} characters of {_checks.listed(list(left_out))}" if whole else "")
        raise UnreadableTextError("text", "a non-empty text", Described(what), reason="empty")
    return Source(name, text, hashlib.sha1(content).hexdigest(), left_out=left_out, encoding=decoded.encoding)
