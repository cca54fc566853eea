"""What a run needs, estimated before it is allocated: operators of the graphs, and memory."""

import os
import subprocess
import sys

from gluon_deeprnn import kernels
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.runs import RunConfig, RunFolder, build
from gluon_deeprnn.runs.job import begin_run
from mxnet import autograd, np
import pytest

ours = pytest.mark.skipif(kernels.loaded() is None, reason=f"runs where our operators do: {kernels.why_not()}")

DEEP = RunConfig(model="rnn", implementation="scratch", num_hiddens=8, num_layers=8, num_steps=2000, batch_size=2,
                 num_train=4, num_val=2, max_epochs=1, sample_length=5)

LAYERS = {
    "fused": ({"implementation": "fused"}, 0), "gru": ({}, 0), "lstm": ({"model": "lstm", "weight_dropout": 0.2}, 0),
    "softsign": ({"model": "rnn", "activation": "softsign"}, 0), "wide": ({"num_hiddens": 300}, 0),
    "of their own": ({"model": "rnn", "activation": "tanh,relu,sigmoid"}, 0),
    "options": ({"layer_norm": True, "residual": True, "learned_state": True, "dropout": 0.2, "embedding": 5}, 0),
    "before": ({"reset": "before"}, 3), "mgu": ({"model": "mgu"}, 3),
}


@ours
@pytest.mark.parametrize("kind", LAYERS)
def test_the_layers_that_are_unrolled_are_those_without_an_operator_in_the_graph(kind):
    options, unrolled = LAYERS[kind]
    config = RunConfig(**{"implementation": "scratch", "num_hiddens": 8, "num_layers": 3, **options})
    assert build.num_unrolled(config) == unrolled
    loss = MeanLoss(build.build_model(config, 7))
    loss.hybridize()
    tokens = np.zeros((4, 2), dtype="int32")
    with autograd.record():
        loss(tokens, tokens, loss.model.begin_state(2))
    assert loss.operators().get("gluon_deeprnn_layer", 0) == 3 - unrolled


@ours
def test_a_deep_network_from_scratch_trains_on_thousands_of_steps(tmp_path):
    (tmp_path / "digits.txt").write_text("".join(map(str, range(900))))
    config = DEEP.replace(text=(str(tmp_path / "digits.txt"),), cleaning="none", prefix="1")
    result = begin_run(config, RunFolder(tmp_path / "run"), None, progress=False)
    assert 1 < result["val_ppl"] < 20


@pytest.mark.parametrize(("options", "operators"), [
    ({"model": "mgu"}, "192,000"), ({"model": "gru", "reset": "before"}, "240,000")])
def test_as_deep_a_network_of_a_cell_without_an_operator_is_refused(options, operators):
    message = ("^num_layers and num_steps must be small enough for a graph of 40,000 operators from scratch; got 8 and "
               rf"2000, {operators} operators \(compilation would take minutes\)$")
    with pytest.raises(ValueError, match=message):
        build.check_memory(DEEP.replace(**options), 28)


@pytest.mark.parametrize("implementation", ["fused", "scratch"])
def test_a_billion_layers_are_refused_before_memory_is_allocated(implementation):
    config = RunConfig(model="rnn", implementation=implementation, num_layers=10**9)
    with pytest.raises(ValueError, match=r"^num_hiddens, num_layers, .*; got 32, 1000000000, 1024 and 32: about"):
        build.check_memory(config, 28)


@ours
def test_the_memory_of_a_network_from_scratch_is_that_of_its_operator(monkeypatch):
    # measured by training: 545 MB for the LSTM from scratch, 530 MB fused; 476 and 470 MB for the GRU
    sizes = {"num_hiddens": 128, "num_layers": 4, "num_steps": 256, "batch_size": 128}
    for cell, measured in (("lstm", 545_000_000), ("gru", 476_000_000)):
        for implementation in ("scratch", "fused"):
            config = RunConfig(model=cell, implementation=implementation, **sizes)
            monkeypatch.setattr(build.runtime, "memory_bytes", lambda measured=measured: int(1.15 * measured))
            build.check_memory(config, 28)
            monkeypatch.setattr(build.runtime, "memory_bytes", lambda measured=measured: int(0.85 * measured))
            with pytest.raises(ValueError, match=r"^num_hiddens, num_layers, .*: about 0\.5 GB$"):
                build.check_memory(config, 28)
    monkeypatch.setattr(kernels, "loaded", lambda: None)
    monkeypatch.setattr(build.runtime, "memory_bytes", lambda: 2_000_000_000)
    with pytest.raises(ValueError, match=r": about 2\.\d GB$"):
        build.check_memory(RunConfig(model="lstm", implementation="scratch", **sizes), 28)


@pytest.mark.slow
def test_without_our_operators_a_network_from_scratch_is_unrolled(tmp_path):
    arguments = ["train", "--corpus", "python-docs", "--model", "rnn", "--implementation", "scratch", "--num-layers",
                 "8", "--num-steps", "2000", "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-m", "gluon_deeprnn", *arguments], capture_output=True, text=True,
                          env={**os.environ, "GLUON_DEEPRNN_KERNELS": "mxnet"}, timeout=300, check=False)
    assert done.returncode == 2
    assert "got 8 and 2000, 48,000 operators (compilation would take minutes; --implementation fused" in done.stderr
    assert not (tmp_path / "run").exists()
