"""Corpora: *The Time Machine*, and a text from Python's standard library."""

import hashlib
import logging
import os
from pathlib import Path
import queue
import re
import threading
import time
from typing import Any, Union
import urllib.error
import urllib.parse
import urllib.request

from gluon_deeprnn import _checks
from gluon_deeprnn.data.files import text_of
from gluon_deeprnn.data.source import Source
from gluon_deeprnn.errors import CorpusUnavailableError, Described, InputError
from gluon_deeprnn.storage import cache_folder, replace_file

TIME_MACHINE_URL = "http://d2l-data.s3-accelerate.amazonaws.com/timemachine.txt"
TIME_MACHINE_SHA1 = "090b5e7e70c295757f55df93cb0a180b9691891a"
_TIME_MACHINE_BYTES = 178_979
_log = logging.getLogger(__name__)

CORPORA = ("time-machine", "python-docs")


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
            return text_of("time-machine", content, path)
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
        return text_of("time-machine", content, cached)
    return text_of("time-machine", cached.read_bytes(), cached)


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


def default_corpus() -> Source:
    """Return ``time-machine`` if it is available, else ``python-docs`` with a warning in the log (stderr)."""
    try:
        return time_machine()
    except CorpusUnavailableError as error:
        _log.warning("training on python-docs instead: %s", error)
        return python_docs()
