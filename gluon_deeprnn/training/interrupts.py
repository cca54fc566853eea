"""Ctrl-C and termination signals during training: handled between two steps."""

import contextlib
import logging
import os
import signal
import threading
from typing import Any, Iterator

from gluon_deeprnn.errors import ExitStatus

_log = logging.getLogger(__name__)
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SECONDS_TO_RESPOND = 3.0


class Interrupts:
    """Whether a training has been interrupted by a signal.

    Attributes
    ----------
    began : bool
        Whether a step was run.  Before the first step no progress can be lost.  Graphs are then compiled, for which a
        call of MXNet can block for a long time.  Until then a signal is handled immediately, if necessary by ending the
        process.
    """

    def __init__(self) -> None:
        self.began = False
        self._requested = threading.Event()

    def asked(self) -> bool:
        """Whether the training loop should stop after the current step."""
        return self._requested.is_set()

    def handle(self, number: int, frame: Any) -> None:
        """Handle the first signal: set the flag that the training loop checks."""
        self._requested.set()
        if not self.began:
            raise KeyboardInterrupt
        signal.signal(number, signal.default_int_handler)
        _log.warning("stopping after a few more steps (%s stops immediately)",
                     "Ctrl-C again" if number == signal.SIGINT else "a second signal")

    def watch(self, reader: int) -> None:
        """Read the numbers of arriving signals, even while a call of MXNet blocks Python's signal handlers."""
        while True:
            arrived = os.read(reader, 1)
            if not arrived:
                return
            ours = arrived[0] in {int(number) for number in _SIGNALS}
            if ours and not self.began and not self._requested.wait(_SECONDS_TO_RESPOND):
                with contextlib.suppress(OSError):
                    os.write(2, b"stopped before the first step\n")
                os._exit(ExitStatus.INTERRUPTED)


@contextlib.contextmanager
def interrupts() -> Iterator[Interrupts]:
    """The first Ctrl-C sets a flag that the loop checks between steps; the second one stops immediately.

    Termination signals (SIGTERM, SIGHUP) are handled in the same way if the program handles them like Ctrl-C, as the
    command line does.
    """
    state = Interrupts()
    ours = [number for number in _SIGNALS
            if threading.current_thread() is threading.main_thread()  # only the main thread can set handlers
            and signal.getsignal(number) is signal.default_int_handler]
    with _watched(state) if signal.SIGTERM in ours else contextlib.nullcontext():
        for number in ours:
            signal.signal(number, state.handle)
        try:
            yield state
        finally:
            for number in ours:
                signal.signal(number, signal.default_int_handler)


@contextlib.contextmanager
def _watched(state: Interrupts) -> Iterator[None]:
    """Read the numbers of signals in a thread; only for a process that this package may end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    thread = threading.Thread(target=state.watch, args=(reader,), daemon=True)
    try:
        thread.start()
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writer)  # ends the thread
        if thread.ident is not None:
            thread.join()
        os.close(reader)
