"""Runs with the options of training that are off by default."""

from gluon_deeprnn import evaluate, load_run
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.runs import RunConfig, RunFolder
from gluon_deeprnn.runs.job import begin_run, resume_run
import mxnet
import numpy
import pytest

TEXT = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. " * 20
ALL = {"averaging": 0.9, "optimizer": "adamw", "weight_decay": 0.1, "warmup": 5, "clip_value": 0.01, "ar": 0.5,
       "tar": 0.5, "label_smoothing": 0.1}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "fox.txt").write_text(TEXT, encoding="utf-8")
    return RunConfig(text=(str(tmp_path / "fox.txt"),), protocol="book", num_hiddens=16, max_epochs=3, batch_size=16,
                     num_steps=8, lr=0.01, dropout=0.3, prefix="the dog", **ALL)


def arrays_of(path, group=""):
    with numpy.load(path) as found:
        return {name[len(group):]: found[name] for name in found.files
                if name.startswith(group) and not name.endswith(".json")}


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"implementation": "scratch", "model": "lstm"}])
def test_a_run_resumed_for_more_epochs_equals_the_longer_run(config, settings, tmp_path):
    config = config.replace(**settings)
    short, long = RunFolder(tmp_path / "short"), RunFolder(tmp_path / "long")
    begin_run(config, short, None, progress=False)
    mxnet.random.seed(99)
    resumed = resume_run(short, 5, progress=False)
    whole = begin_run(config.replace(max_epochs=5), long, None, progress=False)
    keys = ("train_ppl", "val_ppl", "test_ppl", "epochs", "best_epoch", "last_val_ppl")
    assert [resumed[key] for key in keys] == [whole[key] for key in keys]
    for name in ("model.npz", "checkpoint/checkpoint.npz"):
        a, b = arrays_of(short.path / name), arrays_of(long.path / name)
        assert a.keys() == b.keys()
        assert all((a[key] == b[key]).all() for key in a)


def test_the_stored_model_and_its_results_are_those_of_the_averages(config, tmp_path):
    folder = RunFolder(tmp_path / "run")
    result = begin_run(config, folder, None, progress=False)
    assert result["best_epoch"] == 3  # so the averages of the checkpoint are those of the model
    stored = arrays_of(folder.path / "model.npz")
    averages, last = (arrays_of(folder.path / "checkpoint" / "checkpoint.npz", group)
                      for group in ("average/", "parameters/"))
    assert stored.keys() == averages.keys() == last.keys()
    assert all((stored[name] == averages[name]).all() for name in stored)
    assert any((stored[name] != last[name]).any() for name in stored)
    run = load_run(folder.path)
    assert all((stored[name] == array).all() for name, array in parameter_arrays(run.model).items())
    assert evaluate(run.model, run.data().val_dataloader()).perplexity == pytest.approx(result["val_ppl"], rel=1e-6)


def test_settings_from_before_these_options_have_none_of_them():
    settings = RunConfig().as_dict()
    added = [name for name in ALL if name not in ("optimizer", "weight_decay")] + ["asgd"]
    for name in added:
        del settings[name]
    assert not any(getattr(RunConfig.from_dict(settings), name) for name in added)
