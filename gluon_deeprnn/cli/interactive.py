"""Text that a model and a user write in turns, and text that is written while it is generated."""

import contextlib
import io
import signal
import sys
import threading
from typing import Any, Callable, Iterator, List, Optional

from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation import Continuation, TrainingText

_PROMPT = "> "


class Writing:
    """Writes what a model generates on standard output, and what is to be said about it on standard error.

    Parameters
    ----------
    text : Continuation
    length, stop
        As for `Continuation.write`.
    training : TrainingText, optional
        If given, what each text has copied from it is reported.
    """

    def __init__(self, text: Continuation, length: Any, stop: List[str], training: Optional[TrainingText]) -> None:
        self.text, self._length, self._stop, self._training = text, length, stop, training

    def write(self, before: str, interrupted: Callable[[], bool] = lambda: False, *, last: bool = False) -> None:
        """Write one text, and a line end, until it ends or is interrupted; ``before`` is written before it."""
        num_before = len(self.text.tokens)
        pieces = self.text.write(self._length, self._stop, last=last)  # raises errors before anything is written
        sys.stdout.write(before)
        sys.stdout.flush()
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
            if interrupted():
                break
        print(flush=True)
        if self.text.ended == "no_copy":
            note("the text ends: every next token would copy more of the training text")
        if self._training is not None:
            print(self._training.report([self.text.tokens[num_before:]]), file=sys.stderr)


def note(message: str) -> None:
    """Write a line on standard error."""
    print(f"gluon-deeprnn: {message}", file=sys.stderr)


def converse(writing: Writing, prefix: Optional[str], *, skip_unknown: bool) -> None:
    """Continue the prefix, if there is one, and then each line of standard input, until its end.

    Each line is appended to the text; one after the end of a record begins the next record.

    Raises
    ------
    KeyboardInterrupt
        After a second Ctrl-C; the first one ends a text that is being written.
    """
    text = writing.text
    if prefix is not None:
        text.read(prefix, skip_unknown=skip_unknown)
        with _interruptible() as interrupted:
            writing.write(prefix, interrupted)
    for line in _lines():
        try:
            before = _read(text, line, skip_unknown=skip_unknown)
            if not text.tokens:
                note("type the beginning of a text")
                continue
        except InputError as error:
            note(" ".join(str(error).split()))
            continue
        with _interruptible() as interrupted:
            writing.write(before, interrupted)


def _read(text: Continuation, line: str, *, skip_unknown: bool) -> str:
    """Append a line to a text, or begin the next record with it; return what is to be shown before what follows."""
    if text.ended == "record":
        text.begin()
    if line:
        text.read(line, skip_unknown=skip_unknown)
    elif text.ended == "stop":  # without it, the text would end there again
        found = text.found
        text.read(found)
        return found
    return ""


def _lines() -> Iterator[str]:
    """The lines of standard input, without line ends; a terminal is asked for each."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # a line that is not UTF-8 has unknown tokens
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if asks:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - input() then has a history and edits lines
    while True:
        try:
            line = input(_PROMPT) if asks else next(sys.stdin)
        except (EOFError, StopIteration):
            if asks:
                print()
            return
        yield line.rstrip("\r\n")


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Inside the context, the first Ctrl-C is only remembered, so that a step of the model is not cut in two."""
    asked = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    ours = (threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    if ours:
        signal.signal(signal.SIGINT, handle)
    try:
        yield asked.is_set
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
