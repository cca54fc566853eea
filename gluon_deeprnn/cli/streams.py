"""Standard streams that may be closed, full, or read by nobody."""

import contextlib
import os
import sys
from typing import Any, Iterator, TextIO

from gluon_deeprnn.errors import Described, InputError


class _Output:
    """Standard output whose failures are errors of ours; a reader that has gone stays a `BrokenPipeError`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or say why not."""
        return self._tried(self._stream.write, text)

    def flush(self) -> None:
        """Likewise."""
        self._tried(self._stream.flush)

    def _tried(self, call: Any, *arguments: Any) -> Any:
        try:
            return call(*arguments)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError("standard output", "a place that can be written",
                             Described(error.strerror or str(error))) from None


class _Notes(_Output):
    """Standard error: what cannot be written there is left out, and nothing else stops for it."""

    def _tried(self, call: Any, *arguments: Any) -> Any:
        with contextlib.suppress(OSError):
            return call(*arguments)
        return 0


def replace_missing() -> None:
    """Put the null device where Python has no stream, as it was closed."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Handle standard output and standard error in this way while a command runs."""
    output, notes = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Output(output), _Notes(notes)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = output, notes


def abandon(stream: TextIO) -> None:
    """Let what is still buffered go nowhere, or Python would try to write it when it ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def abandon_what_fails() -> None:
    """The same for the standard streams that cannot be written, now that nothing more will come."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            abandon(stream)
