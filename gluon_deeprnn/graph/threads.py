"""One call at a time, from any number of threads."""

import os
import threading
from typing import Any


class _Turn:
    """A lock that a thread can take several times, and that a forked process begins anew.

    A process is forked while nobody calls a block: MXNet would wait for ever.
    """

    def __init__(self) -> None:
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self.__enter__, after_in_parent=self.__exit__, after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()


one_at_a_time = _Turn()
"""Held while a block is called or compiled: Gluon's blocks are not made for several threads."""
