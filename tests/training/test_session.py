import math
import sys

from gluon_deeprnn import GRU, RNNLM, TextData, Trainer, evaluate, kernels
from gluon_deeprnn.data import Source
from gluon_deeprnn.errors import DivergedError
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.kernels import writing
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.training import Callback, averaging
import mxnet
import numpy
import pytest
from trainings import Keep, Poison, data_of, model_of, same


def test_a_training_on_records_counts_their_tokens_and_ends_only():
    data, keep = data_of("records"), Keep()
    model = model_of(data, dropout=0)
    trainer = Trainer(1, lr=1e-9, progress=False, callbacks=[keep])
    row, = trainer.fit(model, data)
    records = data.num_records["train"]
    assert data.train_dataloader().num_tokens == len(data._parts["train"]) - records
    # the parameters did not change, so the perplexity of the epoch is that of an evaluation
    assert row["train_ppl"] == pytest.approx(evaluate(model, data.train_dataloader()).perplexity, rel=1e-5)
    assert row["val_ppl"] == pytest.approx(evaluate(model, data.val_dataloader()).perplexity, rel=1e-6)


def test_beginnings_and_ends_of_records_are_learned():
    words = ["ada", "alan", "grace", "john", "kurt"]
    lines = "\n".join(f"{first} {second} {third}" for first in words for second in words for third in words)
    data = TextData([Source("names", lines, "")], 16, 8, protocol="book", records="line")
    mxnet.random.seed(0)
    model = RNNLM(GRU(32, 1), len(data.vocab), lr=0.02)
    history = Trainer(16, gradient_clip_val=1, optimizer="adam", progress=False).fit(model, data)
    # in a record 3 words of 5 are uncertain; everything else, the end too, is certain
    source = data.val_dataloader()
    lowest = math.exp(3 * math.log(5) * source.num_records / source.num_tokens)
    assert 0.9 * lowest < history[-1]["val_ppl"] < 1.2 * lowest < 1.7


class Evaluated(Callback):
    """Evaluates the model after each epoch, by the graph."""

    def __init__(self, batches):
        self.batches, self.perplexities = batches, []

    def on_epoch_end(self, trainer):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sys.modules[MeanLoss.__module__], "plain_reader", lambda *arguments: None)
            self.perplexities.append(evaluate(trainer.model, self.batches).perplexity)


@pytest.mark.parametrize(("hybridize", "rel"), [(True, 1e-6), (False, 1e-5)])  # the latter by MXNet's operators
def test_validation_on_a_stream_is_that_of_the_graph_with_the_parameters_of_each_epoch(hybridize, rel, monkeypatch):
    data = data_of("book")
    evaluated, calls, score = Evaluated(data.val_dataloader()), [], writing.Network.score
    monkeypatch.setattr(writing.Network, "score", lambda *arguments: calls.append(1) or score(*arguments))
    history = Trainer(3, gradient_clip_val=1, hybridize=hybridize, progress=False, callbacks=[evaluated]).fit(
        model_of(data), data)
    assert [row["val_ppl"] for row in history] == pytest.approx(evaluated.perplexities, rel=rel)
    assert len(set(evaluated.perplexities)) == 3
    assert bool(calls) == (hybridize and kernels.loaded() is not None)


def test_a_step_that_is_not_finite_is_rolled_back_and_the_rate_halved(caplog):
    data = data_of("book")  # two pauses per epoch
    model, keep = model_of(data), Keep()
    history = Trainer(4, gradient_clip_val=1, progress=False, callbacks=[Poison(4), keep]).fit(model, data)
    assert [row["lr"] for row in history] == [0.5, 0.25, 0.25, 0.25]
    assert all(math.isfinite(row["train_ppl"]) for row in history)
    assert "in epoch 2: rolled back to the end of epoch 1, learning rate 0.25" in caplog.text
    # the rest equals a training from the last finite state with the lower rate
    arrays, about = keep.checkpoints[0]
    about["position"].update(lr_scale=0.5, rollbacks=1)
    again = model_of(data)
    Trainer(4, gradient_clip_val=1, progress=False).fit(again, data, resume=(arrays, about))
    assert same(model, again)


def test_a_training_that_keeps_diverging_stops_with_the_last_finite_state(small_data):
    model, keep = RNNLM(GRU(8, 2), len(small_data.vocab), lr=0.5), Keep()
    whole = Trainer(60, progress=False, callbacks=[keep, Poison(*range(3, 60))])
    message = (r"^lr must be small enough for a finite loss and finite gradients; got 0\.015625 "
               r"\(not finite in epoch 3, nor at 5 lower rates; try a lower")
    with pytest.raises(DivergedError, match=message):
        whole.fit(model, small_data)
    assert len(whole.history) == 2
    arrays, _ = keep.checkpoints[-1]
    for name, array in parameter_arrays(model).items():
        assert numpy.isfinite(array).all()
        assert (arrays[f"parameters/{name}"] == array).all()


def test_a_learning_rate_that_is_much_too_high_is_an_error(small_data):
    model = RNNLM(GRU(8, 2), len(small_data.vocab), lr=1e20)
    with pytest.raises(DivergedError, match=r"^lr must be .*; got 3\.125e\+18 \(not finite in epoch 1, "):
        Trainer(20, progress=False).fit(model, small_data)


def test_the_carried_state_is_used(monkeypatch):
    data = data_of("book")
    model, states = model_of(data), []
    begin = model.begin_state
    monkeypatch.setattr(model, "begin_state", lambda *a: states.append(a) or begin(*a))
    Trainer(2, progress=False).fit(model, data)
    assert len(states) == 2 * 2  # once per epoch for training, once for validation


def test_graphs_are_compiled_once_not_every_epoch(small_data, monkeypatch):
    compiled, get_graph = [], MeanLoss._get_graph

    def counted(block, *arguments):
        if not block._cached_graph:
            compiled.append(arguments[0].shape)
        return get_graph(block, *arguments)

    monkeypatch.setattr(MeanLoss, "_get_graph", counted)
    model = RNNLM(GRU(8, 2), len(small_data.vocab), lr=0.5)
    Trainer(4, progress=False).fit(model, small_data)
    assert sorted(compiled) == [(8, 8), (8, 36), (8, 64), (8, 64)]  # 200 = 3 x 64 + 8, 100 = 64 + 36


class Count(Callback):
    """Requests parameters and checkpoint twice per epoch, as the callback of a run does."""

    def on_epoch_end(self, trainer):
        for _ in range(2):
            trainer.parameters()
            trainer.checkpoint()


def test_parameters_are_copied_to_the_host_once_an_epoch(small_data, monkeypatch):
    copies, copy = [], averaging.parameter_arrays
    monkeypatch.setattr(averaging, "parameter_arrays", lambda model: copies.append(1) or copy(model))
    Trainer(3, patience=5, progress=False, callbacks=[Count()]).fit(model_of(small_data), small_data)
    assert len(copies) == 1 + 3  # for a rollback in the first epoch, and once per epoch
