"""A lock that serializes calls of blocks from several threads."""

import os
import threading
from typing import Any


class _ReentrantLock:
    """A reentrant lock that is replaced by a new one in a forked process.

    It is held during a fork, so that no block is being called: MXNet would deadlock in the child.
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


one_at_a_time = _ReentrantLock()
"""Held while a block is called or compiled: Gluon's blocks are not thread-safe."""
