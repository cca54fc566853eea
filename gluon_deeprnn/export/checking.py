"""Runs an exported model by the other program, and compares scores and states with ours."""

import importlib.util
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.export.forward import logits_of
from gluon_deeprnn.models.interchange import Weights
from mxnet import np
import numpy

NUM_STEPS = 300
_FIRST = "import sys; sys.path[:1] = []\n"  # modules in the present folder are not those that are meant
_TOLERANCE = 1e-4  # relative to the largest of our numbers, but 1


class Compared(NamedTuple):
    """The outcome of a check.

    Attributes
    ----------
    largest : float or None
        The largest difference of a logit or a state; None if there was no program to check with.
    how : str
        What the numbers were compared with, or why they were not.
    """

    largest: Any
    how: str


def missing(packages: Sequence[str]) -> List[str]:
    """Those of some packages that are not installed."""
    return [name for name in packages if importlib.util.find_spec(name) is None]


def passage_of(run: Any, num_tokens: int = NUM_STEPS) -> numpy.ndarray:
    """A number of tokens of the run's text, (T,), on which it was not trained; without the text, of its sample."""
    return run.vocab.encode(written_passage_of(run, num_tokens))


def written_passage_of(run: Any, num_tokens: int) -> List[str]:
    """The same tokens as they are written, also the unknown ones."""
    try:
        data = run.data()
        if run.config.records == "none":
            part = "test" if data.held_out()[0] == "test" else "val"
            return data.tokens(part)[:num_tokens]
        return run.vocab.split(data.held_out_texts()[1][0].text)[:num_tokens]
    except InputError:
        sample = run.folder.path / "sample.txt"
        found = run.vocab.split(sample.read_text(encoding="utf-8")) if sample.exists() else run.vocab.idx_to_token
        return [token for token in found if token in run.vocab][:num_tokens]


def ours(model: Any, tokens: numpy.ndarray) -> Tuple[numpy.ndarray, numpy.ndarray]:
    """Logits, (T, N, V), and the last state, (S, L, N, H), for tokens, (T, N), from the initial state."""
    logits, state = model(np.array(tokens, dtype="int32"))
    return logits.asnumpy(), numpy.stack([array.asnumpy() for array in state])


def columns(tokens: numpy.ndarray) -> numpy.ndarray:
    """A passage as two sequences, (T, 2), the second one backwards."""
    return numpy.stack([tokens, tokens[::-1]], axis=1).astype("int32")


def compare(model: Any, tokens: numpy.ndarray, script: str, arguments: Sequence[str], how: str,
            rounded: Optional[Weights] = None) -> Compared:
    """Run a script in a process of its own, and compare what it writes with what ``model`` computes.

    The script gets the path of the tokens, an array (T, N), that of the file to write, ``logits`` and ``state``, and
    ``arguments``.  With ``rounded`` weights, it is compared with what these compute.

    Raises
    ------
    ValueError
        If the script fails, or if a number differs by more than rounding.
    """
    batch = columns(tokens)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "tokens.npy", Path(folder) / "found.npz"
        numpy.save(given, batch)
        command = [sys.executable, "-c", _FIRST + script, str(given), str(found), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
            raise InputError("the exported model", f"one that {how} runs", Described(said[-1]))
        with numpy.load(found) as arrays:
            theirs = arrays["logits"], arrays["state"]
    if rounded is None:
        return compared(ours(model, batch), theirs, how)
    pairs = [logits_of(rounded, column) for column in batch.T]
    expected = numpy.stack([scores for scores, _ in pairs], 1), numpy.stack([last for _, last in pairs], 2)
    return compared(expected, theirs, how)


def compared(expected: Tuple[numpy.ndarray, numpy.ndarray], found: Tuple[numpy.ndarray, numpy.ndarray],
             how: str) -> Compared:
    """Compare logits and states.

    Raises
    ------
    ValueError
        If a number differs by more than rounding.
    """
    largest = 0.0
    for name, mine, other in zip(("logits", "state"), expected, found):
        difference = float(abs(mine - other).max()) if mine.shape == other.shape else numpy.inf
        if not difference <= _TOLERANCE * max(1.0, float(abs(mine).max())):
            raise InputError("the exported model", f"the same as ours, run by {how}",
                             Described(f"{name} that differ by {difference:.1e}"))
        largest = max(largest, difference)
    return Compared(largest, how)
