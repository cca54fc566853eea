"""The contestants' side of the protocol: answer each line with the seconds that the work took."""

import json
import sys
import time
from typing import Callable, Sequence


def wait_for_turn() -> None:
    """Wait until we may work again; leave when that will not be."""
    if not sys.stdin.readline():
        raise SystemExit


def answer(**measured: float) -> None:
    """Say what it took and gave."""
    print(json.dumps(measured), flush=True)


def serve(epoch: Callable[[], Sequence[float]]) -> None:
    """Say that we are ready; then train an epoch for each line read, and answer with what it took and gave."""
    answer()
    while True:
        wait_for_turn()
        started = time.perf_counter()
        train_ppl, val_ppl = epoch()
        answer(seconds=time.perf_counter() - started, train_ppl=train_ppl, val_ppl=val_ppl)


def timed(work: Callable[[], object]) -> None:
    """The same for work that gives no numbers; what is short is repeated, to be longer than the clock is coarse."""
    work()
    started = time.perf_counter()
    work()
    times = max(1, min(200, round(0.2 / (time.perf_counter() - started))))
    answer()
    while True:
        wait_for_turn()
        started = time.perf_counter()
        for _ in range(times):
            work()
        answer(seconds=(time.perf_counter() - started) / times)
