"""Trainings with depths from 1 to 8 and widths up to 2056, as in the chapter's text."""

import json
from pathlib import Path
import subprocess
import sys

from gluon_deeprnn.runs import read_recipe
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.job import begin_run
import pytest

TOP = Path(__file__).parents[2]
SMALLER = {"corpus": "python-docs", "batch_size": 256, "num_train": 2560, "num_val": 1280}


def train(folder, name, **settings):
    config = read_recipe(name).config.replace(**SMALLER, **settings)
    return begin_run(config, RunFolder(folder), None, progress=False)


@pytest.mark.slow
def test_eight_layers_train_with_residual_and_layer_norm_and_not_without(tmp_path):
    with_kit = train(tmp_path / "kit", "depth-8", max_epochs=11)
    without = train(tmp_path / "plain", "depth-8", max_epochs=11, residual=False, layer_norm=False)
    assert without["last_train_ppl"] > 15  # it has learned the frequencies of the letters only
    assert with_kit["last_train_ppl"] < 0.8 * without["last_train_ppl"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["depth-1", "depth-2", "depth-4"])
def test_fewer_layers_train_without_divergence(name, tmp_path, caplog):
    result = train(tmp_path / name, name, max_epochs=10)
    assert result["last_train_ppl"] < 20
    assert "perplexity rose" not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(("width", "depth", "most"), [(2056, 2, 20), (64, 8, 200)])
def test_a_training_step_fits_into_memory(width, depth, most):
    """``most``: megabytes per megabyte of parameters; for eight narrow layers most of it is activations."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.width", str(width), str(depth)], cwd=TOP, check=True,
                          capture_output=True, text=True)
    measured = json.loads(done.stdout)
    print(measured)
    assert 1 < measured["train_ppl"] < 40
    assert measured["megabytes"] < most * measured["parameter_megabytes"]
