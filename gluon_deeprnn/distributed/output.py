"""Copies the output of a process to a file and to the terminal."""

import contextlib
import fcntl
import os
import pty
import struct
import termios
import threading
from typing import Any, BinaryIO

_LAST_OUTPUT = 2.0  # seconds to wait for a stream that nobody may read


class Output:
    """Copies the output of a process to its log and to a stream of this one; on a terminal it has a terminal too.

    A thread does so: a stream that nobody reads blocks it, and not what watches.

    Parameters
    ----------
    stream : file
        Standard output or standard error of this process.
    log : binary file
        The log.
    """

    def __init__(self, stream: Any, log: BinaryIO) -> None:
        self._stream, self._log = stream, log
        if stream.isatty():
            self._end, self.child_end = pty.openpty()
            with contextlib.suppress(OSError):
                size = fcntl.ioctl(stream.fileno(), termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
                fcntl.ioctl(self.child_end, termios.TIOCSWINSZ, size)
        else:
            self._end, self.child_end = os.pipe()
        self._thread = threading.Thread(target=self._copy, daemon=True)

    def begin(self) -> None:
        """Copy, after the process was started."""
        os.close(self.child_end)
        self._thread.start()

    def _copy(self) -> None:
        while True:
            try:
                content = os.read(self._end, 65536)
            except OSError:  # a terminal whose process has ended
                content = b""
            if not content:
                return
            with contextlib.suppress(OSError, ValueError):
                self._log.write(content)
            with contextlib.suppress(OSError, ValueError):
                if hasattr(self._stream, "buffer"):
                    self._stream.buffer.write(content)
                else:
                    self._stream.write(content.decode(errors="replace"))
                self._stream.flush()

    def close(self) -> None:
        """Wait for what is left; not for a stream that nobody reads."""
        self._thread.join(_LAST_OUTPUT)
        if not self._thread.is_alive():
            os.close(self._end)
