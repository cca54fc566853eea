"""Several contexts compute what one does: gradients of shares are summed, then clipped by their joint norm."""

import itertools

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, TextData, Trainer
from gluon_deeprnn.data import Source
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.training import interrupts
from gluon_deeprnn.training.replicas import columns_of
from hypothesis import given, strategies
import mxnet
import numpy
import pytest
from trainings import Keep, Poison, data_of, model_of, same

CONTEXTS = ["cpu(0)", "cpu(0),cpu(1)", "cpu(0),cpu(1),cpu(2),cpu(3)"]
MODELS = {
    "rnn": lambda v: RNNLM(RNN(12, 2), v, lr=0.5), "gru": lambda v: RNNLM(GRU(12, 2), v, lr=0.5),
    "lstm, tied": lambda v: RNNLM(LSTM(12, 2), v, lr=0.5, embedding=12, tied=True),
    "rnn from scratch, learned state": lambda v: RNNLMScratch(StackedRNNScratch(v, 12, num_layers=2, sigma=0.1,
                                                                                learned_state=True), v, lr=0.5)}


def made(kind, data):
    mxnet.random.seed(2)
    return MODELS[kind](len(data.vocab))


def windows(num_train, batch_size=8):
    text = "".join(numpy.random.default_rng(0).choice(list("abcde "), 1500))
    return TextData([Source("random", text, "")], batch_size, 10, num_train=num_train, num_val=100)


def trained(kind, data, ctx, **options):
    model = made(kind, data)
    history = Trainer(1, progress=False, ctx=ctx, **options).fit(model, data)
    return parameter_arrays(model), history[0]


def difference(found, expected):
    """The largest difference of two sets of parameters, relative to the largest number of each array."""
    return max(abs(found[name] - array).max() / abs(array).max() for name, array in expected.items())


@pytest.mark.parametrize("options", [
    {"optimizer": "sgd"}, {"optimizer": "adam", "lr": 0.01, "optimizer_params": {"epsilon": 1e-4}}])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("columns", [8, 7, 5, 3, 1])
def test_one_step_on_several_contexts_equals_one_on_one_context(columns, kind, options):
    data = windows(columns)
    assert len(data.train_dataloader()) == 1
    options = {**options, "gradient_clip_val": 0.05}
    expected, row = trained(kind, data, CONTEXTS[0], **options)
    assert row["clipped"] == 1
    assert difference(parameter_arrays(made(kind, data)), expected) > 1e-3
    for ctx in CONTEXTS[1:]:
        found, other = trained(kind, data, ctx, **options)
        assert difference(found, expected) < 1e-6
        for name in ("train_ppl", "val_ppl", "gradient_norm"):
            assert other[name] == pytest.approx(row[name], rel=1e-6)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_an_epoch_on_several_contexts_equals_one_on_one_context(protocol, kind):
    data = data_of(protocol)
    options = {"gradient_clip_val": 0.1, "clip_value": 0.05, "averaging": 0.9}
    if not kind.endswith("state"):
        options.update(ar=0.5, tar=0.5, label_smoothing=0.1)
    expected, row = trained(kind, data, CONTEXTS[0], **options)
    assert 0 < row["clipped"] <= 1
    for ctx in CONTEXTS[1:]:
        found, other = trained(kind, data, ctx, **options)
        assert difference(found, expected) < 2e-6
        assert other["train_ppl"] == pytest.approx(row["train_ppl"], rel=1e-6)


@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
@pytest.mark.parametrize("ctx", CONTEXTS[1:])
def test_resuming_on_several_contexts_equals_an_uninterrupted_run(ctx, protocol, monkeypatch):
    data, options = data_of(protocol), {"gradient_clip_val": 1, "progress": False, "ctx": ctx, "averaging": 0.9}
    whole = model_of(data)  # with dropout
    expected = Trainer(2, **options).fit(whole, data)
    asked = itertools.count()
    with monkeypatch.context() as patched:
        patched.setattr(interrupts.Interrupts, "asked", lambda self: next(asked) == 1)  # after 8 steps
        keep = Keep()
        with pytest.raises(KeyboardInterrupt):
            Trainer(2, callbacks=[keep], **options).fit(model_of(data), data)
    resumed = model_of(data)
    history = Trainer(2, **options).fit(resumed, data, resume=keep.checkpoints[0])
    assert same(whole, resumed)
    assert [row["train_ppl"] for row in history] == [row["train_ppl"] for row in expected]


def test_a_checkpoint_is_resumed_on_another_number_of_contexts():
    data, made_by = data_of("book"), {}
    for ctx in CONTEXTS:
        keep = Keep()
        model = made("gru", data)
        Trainer(2, progress=False, ctx=ctx, callbacks=[keep]).fit(model, data)
        made_by[ctx] = keep.checkpoints[0], parameter_arrays(model)
    for ctx, other in itertools.permutations(CONTEXTS, 2):
        resumed = made("gru", data)
        Trainer(2, progress=False, ctx=other).fit(resumed, data, resume=made_by[ctx][0])
        assert difference(parameter_arrays(resumed), made_by[ctx][1]) < 2e-6


def test_dropout_masks_differ_from_context_to_context(monkeypatch):
    """Of two contexts with the same column and the same state, each draws masks of its own."""
    data = windows(2, batch_size=2)
    losses = []
    monkeypatch.setattr("gluon_deeprnn.training.replicas.Shares.mean",
                        lambda self: losses.append([float(mean.item()) for mean in self.means]) or 1.0)
    x, y = next(data.train_dataloader().batches(0))
    twice = [(numpy.repeat(x[:, :1], 2, axis=1), numpy.repeat(y[:, :1], 2, axis=1))]
    monkeypatch.setattr("gluon_deeprnn.training.session.Session.batches", lambda self: iter(twice))
    for dropout in (0.0, 0.5):
        Trainer(1, progress=False, ctx=CONTEXTS[1]).fit(model_of(data, dropout), data)
    (one, other), (dropped, dropped_other) = losses
    assert one == other
    assert abs(dropped - dropped_other) > 1e-3


def test_a_training_on_several_contexts_that_diverges_goes_on_with_half_the_rate(caplog):
    data = data_of("book")
    model = model_of(data)
    history = Trainer(2, progress=False, ctx=CONTEXTS[1], callbacks=[Poison(2)], averaging=0.9).fit(model, data)
    assert "rolled back to the beginning" in caplog.text
    assert len(history) == 2
    for name, parameter in model.named_parameters():
        first, second = (array.asnumpy() for array in parameter.list_data())
        assert (first == second).all(), name


def test_the_model_computes_on_each_of_its_contexts_after_training():
    data = windows(8)
    model = made("gru", data)
    Trainer(1, progress=False, ctx=CONTEXTS[1]).fit(model, data)
    on = [model(mxnet.np.zeros((3, 2), dtype="int32", ctx=mxnet.cpu(i)))[0] for i in range(2)]
    assert [each.ctx for each in on] == [mxnet.cpu(0), mxnet.cpu(1)]
    assert (on[0].asnumpy() == on[1].asnumpy()).all()
    assert model.predict("a", 5, data.vocab)


@given(strategies.integers(1, 50), strategies.integers(1, 20))
def test_every_column_belongs_to_one_replica(num_columns, num_replicas):
    columns = [range(num_columns)[columns_of(num_columns, replica, num_replicas)] for replica in range(num_replicas)]
    assert [column for each in columns for column in each] == list(range(num_columns))
    assert max(map(len, columns)) - min(map(len, columns)) <= 1
    assert columns[0]
