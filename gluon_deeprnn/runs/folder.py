"""The files of a run: each is replaced atomically, and reading them never runs code."""

import contextlib
import json
import math
import os
from pathlib import Path
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from gluon_deeprnn import storage
from gluon_deeprnn.errors import Advice, Argument, Described, InputError
from gluon_deeprnn.training import check_history
import numpy


class RunFolder:
    """The folder of a run: methods to read and write its files.

    Parameters
    ----------
    path : str or path
        The folder; it is created by the first write.
    """

    def __init__(self, path: Any) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    def create(self) -> bool:
        """Create the folder; return whether this call did, and not another one before, of any process.

        Raises
        ------
        ValueError
            If it cannot be created.
        """
        above = self.path.parent
        try:
            while True:  # since another process may make the folder above, or remove it as empty, at any moment
                try:
                    self.path.mkdir()
                    return True
                except FileExistsError:
                    return False
                except FileNotFoundError:
                    if above.is_symlink() and not above.exists():
                        raise
                    with contextlib.suppress(FileExistsError):
                        above.mkdir(parents=True)
        except OSError as error:
            raise InputError("out", "a folder that can be written",
                             Described(f"{str(self.path)!r}: {error.strerror}")) from None

    def remove_if_empty(self) -> None:
        """Remove the folder if nothing is in it, and the folder above if nothing else is there."""
        for path in (self.path, self.path.parent):
            try:
                path.rmdir()
            except OSError:
                return

    def exists(self) -> bool:
        """Whether the folder contains a run."""
        return (self.path / "config.json").exists()

    def check_writable(self) -> None:
        """Raise an error if nothing can be created where the folder is to be, before any work is done.

        Raises
        ------
        ValueError
            "out must be a folder that can be written; got 'x/run': Not a directory", and similar messages.
        """
        parent = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        try:
            os.rmdir(tempfile.mkdtemp(dir=parent))
        except OSError as error:
            raise InputError("out", "a folder that can be written",
                             Described(f"{str(self.path)!r}: {error.strerror}")) from None

    def check_free(self) -> None:
        """Raise an error if the folder contains a run, or cannot be written.

        Raises
        ------
        ValueError
            "out must be a folder without a run; got 'runs/mine' ...", and those of `check_writable`.
        """
        if self.exists():
            raise InputError("out", "a folder without a run", str(self), Advice(
                Argument("resume", in_python="resume_run"), " continues the existing run"))
        self.check_writable()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder against other trainings; remove temporary files of a killed training.

        Raises
        ------
        ValueError
            If another training runs in it, or it cannot be written.
        """
        try:
            (self.path / "checkpoint").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError("out", "a folder that can be written",
                                     Described(f"{str(self.path)!r}: {error.strerror}")) from None
        with storage.lock(self.path, self.path / "checkpoint" / ".lock", "out"):
            for folder in (self.path, self.path / "checkpoint"):
                storage.remove_unfinished(folder)
            yield

    def begin(self, config: Mapping[str, Any], vocab: str) -> None:
        """Write ``config.json`` and ``vocab.json``."""
        storage.replace_file(self.path / "vocab.json", vocab.encode())
        storage.write_json(self.path / "config.json", config)

    def keep_text(self, name: str, content: bytes) -> Path:
        """Write ``texts/NAME``, a text that was read from a stream, so that the run can be resumed; return the file."""
        path = self.path / "texts" / name
        try:
            path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError("out", "a folder that can be written",
                             Described(f"{str(self.path)!r}: {error.strerror}")) from None
        storage.replace_file(path, content)
        return path.resolve()

    def kept_text(self, name: str) -> Optional[Path]:
        """The file in which `keep_text` stored a text of this name; None if there is none."""
        path = self.path / "texts" / name
        return path if path.exists() else None

    def config(self) -> Dict[str, Any]:
        """Read ``config.json``: settings, texts, versions."""
        if not self.exists():
            raise InputError("run", "a run folder (one with a config.json)", str(self.path))
        return storage.read_json(self.path / "config.json")

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write ``history.jsonl``: one line per epoch."""
        lines = "".join(json.dumps(row) + "\n" for row in history)
        storage.replace_file(self.path / "history.jsonl", lines.encode())

    def history(self) -> List[Dict[str, Any]]:
        """Read ``history.jsonl``; empty before the end of the first epoch."""
        if not (self.path / "history.jsonl").exists():
            return []
        return storage.parsed(self.path / "history.jsonl", lambda text: check_history(
            [storage.parse_json(line) for line in text.splitlines()]))

    def write_model(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """Write ``model.npz``: the best parameters so far."""
        storage.write_arrays(self.path / "model.npz", arrays, about)

    def model(self) -> Tuple[Dict[str, numpy.ndarray], Any]:
        """Read ``model.npz``."""
        if not (self.path / "model.npz").exists():
            raise InputError("run", "a run with a model (at least one completed epoch)", str(self.path))
        return storage.read_arrays(self.path / "model.npz")

    def write_initial(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """Write ``initial.npz``: the parameters with which the training begins, if they are another run's."""
        storage.write_arrays(self.path / "initial.npz", arrays, about)

    def initial(self) -> Optional[Tuple[Dict[str, numpy.ndarray], Any]]:
        """Read ``initial.npz``; None if the training began with random parameters."""
        path = self.path / "initial.npz"
        return storage.read_arrays(path) if path.exists() else None

    def write_checkpoint(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """Write ``checkpoint/checkpoint.npz``, from which training can be resumed exactly."""
        storage.write_arrays(self.path / "checkpoint" / "checkpoint.npz", arrays, about)

    def has_checkpoint(self) -> bool:
        """Whether there is a checkpoint."""
        return (self.path / "checkpoint" / "checkpoint.npz").exists()

    def checkpoint(self) -> Tuple[Dict[str, numpy.ndarray], Any]:
        """Read ``checkpoint/checkpoint.npz``."""
        return storage.read_arrays(self.path / "checkpoint" / "checkpoint.npz")

    def write_curves(self, png: bytes) -> None:
        """Write ``curves.png``."""
        storage.replace_file(self.path / "curves.png", png)

    def write_sample(self, text: str) -> None:
        """Write ``sample.txt``."""
        storage.replace_file(self.path / "sample.txt", text.encode(errors="replace"))

    def result(self) -> Optional[Dict[str, Any]]:
        """Read ``result.json``; None before the end of the training."""
        path = self.path / "result.json"
        return storage.parsed(path, lambda text: _check_result(storage.parse_json(text))) if path.exists() else None

    def write_result(self, result: Mapping[str, Any]) -> None:
        """Write ``result.json``."""
        storage.write_json(self.path / "result.json", result)


def _check_result(result: Any) -> Dict[str, Any]:
    """Return ``result``, if it has the numbers of a result that others read."""
    if not isinstance(result, dict):
        raise ValueError("a result that is not an object")
    for name, kinds in (("epochs", (int,)), ("parameters", (int,)), ("bits_per_char", (int, float)),
                        ("test_ppl", (int, float, type(None)))):
        value = result.get(name)
        if name not in result or type(value) not in kinds or not 0 <= (value or 0) < math.inf:
            raise ValueError(f"a result whose {name} is {value!r}")
    evaluated = result.get("evaluated", {"tokens": 1, "unknown": 0})  # earlier versions did not write it
    if not isinstance(evaluated, dict) or not all(type(evaluated.get(name)) is int for name in ("tokens", "unknown")) \
            or not 0 <= evaluated["unknown"] <= evaluated["tokens"] or not evaluated["tokens"]:
        raise ValueError(f"a result whose evaluated text is {evaluated!r}")
    return result
