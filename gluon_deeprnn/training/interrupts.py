"""Ctrl-C, and requests to end, while a model is trained: answered between two steps."""

import contextlib
import logging
import signal
import threading
from typing import Any, Callable, Iterator

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def interrupts() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a question that the loop asks between steps; the second one stops at once.

    A request to end (SIGTERM) is treated alike where the program treats it as Ctrl-C, as the command line does.
    """
    pressed = threading.Event()
    ours = [number for number in (signal.SIGINT, signal.SIGTERM)
            if threading.current_thread() is threading.main_thread()  # elsewhere somebody else handles them
            and signal.getsignal(number) is signal.default_int_handler]

    def first(number: int, frame: Any) -> None:
        pressed.set()
        signal.signal(number, signal.default_int_handler)
        _log.warning("stopping after a few more steps (%s stops at once)",
                     "Ctrl-C again" if number == signal.SIGINT else "asking again")

    for number in ours:
        signal.signal(number, first)
    try:
        yield pressed.is_set
    finally:
        for number in ours:
            signal.signal(number, signal.default_int_handler)
