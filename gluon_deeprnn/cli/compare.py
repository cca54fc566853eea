"""Compare runs: print a table of their settings and results, and draw their curves in one picture."""

import argparse
import dataclasses
import io
import json
import os
from pathlib import Path
import string
import sys
from typing import Any, Dict, List, Optional, Sequence, Tuple

from gluon_deeprnn import storage
from gluon_deeprnn._checks import listed
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.plotting import plot_runs
from gluon_deeprnn.plotting.passage import cells
from gluon_deeprnn.runs.build import describe_model
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.stored import StoredRun, stored_run

_FORMATS = ("png", "svg", "pdf")

EXAMPLES = """\
examples:
  gluon-deeprnn compare runs/chapter-gru runs/chapter-lstm
  gluon-deeprnn compare runs/* --out runs.png
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("folders", metavar="RUN", nargs="+", help="the run folders")
    parser.add_argument("--out", metavar="FILE", help="write a picture of the validation perplexities against epochs, "
                        "seconds and the number of parameters: .png, .svg or .pdf")
    parser.add_argument("--json", action="store_true", help="print one JSON object per run instead of the table")


def run(arguments: argparse.Namespace) -> None:
    """Print the table, or JSON, and write the picture."""
    kind = None if arguments.out is None else Path(arguments.out).suffix[1:].lower()
    if kind is not None and kind not in _FORMATS:
        raise InputError("out", "a file that ends in " + ", ".join("." + name for name in _FORMATS), arguments.out)
    compared = sorted((_read(folder) for folder in _different(arguments.folders)),
                      key=lambda each: (each.val_ppl is None, each.val_ppl))
    if compared[0].val_ppl is None:
        raise InputError("run", "a run with at least one completed epoch", listed([each.name for each in compared]))
    letters, note = _letters(compared)
    if arguments.json:
        for each, letter in zip(compared, letters):
            print(json.dumps({**each.as_dict(), "data": letter}, ensure_ascii=False))
    else:
        _print_table(compared, letters)
        if note:
            print(note)
        older = [each.name for each in compared if each.result and not each.evaluated]
        if older:
            print(f"Without bits per character: {listed(older)}, of an earlier version; evaluate --run computes them.")
    if kind is not None:
        storage.replace_file(Path(arguments.out), _picture(compared, letters, note, kind))
        print(arguments.out, file=sys.stderr if arguments.json else sys.stdout)


@dataclasses.dataclass(frozen=True)
class _Compared:
    """What is shown of a run; None for what it does not have yet."""

    name: str
    stored: StoredRun
    vocabulary: Tuple[Any, ...]
    history: List[Dict[str, Any]]
    parameters: Optional[int]
    result: Optional[Dict[str, Any]]

    @property
    def val_ppl(self) -> Optional[float]:
        """The best validation perplexity."""
        return min((row["val_ppl"] for row in self.history), default=None)

    @property
    def evaluated(self) -> Optional[Dict[str, Any]]:
        """What is known of the text whose bits per character are in the result; earlier versions did not know it."""
        return self.result.get("evaluated") if self.result else None

    @property
    def data(self) -> Dict[str, Any]:
        """What runs must have in common for a comparison of their perplexities."""
        config = self.stored.config
        parts = (config.num_train, config.num_val, config.num_steps) if config.protocol == "d2l" else \
            (config.val_fraction, config.val_from)
        return {"text": tuple((text["sha1"], text["characters"]) for text in self.stored.texts),
                "vocabulary": self.vocabulary, "validation data": (config.protocol, config.records, *parts)}

    def as_dict(self) -> Dict[str, Any]:
        """The run for JSON."""
        evaluated = self.evaluated
        return {"run": self.name, "model": describe_model(self.stored.config), "parameters": self.parameters,
                "epochs": len(self.history), "max_epochs": self.stored.config.max_epochs,
                "seconds": sum(row["seconds"] for row in self.history), "val_ppl": self.val_ppl,
                "test_ppl": self.result["test_ppl"] if self.result else None,
                "bits_per_char": self.result["bits_per_char"] if self.result and evaluated else None,
                "evaluated": evaluated,
                "texts": [text["name"] for text in self.stored.texts]}

    def cells(self) -> List[str]:
        """The run as a row of the table."""
        row = self.as_dict()
        epochs = f"{row['epochs']}" if self.result else f"{row['epochs']} of {row['max_epochs']}"
        return [row["run"], row["model"], _shown(row["parameters"], ",d"), epochs, _shown(row["seconds"], ",.1f"),
                _shown(row["val_ppl"], ".3f"), _shown(row["test_ppl"], ".3f"), _shown(row["bits_per_char"], ".3f"),
                self._unknown(), listed(row["texts"])]

    def _unknown(self) -> str:
        about = self.evaluated
        return f"{about['unknown'] / about['tokens']:.1%}" if about and about["unknown"] else "-"


_HEADINGS = ("run", "model", "parameters", "epochs", "seconds", "validation", "test", "bits/char", "unknown", "text")
_NUMBERS = _HEADINGS[2:9]


def _shown(value: Optional[float], how: str) -> str:
    return "-" if value is None else format(value, how)


def _different(folders: Sequence[str]) -> List[str]:
    """The folders, each once."""
    found: Dict[Path, str] = {}
    for folder in folders:
        other = found.setdefault(Path(folder).resolve(), folder)
        if other is not folder:
            print(f"gluon-deeprnn: {folder} is the same run as {other}", file=sys.stderr)
    return list(found.values())


def _read(path: str) -> _Compared:
    folder = RunFolder(path)
    if not folder.exists():
        inside = [each.parent.name for each in sorted(folder.path.glob("*/config.json"))]
        raise InputError("run", "a run folder (one with a config.json)", path,
                         f"it contains the runs {listed(inside)}: {os.path.join(path, '*')}" if inside else None)
    stored, vocab = stored_run(folder)
    history, result = folder.history(), folder.result()
    parameters = result["parameters"] if result else None
    if history and parameters is None:
        arrays, about = folder.model()
        stored.own(about, folder.path / "model.npz")
        parameters = sum(array.size for array in arrays.values())
    if result is not None and result["epochs"] != len(history):  # it was resumed, and is not finished
        result = None
    return _Compared(path, stored, (*vocab.idx_to_token, vocab.cleaning, vocab.kind), history, parameters, result)


def _letters(compared: Sequence[_Compared]) -> Tuple[List[str], str]:
    """A letter for each run, the same for those whose perplexities can be compared, and a note if not all can be."""
    kinds = [tuple(each.data.values()) for each in compared]
    different = list(dict.fromkeys(kinds))
    letters = [string.ascii_uppercase[i % 26] + (str(i // 26) if i >= 26 else "")
               for i in map(different.index, kinds)]
    if len(different) == 1:
        return letters, ""
    names = [name for i, name in enumerate(compared[0].data) if len({kind[i] for kind in different}) > 1]
    return letters, (f"Runs with different letters under data differ in {' and '.join(names)}: their perplexities "
                     f"cannot be compared{', bits per character can' if names == ['vocabulary'] else ''}.")


def _print_table(compared: Sequence[_Compared], letters: Sequence[str]) -> None:
    """Print the runs in aligned columns, without the columns in which no run has a value."""
    rows = [list(_HEADINGS), *(each.cells() for each in compared)]
    if len(set(letters)) > 1:
        for row, letter in zip(rows, ["data", *letters]):
            row.append(letter)
    columns = [column for column in zip(*rows) if any(value != "-" for value in column[1:])]
    padded = []
    for column in columns:
        width = max(map(_width, column))
        left = column[0] not in _NUMBERS
        padded.append([value + " " * (width - _width(value)) if left else " " * (width - _width(value)) + value
                       for value in column])
    for line in zip(*padded):
        print("  ".join(line).rstrip())


def _width(text: str) -> int:
    return sum(map(cells, text))


def _picture(compared: Sequence[_Compared], letters: Sequence[str], note: str, kind: str) -> bytes:
    """The picture of the runs with completed epochs, named by their folders without what all have in common."""
    drawn = [(each, letter) for each, letter in zip(compared, letters) if each.history]
    paths = [Path(each.name).resolve() for each, _ in drawn]
    above = os.path.commonpath([path.parent for path in paths])
    names = [os.path.relpath(path, above) + (f" ({letter})" if note else "") for path, (_, letter) in zip(paths, drawn)]
    figure = plot_runs({name: each.history for name, (each, _) in zip(names, drawn)},
                       {name: each.parameters or 0 for name, (each, _) in zip(names, drawn)},
                       title=note.replace("under data ", ""))
    picture = io.BytesIO()
    figure.savefig(picture, format=kind)
    return picture.getvalue()
