import copy
import functools
import itertools

from gluon_deeprnn import GRU, RNNLM, Trainer
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.training import Callback, interrupts, session
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


class Stop(Callback):
    """Stops the training at a pause, or at the end of an epoch."""

    def __init__(self, pause=None, epoch=None):
        self.pause, self.epoch, self.pauses = pause, epoch, 0

    def on_pause(self, trainer):
        self.pauses += 1
        if self.pauses == self.pause:
            trainer.stop()

    def on_epoch_end(self, trainer):
        if len(trainer.history) == self.epoch:
            trainer.stop()


@pytest.mark.parametrize(("protocol", "options"), [
    ("d2l", {}), ("book", {}), ("records", {}), ("book", {"averaging": 0.9}), ("book", {"patience": 3})])
@pytest.mark.parametrize(("stop", "epochs"), [({"pause": 1}, 0), ({"epoch": 1}, 1)])
def test_a_training_that_a_callback_stops_is_resumed_to_the_same_bits(protocol, options, stop, epochs):
    data = data_of(protocol)
    whole, model, resumed = (model_of(data) for _ in range(3))
    Trainer(2, progress=False, **options).fit(whole, data)
    trainer = Trainer(2, progress=False, callbacks=[Stop(**stop)], **options)
    assert len(trainer.fit(model, data)) == epochs
    arrays, about = trainer.checkpoint()
    assert (about["position"]["epoch"], about["position"]["batch"]) == (epochs, 0 if epochs else 8)
    shown = "average" if options.get("averaging") else "parameters"
    for name, array in parameter_arrays(model).items():  # the model has the averages, or with patience the best
        assert (array == arrays[f"{shown}/{name}"]).all()
    Trainer(2, progress=False, **options).fit(resumed, data, resume=(arrays, about))
    assert same(whole, resumed)


def test_a_checkpoint_stays_as_it_is_and_can_be_used_again(monkeypatch):
    data, keep = data_of("book"), Keep()
    keep.on_pause = keep.on_epoch_end
    Trainer(2, gradient_clip_val=1, progress=False, patience=5, callbacks=[keep]).fit(model_of(data), data)
    middle = next(each for each in keep.checkpoints if each[1]["position"]["batch"] and each[1]["history"])
    before = copy.deepcopy(middle)
    rows = []
    for _ in range(2):
        history = Trainer(3, gradient_clip_val=1, progress=False, patience=5).fit(model_of(data), data, resume=middle)
        rows.append([{key: row[key] for key in ("gradient_norm", "clipped", "layer_gradient_norms", "train_ppl")}
                     for row in history])
        history[0]["val_ppl"] = 0.5  # what the caller does with a history does not change the checkpoint either
    assert rows[0] == rows[1]
    assert middle[1] == before[1]
    assert middle[0].keys() == before[0].keys()
    assert all((array == before[0][name]).all() for name, array in middle[0].items())


def test_the_arrays_of_a_checkpoint_are_read_only():
    data, keep = data_of("d2l"), Keep()
    Trainer(1, progress=False, patience=2, callbacks=[keep]).fit(model_of(data), data)
    Trainer(2, progress=False, patience=2, callbacks=[keep]).fit(model_of(data), data, resume=keep.checkpoints[0])
    for name, array in [each for arrays, _ in keep.checkpoints for each in arrays.items()]:
        assert name.split("/")[0] in ("parameters", "best")
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


class Recorded(Keep):
    """Keeps the parameters of each epoch too, and gives it the validation perplexity of a list."""

    def __init__(self):
        super().__init__()
        self.parameters = []

    def on_epoch_end(self, trainer):
        super().on_epoch_end(trainer)
        self.parameters.append(parameter_arrays(trainer.model))


@pytest.mark.parametrize("averaging", [0, 0.9])
def test_patience_can_be_added_where_the_best_parameters_are_known(averaging, monkeypatch):
    data, keep = data_of("d2l"), Recorded()
    evaluated = iter([9.0, 8.0, 8.5, 8.6, 8.7, 8.8])
    monkeypatch.setattr(session.Session, "_evaluated", lambda self: (next(evaluated), {}))
    Trainer(3, progress=False, averaging=averaging, callbacks=[keep]).fit(model_of(data), data)
    model = model_of(data)
    trainer = Trainer(9, progress=False, averaging=averaging, patience=2)
    history = trainer.fit(model, data, resume=keep.checkpoints[1])  # after epoch 2, the best one
    assert len(history) == 4
    assert all((array == keep.parameters[1][name]).all() for name, array in parameter_arrays(model).items())


def test_patience_is_refused_before_any_step_where_they_are_not(monkeypatch):
    data, keep, steps = data_of("d2l"), Keep(), []
    evaluated = iter([8.0, 9.0])
    monkeypatch.setattr(session.Session, "_evaluated", lambda self: (next(evaluated), {}))
    Trainer(2, progress=False, callbacks=[keep]).fit(model_of(data), data)
    monkeypatch.setattr(session.Session, "step", lambda *arguments: steps.append(1))
    message = (r"^patience must be 0 for a checkpoint that does not have the best parameters; got one at the end of "
               r"epoch 2, whose best epoch is 1$")
    with pytest.raises(ValueError, match=message):
        Trainer(9, progress=False, patience=2).fit(model_of(data), data, resume=keep.checkpoints[1])
    assert not steps


def test_without_patience_the_best_parameters_of_a_checkpoint_are_not_kept():
    data, keep, again = data_of("d2l"), Keep(), Keep()
    Trainer(1, progress=False, patience=2, callbacks=[keep]).fit(model_of(data), data)
    Trainer(2, progress=False, callbacks=[again]).fit(model_of(data), data, resume=keep.checkpoints[0])
    assert any(name.startswith("best/") for name in keep.checkpoints[0][0])
    assert not any(name.startswith("best/") for name in again.checkpoints[0][0])
