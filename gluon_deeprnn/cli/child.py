"""One process of a training, as `gluon_deeprnn.distributed.part` starts it: ``python child.py PIPE -- train ...``.

It runs as a file: importing the package imports MXNet, which does not return in a scheduler or a server.  Every second
it writes a line to the pipe, even while a call of MXNet blocks; the process that reads the pipe ends one that does not.
"""

import contextlib
import ctypes
import os
from pathlib import Path
import signal
import sys
import threading
import time
from typing import Any

SECONDS = 1.0
"""The time between two signs of life."""


def main() -> None:
    """Run until the training is over, or this process is killed."""
    pipe, arguments = int(sys.argv[1]), sys.argv[3:]
    if sys.platform == "linux":  # end with the process that started this one
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    threading.Thread(target=_show_life, args=(pipe,), daemon=True).start()
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    if os.environ["DMLC_ROLE"] != "worker":
        import gluon_deeprnn.runtime  # noqa: F401
        return
    status = _work(arguments, pipe)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    # At a normal exit, ps-lite waits for all workers; one that failed would wait forever.
    os._exit(status)


def _show_life(pipe: int) -> None:
    while True:
        try:
            os.write(pipe, b"alive\n")
        except OSError:
            os._exit(1)  # nobody watches any more
        time.sleep(SECONDS)


def _work(arguments: Any, pipe: int) -> int:
    from gluon_deeprnn.cli.main import main as run
    from gluon_deeprnn.distributed import joined

    workers = joined()
    os.write(pipe, b"joined\n")
    try:
        status = run(arguments)
    except BaseException:
        import traceback
        traceback.print_exc()
        return 1
    if status == 0 or workers.stopping:
        workers.wait()  # the results are written
        os.write(pipe, b"done\n")
    return status


if __name__ == "__main__":
    main()
