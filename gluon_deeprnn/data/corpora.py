"""Corpora: *The Time Machine*, a text from Python's standard library, or the user's own files."""

import codecs
import contextlib
import dataclasses
import hashlib
import logging
import os
from pathlib import Path
import queue
import re
import threading
import time
from typing import Any, List, Optional, Sequence, Union
import urllib.error
import urllib.parse
import urllib.request

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import CorpusUnavailableError, Described, InputError
from gluon_deeprnn.storage import cache_folder, read_file, read_stream, replace_file

TIME_MACHINE_URL = "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt"
TIME_MACHINE_SHA1 = "090b5e7e70c295757f55df93cb0a180b9691891a"
_TIME_MACHINE_BYTES = 178_979
_MOST_TEXT = 2**31
_log = logging.getLogger(__name__)

CORPORA = ("time-machine", "python-docs")


@dataclasses.dataclass(frozen=True)
class Source:
    """A named text before cleaning.

    Attributes
    ----------
    name : str
        The name of the corpus or of the file.
    text : str
        The text, with line feeds as line ends and without Project Gutenberg's header and footer.
    sha1 : str
        SHA-1 of the file's bytes, in hexadecimal.
    content : bytes, optional
        The bytes, if they came from a stream, which cannot be read a second time.
    """

    name: str
    text: str
    sha1: str
    content: Optional[bytes] = dataclasses.field(default=None, repr=False)


def corpus(name: str) -> Source:
    """Return a corpus by its name: ``time-machine`` or ``python-docs``.

    Raises
    ------
    ValueError
        For any other name, and if the corpus is not available (`gluon_deeprnn.errors.CorpusUnavailableError`).
    """
    return time_machine() if _checks.one_of("corpus", name, CORPORA) == "time-machine" else python_docs()


def time_machine(timeout: float = 10) -> Source:
    """H. G. Wells, *The Time Machine*, in D2L's edition.

    It is read from ``$GLUON_DEEPRNN_DATA/timemachine.txt``, else from the user's cache, else downloaded into the cache
    from D2L's public URL.  The SHA-1 of the text is verified.

    Parameters
    ----------
    timeout : float, default 10
        Time limit for the whole download, in seconds.

    Raises
    ------
    CorpusUnavailableError
        If it is found in none of the three places.
    """
    folder = os.environ.get("GLUON_DEEPRNN_DATA")
    if folder:
        path = Path(folder) / "timemachine.txt"
        if path.exists():
            content = path.read_bytes()
            digest = hashlib.sha1(content).hexdigest()
            if digest != TIME_MACHINE_SHA1:
                raise InputError(str(path), f"D2L's edition, SHA-1 {TIME_MACHINE_SHA1}", digest)
            return _decode("time-machine", content, path)
    cached = cache_folder() / "timemachine.txt"
    if not cached.exists() or hashlib.sha1(cached.read_bytes()).hexdigest() != TIME_MACHINE_SHA1:
        content = _download(TIME_MACHINE_URL, timeout, _TIME_MACHINE_BYTES)
        digest = hashlib.sha1(content).hexdigest()
        if digest != TIME_MACHINE_SHA1:
            raise CorpusUnavailableError(TIME_MACHINE_URL, f"D2L's edition, SHA-1 {TIME_MACHINE_SHA1}", digest)
        try:
            cached.parent.mkdir(parents=True, exist_ok=True)
            replace_file(cached, content)
        except (OSError, InputError) as error:  # no space: use the text, and download it again next time
            _log.warning("the downloaded text could not be cached: %s", error)
        return _decode("time-machine", content, cached)
    return _decode("time-machine", cached.read_bytes(), cached)


def _download(url: str, timeout: float, size: int) -> bytes:
    try:
        return fetch(url, timeout, size)
    except urllib.error.URLError as error:
        raise CorpusUnavailableError(
            "time-machine", "in the cache or downloadable", Described(f"{url}: {error.reason}"),
            "put timemachine.txt into the folder that GLUON_DEEPRNN_DATA names, or use python-docs") from None


