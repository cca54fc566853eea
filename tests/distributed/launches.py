"""Starts ``gluon-deeprnn launch`` for tests, finds its processes, and disturbs them."""

import contextlib
import json
import os
from pathlib import Path
import subprocess
import sys
import time

import numpy

TEXT = "the quick brown fox jumps over the lazy dog, and the dog sleeps on. "
TRAIN = ["train", "--text", "fox.txt", "--recipe", "chapter-gru", "--cleaning", "none", "--protocol", "book",
         "--num-hiddens", "16", "--batch-size", "10", "--num-steps", "16", "--lr", "1", "--clip", "0.5",
         "--dropout", "0.2", "--checkpoint-seconds", "0.3"]
COMMAND = [sys.executable, "-m", "gluon_deeprnn"]


def write_text(folder, repeats=200):
    """A text whose training takes a few seconds; its lines differ."""
    rng = numpy.random.default_rng(0)
    words = TEXT.split()
    lines = [" ".join(rng.permutation(words)) for _ in range(repeats)]
    (folder / "fox.txt").write_text("\n".join(lines), encoding="utf-8")


def environment(**settings):
    """That of the tests, with one thread for each process."""
    return {**os.environ, "OMP_NUM_THREADS": "1", **settings}


def run(*arguments, folder, timeout=120, **settings):
    """Run a command to its end."""
    return subprocess.run([*COMMAND, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False,
                          timeout=timeout, env=environment(**settings))


def launched(*arguments, folder, workers=2):
    """Run a training in several processes on this machine to its end."""
    return run("launch", "--workers", workers, "--", *arguments, folder=folder)


@contextlib.contextmanager
def begun(*arguments, folder, prefix=(), log="log"):
    """A command that runs while the context is open; its output is in a file."""
    with (folder / log).open("w") as output:
        process = subprocess.Popen([*prefix, *COMMAND, *map(str, arguments)], cwd=folder, stdout=output, stderr=output,
                                   stdin=subprocess.DEVNULL, env=environment(), start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        process.wait()


def children(folder):
    """The processes of ps-lite that were started in a folder, by name, and their numbers."""
    found = {}
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            if path.joinpath("cwd").resolve() != folder.resolve() or b"child.py" not in (path / "cmdline").read_bytes():
                continue
            own = dict(item.split("=", 1) for item in (path / "environ").read_text().split("\0") if "=" in item)
        except OSError:
            continue
        found[f"{own['DMLC_ROLE']} {own.get('GLUON_DEEPRNN_WORKER', '')}".strip()] = int(path.name)
    return found


def wait_for(condition, seconds=60):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def epochs(run_folder):
    """The number of epochs that a run has completed."""
    history = run_folder / "history.jsonl"
    return len(history.read_text().splitlines()) if history.exists() else 0


def perplexities(run_folder):
    """Those of the history."""
    return [json.loads(line)["train_ppl"] for line in (run_folder / "history.jsonl").read_text().splitlines()]


def parameters(run_folder):
    """The parameters of the last checkpoint."""
    with numpy.load(run_folder / "checkpoint" / "checkpoint.npz") as arrays:
        return {name: arrays[name] for name in arrays.files if name.startswith("parameters")}


def difference(first, second):
    """The largest difference of the parameters of two runs, relative to the largest number of each array."""
    one, other = parameters(first), parameters(second)
    assert one
    assert one.keys() == other.keys()
    return max(abs(one[name] - other[name]).max() / abs(one[name]).max() for name in one)
