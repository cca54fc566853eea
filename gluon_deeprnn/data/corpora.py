"""Where texts come from: *The Time Machine*, a text that Python itself brings, or files of the user's own."""

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
    """A named text, as it was found (before cleaning).

    Attributes
    ----------
    name : str
        The corpus's name, or the file's.
    text : str
        Its characters, line ends as line feeds, without Project Gutenberg's header and footer.
    sha1 : str
        SHA-1 of its bytes, in hexadecimal.
    content : bytes, optional
        Its bytes, where they came from a stream, which cannot be read again.
    """

    name: str
    text: str
    sha1: str
    content: Optional[bytes] = dataclasses.field(default=None, repr=False)


def corpus(name: str) -> Source:
    """A corpus by its name: ``time-machine`` or ``python-docs``.

    Raises
    ------
    ValueError
        For another name, and when the corpus cannot be had (`CorpusUnavailableError`).
    """
    return time_machine() if _checks.one_of("corpus", name, CORPORA) == "time-machine" else python_docs()


def time_machine(timeout: float = 10) -> Source:
    """H. G. Wells, *The Time Machine*, in D2L's edition.

    It is read from ``$GLUON_DEEPRNN_DATA/timemachine.txt``, else from the user's cache, else downloaded into the cache
    from D2L's public address.  Nothing but the one right text, by its SHA-1, is accepted.

    Parameters
    ----------
    timeout : float, default 10
        Seconds that the whole download may take.

    Raises
    ------
    CorpusUnavailableError
        When none of the three has it.
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
        except (OSError, InputError) as error:  # no room: the text is used, and downloaded again next time
            _log.warning("the text was not kept for the next time: %s", error)
        return _decode("time-machine", content, cached)
    return _decode("time-machine", cached.read_bytes(), cached)


def _download(url: str, timeout: float, size: int) -> bytes:
    try:
        return fetch(url, timeout, size)
    except urllib.error.URLError as error:
        raise CorpusUnavailableError(
            "time-machine", "at hand or to be downloaded", Described(f"{url}: {error.reason}"),
            "put timemachine.txt into a folder named by GLUON_DEEPRNN_DATA, or choose python-docs") from None


def fetch(url: str, timeout: float, max_bytes: int) -> bytes:
    """The content of a web address; of a longer one ``max_bytes + 1`` bytes.

    Parameters
    ----------
    url : str
        Its address.
    timeout : float
        Seconds that the whole download may take.
    max_bytes : int
        The largest content that is expected.

    Raises
    ------
    urllib.error.URLError
        When there is no complete answer in this time.
    """
    ended: queue.Queue[Union[bytes, Exception]] = queue.Queue()

    def run() -> None:
        try:
            ended.put(_fetch(url, timeout, max_bytes))
        except Exception as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # its connection would stay open for as long as the error lives
            ended.put(error)

    # A name server that does not answer keeps its caller for as long as it likes: the caller is a thread.
    threading.Thread(target=run, daemon=True).start()
    try:
        outcome = ended.get(timeout=timeout)
    except queue.Empty:
        outcome = urllib.error.URLError(f"no answer within {timeout:g} seconds")
    if isinstance(outcome, bytes):
        return outcome
    raise urllib.error.URLError(getattr(outcome, "reason", None) or str(outcome))


class _SameScheme(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to another place, not to another kind of place, such as a file of this machine."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        """Refuse another scheme; leave the rest to the standard library."""
        if urllib.parse.urlsplit(newurl).scheme != urllib.parse.urlsplit(req.full_url).scheme:
            raise urllib.error.URLError(f"a redirection to {newurl}, of another scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, timeout: float, size: int) -> bytes:
    deadline = time.monotonic() + timeout
    content = bytearray()
    with urllib.request.build_opener(_SameScheme).open(url, timeout=timeout) as response:
        while len(content) <= size:
            if time.monotonic() > deadline:
                raise urllib.error.URLError(f"no answer within {timeout:g} seconds")
            block = response.read1(min(65536, size + 1 - len(content)))
            if not block:
                if response.length:
                    raise urllib.error.URLError(f"the answer ends {response.length} bytes too early")
                break
            content += block
    return bytes(content)


def python_docs() -> Source:
    """The prose of Python's own language reference, which the standard library carries as ``pydoc_data.topics``.

    Real English, on every machine; the text differs a little from one version of Python to the next.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError:  # some distributions pack the standard library without it
        raise CorpusUnavailableError("python-docs", "in this Python's standard library",
                                Described("no pydoc_data.topics"), "pass a text of your own") from None
    paragraphs = [p.strip("\n") for topic in sorted(topics) for p in re.split(r"\n\s*\n", topics[topic])]
    prose = "\n\n".join(dict.fromkeys(p for p in paragraphs if _is_prose(p)))  # topics repeat one another
    return Source("python-docs", prose + "\n", hashlib.sha1((prose + "\n").encode()).hexdigest())


def _is_prose(paragraph: str) -> bool:
    lines = paragraph.splitlines()
    marked = any(re.match(r"\s*(>>>|\.\. |\||\*\*\*|===|---|\^\^\^|~~~|\+--)", line) for line in lines)
    letters = sum(character.isalpha() or character.isspace() for character in paragraph)
    sentence = re.match(r"\s*[\"*(]?[A-Z]", paragraph) and paragraph.rstrip()[-1] in ".:)"
    return bool(sentence) and not marked and len(paragraph) >= 60 and letters >= 0.85 * len(paragraph)


def read_texts(paths: Sequence[Union[str, "os.PathLike[str]"]], *, raw: bool = False) -> List[Source]:
    """Text files as named sources; each keeps its file name, a number added where two are alike.

    ``-`` is standard input; it and pipes, such as a shell's ``<(...)``, are named "stream".

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
    """The descriptor of a stream that is open already: ``-`` is standard input, ``<(...)`` is ``/dev/fd/63``."""
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
        raise InputError("text", "a text", Described(f"{str(path)!r}, which holds zero bytes"))
    text = strip_gutenberg(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise InputError("text", "a text with something in it", str(path))
    return Source(name, text, hashlib.sha1(content).hexdigest())


def _likely_encoding(content: bytes) -> str:
    """What a text that is no UTF-8 probably is: by its byte-order mark, its zero bytes, or what decodes to letters."""
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
    r"""A text without the header and footer that Project Gutenberg puts around it; other texts as they are.

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
    """``time-machine`` when it can be had, else ``python-docs``, and then a warning in the log (stderr) says so."""
    try:
        return time_machine()
    except CorpusUnavailableError as error:
        _log.warning("training on python-docs instead: %s", error)
        return python_docs()
