"""The format symbol: a graph of MXNet's own operators and its parameters, which need MXNet alone."""

import json
from pathlib import Path
import sys
import tempfile
from typing import Any, Tuple
import warnings

from gluon_deeprnn import storage
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.export import checking
from gluon_deeprnn.models import as_fused
from gluon_deeprnn.models.scratch import StackedRNNScratch
from mxnet import np
import numpy

_ANY_STEPS, _ONE_STEP = 2, 1
_RUNS_ALONE = sys.version_info < (3, 12) and tuple(map(int, numpy.__version__.split(".")[:2])) < (1, 24)
"""Whether MXNet can be imported without this package, which lets it work with newer versions of NumPy and Python."""

_CHECK_PROGRAM = """
import sys, warnings, numpy
warnings.simplefilter("ignore")
from mxnet import gluon, np, npx
npx.set_np()
tokens, found, symbol, parameters, states, steps, first = sys.argv[1:]
tokens, states, first = numpy.load(tokens), int(states), numpy.load(first)
block = gluon.SymbolBlock.imports(symbol, [f"data{i}" for i in range(1 + states)], parameters)
state = [np.array(numpy.repeat(each[:, None], tokens.shape[1], axis=1)) for each in first]
logits, parts = [], [1, len(tokens) // 2] if steps == "any" else range(1, len(tokens))
for part in numpy.split(tokens, parts):
    scores, *state = block(np.array(part, dtype="int32"), *state)
    logits.append(scores.asnumpy())
numpy.savez(found, logits=numpy.concatenate(logits), state=numpy.stack([each.asnumpy() for each in state]))
"""


def _exported(model: Any) -> Tuple[Any, bool]:
    """The model to export, and whether its graph takes any number of steps: that of fused layers does."""
    if not isinstance(model.rnn, StackedRNNScratch):
        return model, True
    try:
        return as_fused(model), True
    except InputError:  # MXNet has no operator for its cells
        return model, False


def files_of(path: Path) -> Tuple[Path, ...]:
    """The files of a prefix: ``PATH-symbol.json``, ``PATH-0000.params`` and ``PATH-vocab.json``."""
    return tuple(path.with_name(path.name + end) for end in ("-symbol.json", "-0000.params", "-vocab.json"))


def write(run: Any, path: Path) -> Tuple[Path, ...]:
    """Write the graph, whose inputs ``data0``, ``data1``, ... are tokens and states, the parameters and the vocabulary.

    A graph of layers from scratch that MXNet has no operator for takes one step at a time.
    """
    model, takes_any = _exported(run.model)
    files = files_of(path)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MXNet's, of parameters that are in no context
        model.hybridize()
        model(np.zeros((_ANY_STEPS if takes_any else _ONE_STEP, 1), dtype="int32"))
        model.export(str(Path(folder) / "model"))
        for file, name in zip(files, ("model-symbol.json", "model-0000.params")):
            storage.replace_file(file, (Path(folder) / name).read_bytes())
    about = {**json.loads(run.vocab.to_json()), "steps": "any" if takes_any else "one"}
    storage.replace_file(files[2], json.dumps(about, ensure_ascii=False).encode())
    return files


def check(run: Any, path: Path) -> checking.Compared:
    """Compare the scores of the graph, run by MXNet without this package, with ours."""
    symbol, parameters, about = files_of(path)
    steps = storage.read_json(about)["steps"]
    with tempfile.TemporaryDirectory() as folder:
        first = Path(folder) / "first.npy"
        states = [state.asnumpy()[:, 0] for state in run.model.begin_state(1)]
        numpy.save(first, numpy.stack(states))
        how = "MXNet without this package" if _RUNS_ALONE else \
            "MXNet's SymbolBlock (this package lets it work with this NumPy)"
        program = _CHECK_PROGRAM if _RUNS_ALONE else f"import gluon_deeprnn.runtime\n{_CHECK_PROGRAM}"
        return checking.compare(run.model, checking.passage_of(run), program,
                                [str(symbol), str(parameters), str(len(states)), steps, str(first)], how)
