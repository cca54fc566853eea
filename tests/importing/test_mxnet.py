"""Old models of MXNet: what was imported scores as the original does, run by MXNet."""

from pathlib import Path
import subprocess
import sys

from gluon_deeprnn import load_run
from gluon_deeprnn.importing import import_model
from mxnet import np
import numpy
import pytest

SCRIPT = Path(__file__).with_name("originals.py")
FILES = {
    **{f"{name} by save_parameters": (name, [f"{name}.params"])
       for name in ("rnn", "lstm", "gru", "cells-lstm", "cells-gru", "deep", "standard", "standard-gru", "awd")},
    **{f"{name} by collect_params": (name, [f"{name}-collected.params"])
       for name in ("rnn", "lstm", "gru", "cells-gru", "deep")},
    **{f"{name} by export": (name, [f"{name}-0000.params", f"{name}-symbol.json"])
       for name in ("rnn", "relu", "lstm", "gru", "cells-lstm", "cells-relu", "deep")},
    **{f"{name} by Module": (name, [f"{name}-0001.params", f"{name}-symbol.json"])
       for name in ("symbol-lstm", "symbol-gru", "symbol-relu", "symbol-fused")},
    **{f"{name} by gates": (name, [f"{name}-gates-0001.params", f"{name}-gates-symbol.json"])
       for name in ("symbol-lstm", "symbol-gru", "symbol-relu")},
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("originals")
    done = subprocess.run([sys.executable, SCRIPT, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.mark.parametrize("name", FILES)
def test_an_imported_model_scores_as_mxnet_runs_the_original(originals, tmp_path, name):
    model, files = FILES[name]
    done = import_model("mxnet", [originals / file for file in files], tmp_path / "run", vocab=originals / "vocab.json")
    run = load_run(tmp_path / "run")
    found = run.model(np.array(numpy.load(originals / "tokens.npy")))[0].asnumpy()
    expected = numpy.load(originals / f"{model}.npy")
    assert abs(expected).max() > 0.5
    assert abs(found - expected).max() < 1e-5
    assert run.config.tied == (model in ("standard", "awd"))
    assert done.vocab.idx_to_token == ["<unk>", *"abcdef"]
    assert not done.added_unknown
    assert "output" in done.names
