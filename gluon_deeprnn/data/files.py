"""Reads the user's texts: files, folders, patterns of file names, pipes."""

import codecs
import contextlib
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
from gluon_deeprnn.data.source import Source
from gluon_deeprnn.errors import Advice, Argument, Described, InputError
from gluon_deeprnn.storage import read_file, read_json, read_stream

_MOST_TEXT = 2**31
_MARKS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"),
          (codecs.BOM_UTF16_BE, "UTF-16"))
"""Byte-order marks and their encodings; the mark of UTF-32 begins with that of UTF-16."""

_REASONS = {"a non-empty text": "empty", "a file with something in it": "empty", "a text": "contains null bytes",
            "a file that can be read": "cannot be read"}
"""What the note on the files that are left out of a folder says, by the rule of the error."""

_log = logging.getLogger(__name__)


def read_texts(paths: Sequence[Union[str, "os.PathLike[str]"]], *, raw: bool = False) -> List[Source]:
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
        UTF-8, or UTF-16 or UTF-32 with a byte-order mark; line ends become line feeds, and Project Gutenberg's header
        and footer are left out.

    Raises
    ------
    ValueError
        For a file that is missing, empty or not text, and for a folder without a text.

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
    raw = _checks.flag("raw", raw)
    sources: List[Source] = []
    taken: Set[str] = set()
    numbers: Dict[str, Iterator[int]] = {}
    for given in _checks.sequence("paths", paths, (str, os.PathLike), "a list of files"):
        if not os.fspath(given):  # Path("") is the current folder
            raise InputError("text", "the name of a file or folder, or a pattern", given)
        path = Path(given)
        for name, found in _read(path, raw):
            free = name = _printable(name)
            while free in taken:
                free = f"{name} ({next(numbers.setdefault(name, itertools.count(2)))})"
            taken.add(free)
            sources.append(dataclasses.replace(found, name=free))
    return sources


def read_text(path: Union[str, "os.PathLike[str]"], *, raw: bool = False) -> Source:
    """Read one file as `read_texts` does; its name is never a pattern.

    Raises
    ------
    ValueError
        If it is missing, empty or not text.
    """
    path = Path(path)
    return dataclasses.replace(_source(_printable(path.name), _content(path), path, raw), path=path)


def _printable(name: str) -> str:
    """The name of a file; bytes that are not UTF-8, which no text or picture can show, are replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _read(path: Path, raw: bool) -> Iterator[Tuple[str, Source]]:
    """The texts that a path stands for, with their names."""
    stream = _stream(path)
    if stream is not None:
        content = _content(path, stream)
        yield "stream", dataclasses.replace(_source("stream", content, path, raw), content=content)
    elif os.path.isdir(path):
        yield from _folder(path, raw)
    elif not os.path.exists(path) and glob.has_magic(str(path)):
        matches = _matches(path)
        if not matches:
            raise InputError("text", "a file, a folder, or a pattern that matches a file", str(path))
        read: Set[str] = set()
        for match in matches:
            if os.path.realpath(match) in read:
                continue
            texts = _folder(match, raw) if os.path.isdir(match) else [(match.name, read_text(match, raw=raw))]
            for name, found in texts:
                place = os.path.realpath(found.path or match)
                if place not in read:
                    yield name, found
                read.add(place)
    else:
        yield path.name, read_text(path, raw=raw)


def _folder(folder: Path, raw: bool) -> Iterator[Tuple[str, Source]]:
    names, left_out = _walk(folder)
    errors = []
    for name in names:
        try:
            found = read_text(folder / name, raw=raw)
        except InputError as error:
            errors.append(error)
            left_out.append(f"{_printable(str(name))} ({_REASONS.get(error.rule, f'not {error.rule}')})")
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
        raise InputError("text", "a file that can be read", Described(f"{shown}: {reason}")) from None


def _stream(path: Path) -> Optional[int]:
    """The descriptor of a stream that is already open: ``-`` is standard input, ``<(...)`` is ``/dev/fd/63``."""
    if str(path) in ("-", "/dev/stdin"):
        return 0
    opened = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,9})", str(path))
    return int(opened[1]) if opened else None


def _source(name: str, content: bytes, path: Path, raw: bool) -> Source:
    if not raw:
        return decode(name, content, path)
    if not content:
        raise InputError("text", "a file with something in it", str(path))
    return Source(name, content.decode("utf-8", "surrogateescape"), hashlib.sha1(content).hexdigest())


def decode(name: str, content: bytes, path: Path) -> Source:
    """The text in the content of a file.

    Raises
    ------
    ValueError
        If it is not text in UTF-8, or in the encoding that its byte-order mark names.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "UTF-8")
    null_bytes = InputError("text", "a text", Described(f"{str(path)!r}, which contains null bytes"),
                            Advice(Argument("tokens", "byte"), " reads any file"))
    if encoding == "UTF-8" and b"\0" in content:  # a picture, say: to convert it would not help
        raise null_bytes
    try:
        text = content.decode("utf-8-sig" if encoding == "UTF-8" else encoding)
    except UnicodeDecodeError as error:
        start = error.start + len(content) - len(error.object)  # the codec removes UTF-8's mark first
        described = Described(f"{str(path)!r}, byte {content[start]:#04x} at {start}")
        if encoding != "UTF-8":
            raise InputError("text", f"{encoding}, as its byte-order mark says", described) from None
        raise InputError("text", "UTF-8", described,
                         f"convert it first: iconv -f {_likely_encoding(content)} -t UTF-8 FILE") from None
    if "\0" in text:
        raise null_bytes
    text = strip_gutenberg(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise InputError("text", "a non-empty text", str(path))
    return Source(name, text, hashlib.sha1(content).hexdigest())


def _likely_encoding(content: bytes) -> str:
    """Guess the encoding of a text that is not UTF-8 from the letters that it decodes to."""
    with contextlib.suppress(UnicodeDecodeError):
        text = content.decode("cp949")
        beyond = [character for character in text if ord(character) > 127]
        if sum("가" <= character <= "힣" for character in beyond) > len(beyond) / 2:
            return "CP949"
    return "LATIN1"


def strip_gutenberg(text: str) -> str:
    r"""Remove the header and footer that Project Gutenberg adds to a text, and line feeds at its beginning.

    Examples
    --------
    >>> from gluon_deeprnn.data.files import strip_gutenberg
    >>> strip_gutenberg('About\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce\n*** END OF THIS PROJECT GUT')
    'Once\n'
    """
    start = re.search(r"^\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG[^\n]*\n", text, re.MULTILINE)
    end = re.search(r"^ *(\*\*\* ?END OF (THE|THIS) PROJECT GUT|End of (the )?Project Gutenberg)", text, re.MULTILINE)
    return text[start.end() if start else 0:end.start() if end else len(text)].lstrip("\n")
