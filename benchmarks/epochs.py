"""The contestants' side of the protocol: answer each line with the seconds of an epoch."""

import json
import sys
import time
from typing import Callable, Tuple


def wait_for_turn() -> None:
    """Wait until we may train another epoch; leave when there will be none."""
    if not sys.stdin.readline():
        raise SystemExit


def answer(**measured: float) -> None:
    """Say what an epoch took and gave."""
    print(json.dumps(measured), flush=True)


def serve(epoch: Callable[[], Tuple[float, float]]) -> None:
    """Say that we are ready; then train an epoch for each line read, and answer with what it took and gave."""
    answer()
    while True:
        wait_for_turn()
        started = time.perf_counter()
        train_ppl, val_ppl = epoch()
        answer(seconds=time.perf_counter() - started, train_ppl=train_ppl, val_ppl=val_ppl)
