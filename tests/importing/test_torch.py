"""Models of torch: what this package exported, the models of D2L, and what is beside the arrays in their files."""

import json
import types

from gluon_deeprnn import GRU, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab, load_run
from gluon_deeprnn.export import torch_format
from gluon_deeprnn.export.checking import missing
from gluon_deeprnn.importing import import_model
from gluon_deeprnn.importing.torch_files import read_torch
import models
from mxnet import np
import numpy
import pytest
from written import write_state_dict

in_torch = pytest.mark.skipif(bool(missing(["torch"])), reason="needs torch: pip install torch")
safetensors = pytest.mark.skipif(bool(missing(["safetensors"])), reason="needs safetensors: pip install safetensors")


def scores(model, tokens):
    return model(np.array(tokens))[0].asnumpy()


@safetensors
@pytest.mark.parametrize("name", models.MODELS)
def test_what_was_exported_comes_back_as_it_was(name, tmp_path):
    model, tokens = models.made(name), models.tokens()
    torch_format.write_safetensors(models.of(model), tmp_path / "x.safetensors")
    done = import_model("torch", [tmp_path / "x.safetensors"], tmp_path / "run")
    run = load_run(tmp_path / "run")
    assert abs(scores(run.model, tokens) - scores(model, tokens)).max() < 1e-5
    states = [numpy.stack([array.asnumpy() for array in each(np.array(tokens))[1]]) for each in (model, run.model)]
    assert abs(states[0] - states[1]).max() < 1e-5
    assert run.vocab.idx_to_token == models.VOCAB.idx_to_token
    assert not done.left_out


def write_with_and_without_metadata(name, folder):
    """The files ``x.safetensors`` and ``bare.safetensors`` of a model, and the run of the former."""
    from safetensors.numpy import load_file, save_file

    torch_format.write_safetensors(models.of(models.made(name)), folder / "x.safetensors")
    import_model("torch", [folder / "x.safetensors"], folder / "run")
    save_file(load_file(folder / "x.safetensors"), folder / "bare.safetensors")


@safetensors
def test_without_its_metadata_a_run_tells_what_the_arrays_do_not(tmp_path):
    write_with_and_without_metadata("lstm 8 layers, residual", tmp_path)
    with pytest.raises(ValueError, match=r"^vocab must be a file with the tokens of the model, by index; got None"):
        import_model("torch", [tmp_path / "bare.safetensors"], tmp_path / "other")
    run = load_run(tmp_path / "run")
    import_model("torch", [tmp_path / "bare.safetensors"], tmp_path / "other", like=run)
    tokens = models.tokens()
    assert (scores(load_run(tmp_path / "other").model, tokens) == scores(run.model, tokens)).all()


@safetensors
def test_a_run_tells_the_activation_and_boundaries_are_refused(tmp_path):
    write_with_and_without_metadata("rnn 8 layers, relu", tmp_path)
    run, tokens = load_run(tmp_path / "run"), models.tokens()
    import_model("torch", [tmp_path / "bare.safetensors"], tmp_path / "like", like=run)
    import_model("torch", [tmp_path / "bare.safetensors"], tmp_path / "said", activation="relu",
                 vocab=tmp_path / "run" / "vocab.json")
    import_model("torch", [tmp_path / "bare.safetensors"], tmp_path / "tanh", vocab=tmp_path / "run" / "vocab.json")
    for name in ("like", "said", "tanh"):
        same = (scores(load_run(tmp_path / name).model, tokens) == scores(run.model, tokens)).all()
        assert same == (name != "tanh")
    vocab = Vocab("the time machine", boundaries=True)
    bounded = types.SimpleNamespace(model=RNNLM(GRU(6), len(vocab)), vocab=vocab)
    bounded.model(np.zeros((1, 1), dtype="int32"))
    torch_format.write_safetensors(bounded, tmp_path / "b.safetensors")
    with pytest.raises(ValueError, match=r"without tokens for boundaries or sources; .*the format zip keeps a run"):
        import_model("torch", [tmp_path / "b.safetensors"], tmp_path / "bounded")


D2L = {"gru": 3, "lstm": 4, "rnn": 1}


@in_torch
@pytest.mark.torch
@pytest.mark.parametrize("kind", D2L)
@pytest.mark.parametrize("num_layers", [1, 2, 8])
def test_the_concise_model_of_the_book_scores_as_in_torch(kind, num_layers, tmp_path):
    import torch
    from torch import nn

    class RNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[kind](models.V, 6, num_layers)

    class RNNLM(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.linear = RNN(), nn.Linear(6, models.V)

        def forward(self, tokens):
            inputs = nn.functional.one_hot(tokens, models.V).float()
            return self.linear(self.rnn.rnn(inputs)[0])

    torch.manual_seed(1)
    model, tokens = RNNLM(), models.tokens()
    torch.save(model.state_dict(), tmp_path / "d2l.pt")
    (tmp_path / "vocab.json").write_text(json.dumps(models.VOCAB.idx_to_token))
    import_model("torch", [tmp_path / "d2l.pt"], tmp_path / "run", vocab=tmp_path / "vocab.json", cleaning="d2l")
    run = load_run(tmp_path / "run")
    with torch.no_grad():
        expected = model(torch.from_numpy(tokens).long()).numpy()
    assert abs(scores(run.model, tokens) - expected).max() < 1e-5
    assert (run.config.model, run.vocab.cleaning) == (kind, "d2l")


@in_torch
@pytest.mark.torch
@pytest.mark.parametrize("inside", [None, "state_dict", "model_state_dict"])
def test_checkpoints_and_parameters_of_torch_are_read_without_it(inside, tmp_path):
    import torch

    parameters = {"a": torch.nn.Parameter(torch.arange(6.0).reshape(2, 3).t()), "b": torch.ones(2, dtype=torch.float64),
                  "c": torch.arange(10, dtype=torch.int64)[3:7:2], "d": torch.zeros(0, 4)}
    content = parameters if inside is None else {inside: parameters, "epoch": 3, "optimizer": {"lr": 0.1, "seen": [1]}}
    for protocol in (2, 4):
        torch.save(content, tmp_path / "x.pt", pickle_protocol=protocol)
        found, _ = read_torch(tmp_path / "x.pt")
        assert {name: array.tolist() for name, array in found.items()} == {
            name: array.detach().tolist() for name, array in parameters.items()}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_layers_from_scratch_of_the_book_score_as_ours(cell, tmp_path, monkeypatch):
    """D2L's ``StackedRNNScratch`` has the parameters ``rnn.rnns.0.W_xh``; its GRU resets before the product."""
    options = {"reset": "before"} if cell == "gru" else {}
    core = StackedRNNScratch(models.V, 7, 2, cell=cell, sigma=0.4, **options)
    model = RNNLMScratch(core, models.V)
    arrays = {name: parameter.data().asnumpy() for name, parameter in model.named_parameters()}
    renamed = {name.replace("rnn.layer", "rnn.rnns."): array for name, array in arrays.items()}
    write_state_dict(tmp_path / "d2l.pt", renamed, monkeypatch)
    monkeypatch.undo()
    (tmp_path / "vocab.json").write_text(json.dumps(models.VOCAB.idx_to_token))
    import_model("torch", [tmp_path / "d2l.pt"], tmp_path / "run", vocab=tmp_path / "vocab.json")
    run, tokens = load_run(tmp_path / "run"), models.tokens()
    assert abs(scores(run.model, tokens) - scores(model, tokens)).max() < 1e-5
    assert isinstance(run.model, RNNLMScratch if cell == "gru" else RNNLM)
