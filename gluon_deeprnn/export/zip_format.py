"""The format zip: a run in one file, without its text."""

from pathlib import Path
from typing import Any, Tuple

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.export import checking
from gluon_deeprnn.runs.bundle import write_bundle
from gluon_deeprnn.runs.run import load_run


def write(run: Any, path: Path) -> Tuple[Path, ...]:
    """Write the files of the run into a zip file."""
    write_bundle(run.folder, path)
    return (path,)


def check(run: Any, path: Path) -> checking.Compared:
    """Load the file, and compare its scores with those of the run, which must be the same."""
    batch = checking.columns(checking.passage_of(run))
    pairs = zip(checking.ours(run.model, batch), checking.ours(load_run(path).model, batch))
    largest = max(float(abs(mine - other).max()) for mine, other in pairs)
    if largest:
        raise InputError("the exported run", "the same as the run", Described(f"scores that differ by {largest:.1e}"))
    return checking.Compared(largest, "load_run")
