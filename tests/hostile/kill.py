"""Train in child processes and kill them at random times: python kill.py FOLDER KILLS.  Prints the counts as JSON.

The parent never computes, so that its forked children start like new processes.
"""

import json
import os
from pathlib import Path
import random
import signal
import sys
import time

from gluon_deeprnn import storage
from gluon_deeprnn.runs import RunConfig, RunFolder
from gluon_deeprnn.runs.job import begin_run, resume_run

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. " * 20
VARYING = ("seconds", "tokens_per_second")


def config(file: Path, protocol: str) -> RunConfig:
    """A run in which everything has to be restored: dropout, an optimizer with state, a schedule, a carried state."""
    windows = {"num_train": 200, "num_val": 50} if protocol == "d2l" else {}
    return RunConfig(text=(str(file),), protocol=protocol, num_hiddens=12, batch_size=8, num_steps=6, dropout=0.3,
                     optimizer="adam", lr=0.01, schedule="cosine", max_epochs=12, prefix="the dog",
                     checkpoint_seconds=0.0, **windows)


def forked(work) -> int:
    """Run ``work`` in a child; return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)


def ended(child: int) -> bool:
    """Whether a child completed; it may have been killed, but must not have failed."""
    status = os.waitpid(child, 0)[1]
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0:
        raise SystemExit("a child failed")
    return os.WIFEXITED(status)


def outcome(folder: RunFolder):
    """The complete result of a run, except times."""
    arrays, about = folder.checkpoint()
    rows = [{k: v for k, v in row.items() if k not in VARYING} for row in folder.history()]
    best, _ = folder.model()
    position = {k: v for k, v in about["training"]["position"].items() if k not in VARYING}
    return arrays, best, rows, position, about["training"]["optimizer"]


def same(first, second) -> bool:
    """Whether two outcomes are bitwise identical."""
    return all(a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)
               for a, b in zip(first[:2], second[:2])) and first[2:] == second[2:]


def main() -> None:
    """Kill, resume, compare."""
    top, wanted = Path(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(0)
    (top / "fox.txt").write_text(TEXT, encoding="utf-8")
    seen = {"kills": 0, "runs": 0, "kills_with_a_checkpoint": 0, "complete_files_read": 0}
    references, lasted = {}, {}
    while seen["kills"] < wanted:
        protocol = ("d2l", "book")[seen["runs"] % 2]
        settings = config(top / "fox.txt", protocol)
        if protocol not in references:
            started = time.monotonic()
            folder = RunFolder(top / f"whole-{protocol}")
            assert ended(forked(lambda: begin_run(settings, folder, None, progress=False)))  # noqa: B023
            references[protocol], lasted[protocol] = outcome(folder), time.monotonic() - started
        folder = RunFolder(top / f"killed-{seen['runs']}")
        while True:
            work = resume_run if folder.exists() else lambda f, **o: begin_run(settings, f, None, **o)  # noqa: B023
            child = forked(lambda: work(folder, progress=False))  # noqa: B023
            time.sleep(rng.uniform(0, 0.8 * lasted[protocol]))
            os.kill(child, signal.SIGKILL)
            if ended(child):
                break
            seen["kills"] += 1
            if folder.has_checkpoint():  # the checkpoint is complete at any time
                folder.checkpoint()
                seen["kills_with_a_checkpoint"] += 1
            seen["complete_files_read"] += len(folder.history())
            if seen["kills"] >= wanted:
                assert ended(forked(lambda: (resume_run if folder.exists() else work)(folder, progress=False)))  # noqa: B023
                break
        assert same(outcome(folder), references[protocol]), f"run {seen['runs']} has a different result"
        left = [p.name for p in folder.path.rglob(storage._TEMPORARY + "*")]
        assert not left, left
        seen["runs"] += 1
    print(json.dumps({**seen, "seconds_of_a_whole_run": {k: round(v, 2) for k, v in lasted.items()}}))


if __name__ == "__main__":
    main()
