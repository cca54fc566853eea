"""Standard streams that are closed, or cannot be written."""

import contextlib
import os
import sys
from typing import Any, Iterator, TextIO

from gluon_deeprnn.errors import Described, InputError

_CONTROL = {code: "\N{REPLACEMENT CHARACTER}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""Characters that a terminal takes for commands; a text that was trained on, and so a generated one, may have them."""


class _Output:
    """Standard output that raises errors of this package; a closed pipe still raises ``BrokenPipeError``.

    A terminal is shown no control characters; files and pipes get the text unchanged.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, or raise an error with the reason."""
        return self._tried(self._stream.write, text.translate(_CONTROL) if self._stream.isatty() else text)

    def flush(self) -> None:
        """Flush the stream, likewise."""
        self._tried(self._stream.flush)

    def _tried(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError("standard output", "writable",
                             Described(error.strerror or str(error))) from None


class _Notes(_Output):
    """Standard error: write errors are ignored; progress bars need control characters."""

    def write(self, text: str) -> int:
        """Write the text, if possible."""
        return self._tried(self._stream.write, text)

    def _tried(self, call: Any, *arguments: Any) -> Any:
        with contextlib.suppress(OSError):
            return call(*arguments)
        return 0


def replace_missing() -> None:
    """Replace standard streams that were closed, which Python sets to None, by the null device."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Replace standard output and standard error by these classes while a command runs."""
    output, notes = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Output(output), _Notes(notes)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, notes


def abandon(stream: TextIO) -> None:
    """Discard buffered output, which Python would otherwise try to write at exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def abandon_what_fails() -> None:
    """Discard the buffered output of standard streams that cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            abandon(stream)
