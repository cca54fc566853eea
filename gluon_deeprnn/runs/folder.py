"""The files of a run, and nothing but: each is replaced atomically, none can run code."""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from gluon_deeprnn import _checks, storage
import numpy


class RunFolder:
    """A folder with what a training needs and leaves: see the attributes of its methods for the file names.

    Parameters
    ----------
    path : str or path
        The folder; made when it is first written to.
    """

    def __init__(self, path: Any) -> None:
        self.path = Path(path)

    def __str__(self) -> str:
        return str(self.path)

    def exists(self) -> bool:
        """Whether a run was begun here."""
        return (self.path / "config.json").exists()

    def begin(self, config: Mapping[str, Any], vocab: str) -> None:
        """Write ``config.json`` and ``vocab.json``."""
        try:
            (self.path / "checkpoint").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _checks.InputError("out", "a folder that can be written",
                                     _checks.Described(f"{str(self.path)!r}: {error.strerror}")) from None
        storage.replace_file(self.path / "vocab.json", vocab.encode())
        storage.write_json(self.path / "config.json", config)

    def config(self) -> Dict[str, Any]:
        """``config.json``: settings, texts, versions."""
        if not self.exists():
            raise _checks.InputError("run", "a run folder (one with a config.json)", str(self.path))
        return self._json("config.json")

    def vocab(self) -> str:
        """``vocab.json`` as text."""
        return self._text("vocab.json")

    def _text(self, name: str) -> str:
        try:
            return (self.path / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _checks.InputError(str(self.path / name), "a UTF-8 file that can be read",
                                     _checks.Described(f"{type(error).__name__}")) from None

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._text(name))
        except json.JSONDecodeError as error:
            raise _checks.InputError(str(self.path / name), "JSON", _checks.Described(str(error))) from None

    def write_history(self, history: Sequence[Mapping[str, Any]]) -> None:
        """``history.jsonl``: one line an epoch."""
        lines = "".join(json.dumps(row) + "\n" for row in history)
        storage.replace_file(self.path / "history.jsonl", lines.encode())

    def history(self) -> List[Dict[str, Any]]:
        """What `write_history` wrote; empty before the first epoch is over."""
        if not (self.path / "history.jsonl").exists():
            return []
        try:
            return [json.loads(line) for line in self._text("history.jsonl").splitlines()]
        except json.JSONDecodeError as error:
            raise _checks.InputError(str(self.path / "history.jsonl"), "JSON, line by line",
                                     _checks.Described(str(error))) from None

    def write_model(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """``model.npz``: the best parameters so far."""
        storage.write_arrays(self.path / "model.npz", arrays, about)

    def model(self) -> Tuple[Dict[str, numpy.ndarray], Any]:
        """What `write_model` wrote."""
        if not (self.path / "model.npz").exists():
            raise _checks.InputError("run", "a run with a model (its first epoch over)", str(self.path))
        return storage.read_arrays(self.path / "model.npz")

    def write_checkpoint(self, arrays: Mapping[str, numpy.ndarray], about: Any) -> None:
        """``checkpoint/checkpoint.npz``: all that exact resumption needs."""
        storage.write_arrays(self.path / "checkpoint" / "checkpoint.npz", arrays, about)

    def has_checkpoint(self) -> bool:
        """Whether there is something to resume from."""
        return (self.path / "checkpoint" / "checkpoint.npz").exists()

    def checkpoint(self) -> Tuple[Dict[str, numpy.ndarray], Any]:
        """What `write_checkpoint` wrote."""
        return storage.read_arrays(self.path / "checkpoint" / "checkpoint.npz")

    def write_curves(self, png: bytes) -> None:
        """``curves.png``."""
        storage.replace_file(self.path / "curves.png", png)

    def write_sample(self, text: str) -> None:
        """``sample.txt``."""
        storage.replace_file(self.path / "sample.txt", text.encode())

    def write_result(self, result: Mapping[str, Any]) -> None:
        """``result.json``."""
        storage.write_json(self.path / "result.json", result)
