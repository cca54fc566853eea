"""Time one epoch of the chapter's job, ours and the peers', in turn; print a table.

usage: python -m benchmarks [--rounds N] [--cells gru,lstm,rnn,scratch] [--out FILE.jsonl]

Every contestant is a process of its own with its own threads and settings.  It prepares itself, then trains one epoch
whenever it reads a line, and answers with the seconds that it took.  All take their turn in each round, so that a
machine whose speed drifts treats them alike.  The first round warms up and is not counted.
"""

import argparse
import json
import os
from pathlib import Path
import platform
import statistics
import subprocess
import sys
import tempfile

from gluon_deeprnn.data import TextData, default_corpus
import numpy

HERE = Path(__file__).parent
CONTESTANTS = {"ours": "ours.py", "d2l-mxnet": "d2l_mxnet.py"}
BASE = "d2l-mxnet"


class Contestant:
    """A process that trains an epoch at each call."""

    def __init__(self, name: str, cell: str, tokens: Path, vocab_size: int) -> None:
        self.name = name
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "MXNET_", "MALLOC_"))}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / CONTESTANTS[name]), cell, str(tokens), str(vocab_size)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True, env=environment)
        self._read()

    def epoch(self) -> dict:
        """Seconds, training and validation perplexity of another epoch."""
        self._process.stdin.write("epoch\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"benchmarks: {self.name} ended with status {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        """Let it end."""
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    """Run all rounds; print the table; write one JSON line a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--cells", default="gru,scratch")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "epoch.jsonl")
    options = parser.parse_args()
    source = default_corpus()
    data = TextData([source], 1024, 32)
    print(f"one epoch of the chapter's job (2 layers, 32 hidden units, batch 1024, 32 steps, 10 training and 5 "
          f"validation batches) on {source.name}; {platform.machine()}, {os.cpu_count()} processors; median "
          f"(min to max) of {options.rounds} rounds\n")
    print("| cell | who | seconds an epoch | times faster than " + BASE + " |\n|---|---|---|---|")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, options.out.open("w") as out:
        tokens = Path(folder) / "tokens.npy"
        numpy.save(tokens, data.vocab.encode(data.vocab.split(source.text)))
        for cell in options.cells.split(","):
            _compare(cell, options.rounds, tokens, len(data.vocab), out)


def _compare(cell: str, rounds: int, tokens: Path, vocab_size: int, out) -> None:
    contestants = [Contestant(name, cell, tokens, vocab_size) for name in CONTESTANTS]
    seconds = {contestant.name: [] for contestant in contestants}
    for i in range(rounds + 1):
        for contestant in contestants:
            measured = contestant.epoch()
            if i > 0:
                seconds[contestant.name].append(measured["seconds"])
                print(json.dumps({"cell": cell, "who": contestant.name, "round": i, **measured}), file=out, flush=True)
    for contestant in contestants:
        contestant.close()
    base = statistics.median(seconds[BASE])
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"| {cell} | {name} | {median:.3f} ({min(values):.3f} to {max(values):.3f}) | {base / median:.2f} |",
              flush=True)


if __name__ == "__main__":
    main()
