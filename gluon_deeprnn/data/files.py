"""Reads the user's texts: files, folders, patterns of file names, pipes."""

import codecs
import contextlib
import dataclasses
import glob
import hashlib
import logging
import os
from pathlib import Path
import re
from typing import Iterator, List, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data.source import Source
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.storage import read_file, read_stream

_MOST_TEXT = 2**31
_MARKS = ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"), (codecs.BOM_UTF16_LE, "UTF-16"),
          (codecs.BOM_UTF16_BE, "UTF-16"))
"""Byte-order marks and their encodings; the mark of UTF-32 begins with that of UTF-16."""

_log = logging.getLogger(__name__)


def read_texts(paths: Sequence[Union[str, "os.PathLike[str]"]], *, raw: bool = False) -> List[Source]:
    """Read text files as sources named after the files; a number is appended to duplicate names.

    Parameters
    ----------
    paths : sequence of str or path
        Files, folders and patterns.  ``-`` is standard input; it and pipes, such as the shell's ``<(...)``, are named
        "stream".  A folder stands for the texts in it and in the folders inside it, in the order of their paths;
        hidden files are left out, and files that are not text too, with a note in the log.  A pattern such as
        ``notes/*.txt`` stands for the files that match it, also sorted.
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
    for path in map(Path, _checks.sequence("paths", paths, (str, os.PathLike), "a list of files")):
        for name, found in _read(path, raw):
            taken = [source.name for source in sources]
            free = next(n for n in [name, *(f"{name} ({i})" for i in range(2, len(taken) + 3))] if n not in taken)
            sources.append(dataclasses.replace(found, name=free))
    return sources


def _read(path: Path, raw: bool) -> Iterator[Tuple[str, Source]]:
    """The texts that a path stands for, with their names."""
    stream = _stream(path)
    if stream is not None:
        content = _content(path, stream)
        yield "stream", dataclasses.replace(_source("stream", content, path, raw), content=content)
    elif path.is_dir():
        yield from _folder(path, raw)
    elif not path.exists() and glob.has_magic(str(path)):
        files = sorted(file for file in glob.glob(str(path), recursive=True) if os.path.isfile(file))
        if not files:
            raise InputError("text", "a file, a folder, or a pattern that matches a file", str(path))
        for file in map(Path, files):
            yield file.name, _file(file, raw)
    else:
        yield path.name, _file(path, raw)


def _folder(folder: Path, raw: bool) -> Iterator[Tuple[str, Source]]:
    visible = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    visible = [name for name in visible if not any(part.startswith(".") for part in name.parts)]
    skipped = []
    for name in visible:
        content = _content(folder / name)
        try:
            found = _source(name.name, content, folder / name, raw)
        except InputError as error:
            skipped.append(f"{name} (not {error.rule})")
        else:
            yield str(name), dataclasses.replace(found, path=folder / name)
    if len(skipped) == len(visible):
        raise InputError("text", "a folder with a text in it", str(folder))
    if skipped:
        more = f" and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        _log.warning("not text, and left out: %s%s", ", ".join(skipped[:3]), more)


def _file(path: Path, raw: bool) -> Source:
    return dataclasses.replace(_source(path.name, _content(path), path, raw), path=path)


def _content(path: Path, stream: Optional[int] = None) -> bytes:
    try:
        return read_file(path, _MOST_TEXT) if stream is None else read_stream(stream, _MOST_TEXT)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError("text", "a file that can be read", Described(f"{str(path)!r}: {reason}")) from None


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
    try:
        text = content.decode("utf-8-sig" if encoding == "UTF-8" else encoding)
    except UnicodeDecodeError as error:
        described = Described(f"{str(path)!r}, byte {content[error.start]:#04x} at {error.start}")
        if encoding != "UTF-8":
            raise InputError("text", f"{encoding}, as its byte-order mark says", described) from None
        raise InputError("text", "UTF-8", described,
                         f"convert it first: iconv -f {_likely_encoding(content)} -t UTF-8 FILE") from None
    if "\0" in text:
        raise InputError("text", "a text", Described(f"{str(path)!r}, which contains null bytes"))
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
    r"""Remove the header and footer that Project Gutenberg adds to a text; other texts are returned unchanged.

    Examples
    --------
    >>> from gluon_deeprnn.data.files import strip_gutenberg
    >>> strip_gutenberg('About\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce\n*** END OF THIS PROJECT GUT')
    'Once\n'
    """
    start = re.search(r"^\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG[^\n]*\n", text, re.MULTILINE)
    end = re.search(r"^ *(\*\*\* ?END OF (THE|THIS) PROJECT GUT|End of (the )?Project Gutenberg)", text, re.MULTILINE)
    return text[start.end() if start else 0:end.start() if end else len(text)].lstrip("\n")
