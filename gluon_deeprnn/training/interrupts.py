"""Ctrl-C, and requests to end, while a model is trained: answered between two steps."""

import contextlib
import logging
import os
import signal
import threading
from typing import Any, Iterator

_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_TO_ANSWER = 3.0


class Interrupts:
    """Whether somebody asked a training to stop.

    Attributes
    ----------
    began : bool
        Whether a step was taken.  Before that nothing can be lost, and graphs are compiled, which MXNet does without
        looking up for a long time: until then a request is answered at once, if need be by ending the process.
    """

    def __init__(self) -> None:
        self.began = False
        self._asked = threading.Event()

    def asked(self) -> bool:
        """Whether the loop should stop after its step."""
        return self._asked.is_set()

    def handle(self, number: int, frame: Any) -> None:
        """Answer the first signal: the loop will ask."""
        self._asked.set()
        if not self.began:
            raise KeyboardInterrupt
        signal.signal(number, signal.default_int_handler)
        _log.warning("stopping after a few more steps (%s stops at once)",
                     "Ctrl-C again" if number == signal.SIGINT else "asking again")

    def watch(self, reader: int) -> None:
        """Read the numbers of signals that arrive, also while Python waits for a call of MXNet and handles none."""
        while True:
            arrived = os.read(reader, 1)
            if not arrived:
                return
            ours = arrived[0] in {int(number) for number in _SIGNALS}
            if ours and not self.began and not self._asked.wait(_SECONDS_TO_ANSWER):
                with contextlib.suppress(OSError):
                    os.write(2, b"stopped before the first step\n")
                os._exit(130)


@contextlib.contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Turn the first Ctrl-C into a question that the loop asks between steps; the second one stops at once.

    Requests to end (SIGTERM, SIGHUP) are treated alike where the program treats them as Ctrl-C, as the command line
    does.
    """
    answer = Interrupts()
    ours = [number for number in _SIGNALS
            if threading.current_thread() is threading.main_thread()  # elsewhere somebody else handles them
            and signal.getsignal(number) is signal.default_int_handler]
    with _watched(answer) if signal.SIGTERM in ours else contextlib.nullcontext():
        for number in ours:
            signal.signal(number, answer.handle)
        try:
            yield answer
        finally:
            for number in ours:
                signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def _watched(answer: Interrupts) -> Iterator[None]:
    """Have a thread read the numbers of signals, in a program that is ours to end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=answer.watch, args=(reader,), daemon=True)
    try:
        thread.start()
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # ends the thread
        if thread.ident is not None:
            thread.join()
        os.close(reader)
