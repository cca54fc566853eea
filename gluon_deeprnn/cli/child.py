"""One process of a training, as `gluon_deeprnn.distributed.part` starts it: ``python child.py OUT IN SECONDS -- ...``.

It runs as a file: importing the package imports MXNet, which does not return in a scheduler or a server.  Every second
it writes a line to the pipe OUT, even while a call of MXNet blocks; the process that reads it ends one that does not.
That process writes to the pipe IN; if nothing comes for SECONDS, this process ends.
"""

import contextlib
import ctypes
import os
from pathlib import Path
import select
import signal
import sys
import threading
import time
from typing import Any, List

SECONDS = 1.0
"""The time between two signs of life."""

_joined: List[Any] = []


def main() -> None:
    """Run until the training is over, or this process is killed."""
    pipe, watching, seconds, arguments = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[5:]
    if sys.platform == "linux":  # end with the process that started this one
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    threading.Thread(target=_show_life, args=(pipe, watching, seconds), daemon=True).start()
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


def _show_life(pipe: int, watching: int, seconds: float) -> None:
    silence = 0.0  # in seconds in which this process ran: it may have been stopped for some time
    while True:
        workers = _joined[0] if _joined else None
        waits = "waiting" if workers is not None and workers.is_waiting else "busy"
        try:
            os.write(pipe, f"alive {0 if workers is None else workers.received} {waits}\n".encode())
            if select.select([watching], [], [], 0)[0]:
                silence = 0.0
                if not os.read(watching, 4096):
                    os._exit(1)
        except OSError:
            os._exit(1)  # nobody watches any more
        time.sleep(SECONDS)
        silence += SECONDS
        if silence > seconds:
            os._exit(1)


def _work(arguments: Any, pipe: int) -> int:
    from gluon_deeprnn.cli.main import main as run
    from gluon_deeprnn.distributed import joined

    workers = joined()
    _joined.append(workers)
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
