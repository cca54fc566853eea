import copy
import functools
import itertools

from gluon_deeprnn import GRU, RNNLM, Trainer
from gluon_deeprnn.training import interrupts, session
import numpy
import pytest
from trainings import Keep, data_of, model_of, same

OPTIONS = [
    {"optimizer": "sgd"}, {"optimizer": "adam", "lr": 0.01, "schedule": "cosine", "warmup": 25},
    {"optimizer": "sgd", "optimizer_params": {"momentum": 0.9}, "schedule": "plateau", "lr_epochs": 1},
    {"averaging": 0.95}, {"ar": 0.5, "tar": 0.5, "label_smoothing": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_resuming_between_epochs_equals_an_uninterrupted_run(protocol, options):
    data = data_of(protocol)
    whole, keep = model_of(data), Keep()
    expected = Trainer(4, gradient_clip_val=1, progress=False, callbacks=[keep], **options).fit(whole, data)
    resumed = RNNLM(GRU(12, 2, dropout=0.3), len(data.vocab), lr=0.5)  # other parameters, other generator state
    history = Trainer(4, gradient_clip_val=1, progress=False, **options).fit(resumed, data, resume=keep.checkpoints[1])
    assert same(whole, resumed)
    keys = ("epoch", "train_ppl", "val_ppl", "lr", "gradient_norm")
    assert [[row[key] for key in keys] for row in history] == [[row[key] for key in keys] for row in expected]


@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_resuming_after_ctrl_c_inside_an_epoch_equals_an_uninterrupted_run(protocol, monkeypatch):
    data = data_of(protocol)
    whole = model_of(data)
    expected = Trainer(2, gradient_clip_val=1, progress=False).fit(whole, data)
    asked = itertools.count()
    with monkeypatch.context() as patched:
        patched.setattr(interrupts.Interrupts, "asked", lambda self: next(asked) == 1)  # after 8 steps
        keep, model = Keep(), model_of(data)
        with pytest.raises(KeyboardInterrupt):
            Trainer(2, gradient_clip_val=1, progress=False, callbacks=[keep]).fit(model, data)
    (arrays, about), = keep.checkpoints
    assert about["position"]["batch"] == 8
    resumed = model_of(data)
    history = Trainer(2, gradient_clip_val=1, progress=False).fit(resumed, data, resume=(arrays, about))
    assert same(whole, resumed)
    assert [row["train_ppl"] for row in history] == [row["train_ppl"] for row in expected]


def test_a_training_on_records_is_resumed_exactly_at_every_chunk(monkeypatch):
    monkeypatch.setattr(session, "_STEPS_PER_SEED", 1)  # a checkpoint is possible before every step
    data = data_of("records")
    source, whole = data.train_dataloader(), model_of(data)
    assert sum(source.continues(1, i) for i in range(len(source))) > len(source) / 2

    class Each(Keep):
        on_pause = Keep.on_epoch_end

    each = Each()
    expected = Trainer(2, gradient_clip_val=1, progress=False, callbacks=[each]).fit(whole, data)
    second = [(arrays, about) for arrays, about in each.checkpoints if about["position"]["epoch"] == 1][1:]
    assert [about["position"]["batch"] for _, about in second] == list(range(len(source)))
    for batch, (arrays, about) in enumerate(second):
        assert ("state/0" in arrays) == source.continues(1, batch)
        resumed = model_of(data)
        history = Trainer(2, gradient_clip_val=1, progress=False).fit(resumed, data, resume=(arrays, about))
        assert same(whole, resumed)
        assert history[1]["train_ppl"] == expected[1]["train_ppl"]


@pytest.mark.parametrize("protocol", ["book", "records"])
def test_a_checkpoint_with_a_state_where_none_is_carried_over_or_without_it_is_refused(protocol, monkeypatch):
    monkeypatch.setattr(session, "_STEPS_PER_SEED", 1)
    data, each = data_of(protocol), Keep()
    each.on_pause = each.on_epoch_end
    Trainer(1, progress=False, callbacks=[each]).fit(model_of(data), data)
    arrays, about = next((arrays, about) for arrays, about in each.checkpoints if "state/0" in arrays)
    without = {name: array for name, array in arrays.items() if name != "state/0"}
    first = {**about, "position": {**about["position"], "batch": 0}}
    for damaged in ((without, about), (arrays, first)):
        with pytest.raises(ValueError, match=r"^checkpoint must be one of this training; got .*a state of a"):
            Trainer(1, progress=False).fit(model_of(data), data, resume=damaged)


class Old:
    """A user's batch source with only ``carries_state``."""

    def __init__(self, source, carries_state):
        self.source, self.carries_state, self.batch_size = source, carries_state, source.batch_size

    def __len__(self):
        return len(self.source)

    def batches(self, epoch=0, start=0):
        return self.source.batches(epoch, start)


@pytest.mark.parametrize("protocol", ["d2l", "book"])
def test_a_source_with_only_carries_state_is_trained_and_resumed_like_ours(protocol, monkeypatch):
    data = data_of(protocol)
    ours, theirs, resumed = (model_of(data) for _ in range(3))
    Trainer(1, progress=False).fit(ours, data)
    train = data.train_dataloader()
    monkeypatch.setattr(data, "train_dataloader", lambda: Old(train, protocol == "book"))
    keep = Keep()
    keep.on_pause = keep.on_epoch_end
    Trainer(1, progress=False, callbacks=[keep]).fit(theirs, data)
    assert same(ours, theirs)
    arrays, about = keep.checkpoints[1]
    assert about["position"]["batch"] == 8
    Trainer(1, progress=False).fit(resumed, data, resume=(arrays, about))
    assert same(ours, resumed)


@pytest.fixture(scope="module")
def trained():
    """A function that trains for two epochs, once for each protocol; it returns the data and a copy of a checkpoint."""
    @functools.cache
    def train(protocol):
        data, keep = data_of(protocol), Keep()
        Trainer(2, progress=False, callbacks=[keep]).fit(model_of(data), data)
        return data, keep.checkpoints[-1]

    return lambda protocol: copy.deepcopy(train(protocol))


@pytest.mark.parametrize(("damage", "message"), [
    (lambda arrays, about: about["position"].update(epoch=-1), "a position outside the training"),
    (lambda arrays, about: about["position"].update(batch=10**6), "a position outside the training"),
    (lambda arrays, about: about["position"].update(lr_scale="1"), "a position outside the training"),
    (lambda arrays, about: about["position"].update(more=1), "unexpected keyword"),
    (lambda arrays, about: about["position"].update(gradients={"layers": {}}), "KeyError"),
    (lambda arrays, about: about["history"].pop(), "a history of 1 epochs in epoch 3"),
    (lambda arrays, about: about["history"][0].update(val_ppl="low"), "row 1 of the history has values"),
    (lambda arrays, about: about["history"][0].pop("lr"), "row 1 of the history does not have its fields"),
    (lambda arrays, about: about["optimizer"]["numbers"].update(clip_gradient=1.0), "optimizer state must be"),
    (lambda arrays, about: about["optimizer"]["numbers"].update(num_update="x"), "optimizer state must be"),
    (lambda arrays, about: about["optimizer"]["updates"].update(other=1), "optimizer state must be"),
    (lambda arrays, about: about.pop("optimizer"), "KeyError: 'optimizer'"),
    (lambda arrays, about: arrays.pop("parameters/dense.bias"), "different names: dense.bias"),
    (lambda arrays, about: arrays.update({"parameters/dense.bias": numpy.zeros(3, "float32")}), "float32 of shape"),
    (lambda arrays, about: arrays.update({"elsewhere/x": numpy.zeros(3, "float32")}), "KeyError: 'elsewhere'"),
    (lambda arrays, about: arrays.update({"state/0": numpy.zeros(3, "float32")}), "a state of a different shape"),
    (lambda arrays, about: arrays.update({"best/x": numpy.zeros(3, "float32")}), "best parameters of different shapes"),
])
@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_a_checkpoint_that_is_not_one_of_this_training_is_refused(damage, message, protocol, trained):
    data, (arrays, about) = trained(protocol)
    damage(arrays, about)
    with pytest.raises(ValueError, match=f"^checkpoint must be one of this training; got .*{message}"):
        Trainer(4, progress=False).fit(model_of(data), data, resume=(arrays, about))


@pytest.mark.parametrize("what", ["threads", "layers"])
def test_resuming_with_another_arithmetic_is_logged(what, caplog):
    data, keep = data_of("d2l"), Keep()
    Trainer(1, progress=False, callbacks=[keep]).fit(model_of(data), data)
    arrays, about = keep.checkpoints[0]
    Trainer(2, progress=False).fit(model_of(data), data, resume=(arrays, about))
    assert not caplog.records
    about[what] = 77
    Trainer(2, progress=False).fit(model_of(data), data, resume=(arrays, about))
    assert f"written with {what} 77; it is now" in caplog.text
