"""Seconds per step of one process and of two workers on this machine: python -m benchmarks.workers.

The chapter's GRU, and an LSTM of 2 x 1024 units with an embedding of 64, on random text.  In each round all variants
run once, one after the other; the last epoch of each run counts, and the median of the rounds is printed, with the size
of the gradients.  Nothing else should run meanwhile.
"""

import argparse
import json
import os
from pathlib import Path
import random
import statistics
import subprocess
import sys
import tempfile
from typing import Dict, List, NamedTuple

COMMAND = [sys.executable, "-m", "gluon_deeprnn"]
_LETTERS = "abcdefghijklmnopqrstuvwxyz "


class Model(NamedTuple):
    """What is trained: options, columns of a batch, steps of a column, and letters of the text."""

    options: List[str]
    batch_size: int
    num_steps: int
    letters: int
    epochs: int


MODELS = {
    "GRU 2 x 32": Model(["--num-hiddens", "32"], 1024, 32, 1_300_000, 2),
    "LSTM 2 x 1024": Model(["--model", "lstm", "--num-hiddens", "1024", "--embedding", "64"], 32, 64, 20_000, 2)}
VARIANTS = {"1 process, 1 thread": (1, 1), "1 process, 2 threads": (1, 2), "2 workers, 1 thread each": (2, 1)}


def seconds_per_step(model: Model, workers: int, threads: int, folder: Path) -> Dict[str, float]:
    """Those of the last epoch, and the number of parameters."""
    out = folder / "run"
    train = ["train", "--text", "text.txt", "--recipe", "chapter-gru", "--cleaning", "none", "--protocol", "book",
             "--batch-size", str(model.batch_size), "--num-steps", str(model.num_steps), "--max-epochs",
             str(model.epochs), "--lr", "0.1", "--sample-length", "1", "--out", "run", *model.options]
    launch = ["launch", "--workers", str(workers), "--"] if workers > 1 else []
    subprocess.run([*COMMAND, *launch, *train], cwd=folder, check=True, capture_output=True,
                   env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    row = json.loads((out / "history.jsonl").read_text().splitlines()[-1])
    result = json.loads((out / "result.json").read_text())
    for path in sorted(out.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    out.rmdir()
    return {"step": model.batch_size * model.num_steps / row["tokens_per_second"], "parameters": result["parameters"]}


def main() -> None:
    """Print a table of all models and variants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for title, model in MODELS.items():
            (folder / "text.txt").write_text("".join(random.Random(0).choices(_LETTERS, k=model.letters)))
            found: Dict[str, List[float]] = {variant: [] for variant in VARIANTS}
            for _ in range(rounds):
                for variant, (workers, threads) in VARIANTS.items():
                    measured = seconds_per_step(model, workers, threads, folder)
                    found[variant].append(measured["step"])
            print(f"{title}, {model.batch_size} x {model.num_steps} tokens a step; gradients of "
                  f"{4 * measured['parameters'] / 1e6:.2f} MB")
            for variant, seconds in found.items():
                print(f"  {variant}: {1000 * statistics.median(seconds):.1f} ms a step "
                      f"({1000 * min(seconds):.1f} to {1000 * max(seconds):.1f})", flush=True)


if __name__ == "__main__":
    main()