def fetch(url: str, timeout: float, max_bytes: int) -> bytes:
    """Download the content of a URL, at most ``max_bytes + 1`` bytes of it.

    Parameters
    ----------
    url : str
        The URL.
    timeout : float
        Time limit for the whole download, in seconds.
    max_bytes : int
        The maximum size that is expected.

    Raises
    ------
    urllib.error.URLError
        If there is no complete response within this time.
    """
    ended: queue.Queue[Union[bytes, Exception]] = queue.Queue()

    def run() -> None:
        try:
            ended.put(_fetch(url, timeout, max_bytes))
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # otherwise its connection stays open as long as the exception object exists
            ended.put(error)

    # DNS resolution has no timeout, so the request runs in a thread.
    threading.Thread(target=run, daemon=True).start()
    try:
        outcome = ended.get(timeout=timeout)
    except queue.Empty:
        outcome = urllib.error.URLError(f"no response within {timeout:g} seconds")
    if isinstance(outcome, bytes):
        return outcome
    raise urllib.error.URLError(getattr(outcome, "reason", None) or str(outcome))


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows redirects within the same URL scheme only: a redirect to a local file is rejected."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Reject a different scheme; otherwise do what the standard library does."""
        if urllib.parse.urlsplit(newurl).scheme != urllib.parse.urlsplit(req.full_url).scheme:
            raise urllib.error.URLError(f"a redirect to {newurl}, which has a different scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, timeout: float, size: int) -> bytes:
    deadline = time.monotonic() + timeout
    content = bytearray()
    with urllib.request.build_opener(_SameScheme).open(url, timeout=timeout) as response:
        while len(content) <= size:
            if time.monotonic() > deadline:
                raise urllib.error.URLError(f"no response within {timeout:g} seconds")
            block = response.read1(min(65536, size + 1 - len(content)))
            if not block:
                if response.length:
                    raise urllib.error.URLError(f"the response ends {response.length} bytes too early")
                break
            content += block
    return bytes(content)


def python_docs() -> Source:
    """The prose of Python's language reference, which the standard library contains as ``pydoc_data.topics``.

    English text that is available on every machine.  It differs slightly between versions of Python.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions omit it from the standard library
        raise CorpusUnavailableError("python-docs", "in this Python's standard library",
                                Described("no pydoc_data.topics"), "pass your own text") from None
    paragraphs = [p.strip("\n") for topic in sorted(topics) for p in re.split(r"\n\s*\n", topics[topic])]
    prose = "\n\n".join(dict.fromkeys(p for p in paragraphs if _is_prose(p)))  # topics contain the same paragraphs
    return Source("python-docs", prose + "\n", hashlib.sha1((prose + "\n").encode()).hexdigest())


def _is_prose(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    marked = any(re.match(r"\s*(>>>|\.\. |\||\*\*\*|===|---|\^\^\^|~~~|\+--)", line) for line in lines)
    letters = sum(character.isalpha() or character.isspace() for character in paragraph)
    sentence = re.match(r"\s*[\"*(]?[A-Z]", paragraph) and paragraph.rstrip()[-1] in ".:)"
    return bool(sentence) and not marked and len(paragraph) >= 60 and letters >= 0.85 * len(paragraph)


def read_texts(paths: Sequence[Union[str, "os.PathLike[str]"]], *, raw: bool = False) -> List[Source]:
    """Read text files as sources named after the files; a number is appended to duplicate names.

    ``-`` is standard input.  Standard input and pipes, such as the shell's ``<(...)``, are named "stream".

    Parameters
    ----------
    paths : sequence of str or path
        The files.
    raw : bool, default False
        Take any file as it is, byte by byte, with ``surrogateescape`` for what is not UTF-8.  Otherwise it has to be
        UTF-8; line ends become line feeds, and Project Gutenberg's header and footer are left out.

    Raises
    ------
    ValueError
        For a file that is missing, empty or not UTF-8.
    """
    raw = _checks.flag("raw", raw)
    sources: List[Source] = []
    for path in map(Path, _checks.sequence("paths", paths, (str, os.PathLike), "a list of files")):
        stream = _stream(path)
        try:
            content = read_file(path, _MOST_TEXT) if stream is None else read_stream(stream, _MOST_TEXT)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise InputError("text", "a file that can be read",
                                     Described(f"{str(path)!r}: {reason}")) from None
        taken, given = [source.name for source in sources], path.name if stream is None else "stream"
        name = next(n for n in [given, *(f"{given} ({i})" for i in range(2, len(taken) + 3))] if n not in taken)
        source = _undecoded(name, content, path) if raw else _decode(name, content, path)
        sources.append(source if stream is None else dataclasses.replace(source, content=content))
    return sources


def _stream(path: Path) -> Optional[int]:
    """The descriptor of a stream that is already open: ``-`` is standard input, ``<(...)`` is ``/dev/fd/63``."""
    if str(path) in ("-", "/dev/stdin"):
        return 0
    opened = re.fullmatch(r"/(?:dev|proc/self)/fd/(\d{1,9})", str(path))
    return int(opened[1]) if opened else None


def _undecoded(name: str, content: bytes, path: Path) -> Source:
    if not content:
        raise InputError("text", "a file with something in it", str(path))
    return Source(name, content.decode("utf-8", "surrogateescape"), hashlib.sha1(content).hexdigest())


def _decode(name: str, content: bytes, path: Path) -> Source:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "text", "UTF-8", Described(f"{str(path)!r}, byte {content[error.start]:#04x} at {error.start}"),
            f"convert it first: iconv -f {_likely_encoding(content)} -t UTF-8 FILE") from None
    if "\0" in text:
        raise InputError("text", "a text", Described(f"{str(path)!r}, which contains null bytes"))
    text = strip_gutenberg(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise InputError("text", "a non-empty text", str(path))
    return Source(name, text, hashlib.sha1(content).hexdigest())


def _likely_encoding(content: bytes) -> str:
    """Guess the encoding of a text that is not UTF-8 from its byte-order mark or the letters that it decodes to."""
    for mark, name in ((codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
                       (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16")):
        if content.startswith(mark):
            return name
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
    >>> from gluon_deeprnn.data.corpora import strip_gutenberg
    >>> strip_gutenberg('About\n*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce\n*** END OF THIS PROJECT GUT')
    'Once\n'
    """
    start = re.search(r"^\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG[^\n]*\n", text, re.MULTILINE)
    end = re.search(r"^ *(\*\*\* ?END OF (THE|THIS) PROJECT GUT|End of (the )?Project Gutenberg)", text, re.MULTILINE)
    return text[start.end() if start else 0:end.start() if end else len(text)].lstrip("\n")


def default_corpus() -> Source:
    """Return ``time-machine`` if it is available, else ``python-docs`` with a warning in the log (stderr)."""
    try:
        return time_machine()
    except CorpusUnavailableError as error:
        _log.warning("training on python-docs instead: %s", error)
        return python_docs()
