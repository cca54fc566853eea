import io
import itertools
import math

from gluon_deeprnn import GRU, RNNLM, RNNLMScratch, StackedRNNScratch, TextData, Trainer, evaluate
from gluon_deeprnn.data import Source
from gluon_deeprnn.errors import DivergedError
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training import Callback, interrupts, session
from gluon_deeprnn.training.progress import Progress
import mxnet
import numpy
import pytest


class Keep(Callback):
    """Stores a checkpoint of every epoch, and of an interruption."""

    def __init__(self):
        self.checkpoints = []

    def on_epoch_end(self, trainer):
        self.checkpoints.append(trainer.checkpoint())

    on_interrupt = on_epoch_end


def data_of(protocol):
    rng = numpy.random.default_rng(0)
    text = "".join(rng.choice(list("abcde "), 1500))
    if protocol == "records":  # lines of up to 45 tokens, five chunks
        lines = "\n".join("".join(rng.choice(list("abcde"), length)) for length in rng.integers(1, 45, 45))
        return TextData([Source("lines", lines, "")], 8, 10, protocol="book", records="line")
    return TextData([Source("random", text, "")], 8, 10, protocol=protocol, num_train=300, num_val=100)


def model_of(data, dropout=0.3):
    mxnet.random.seed(2)
    return RNNLM(GRU(12, 2, dropout=dropout), len(data.vocab), lr=0.5)


def same(first, second):
    a, b = parameter_arrays(first), parameter_arrays(second)
    return all((array == b[name]).all() for name, array in a.items())


def test_training_reduces_the_perplexity(small_data):
    model = RNNLM(GRU(32, 2), len(small_data.vocab), lr=0.01)
    history = Trainer(12, gradient_clip_val=1, optimizer="adam", progress=False).fit(model, small_data)
    assert history[0]["train_ppl"] > 10
    assert history[-1]["val_ppl"] < 5
    assert [row["epoch"] for row in history] == list(range(1, 13))


def test_history_agrees_with_evaluate(small_data):
    model = RNNLM(GRU(8, 2), len(small_data.vocab), lr=0.5)
    history = Trainer(2, progress=False).fit(model, small_data)
    assert evaluate(model, small_data.val_dataloader()).perplexity == pytest.approx(history[-1]["val_ppl"], rel=1e-6)
    assert set(history[0]) == {"epoch", "train_ppl", "val_ppl", "tokens_per_second", "lr", "gradient_norm", "clipped",
                               "layer_gradient_norms", "seconds"}


@pytest.mark.parametrize("protocol", ["d2l", "book", "records"])
def test_hybridizing_does_not_change_the_results_of_a_training(protocol):
    data = data_of(protocol)
    results = []
    for hybridize in (True, False):
        model = model_of(data)
        history = Trainer(2, gradient_clip_val=1, hybridize=hybridize, progress=False).fit(model, data)
        results.append((history[-1]["train_ppl"], history[-1]["val_ppl"], parameter_arrays(model)))
    (a, b, first), (c, d, second) = results
    assert (a, b) == pytest.approx((c, d), rel=1e-5)
    for name, array in first.items():
        numpy.testing.assert_allclose(array, second[name], atol=1e-5)


def test_a_step_equals_the_books_step_computed_by_hand(small_data):
    small_data.batch_size = small_data.num_train
    size = len(small_data.vocab)
    first = RNNLMScratch(StackedRNNScratch(size, 6, 2, sigma=0.5), size)
    second = RNNLMScratch(StackedRNNScratch(size, 6, 2, sigma=0.5), size)
    for (_, p), (_, q) in zip(first.named_parameters(), second.named_parameters()):
        q.set_data(p.data())
    history = Trainer(1, gradient_clip_val=0.05, lr=2, progress=False).fit(first, small_data)
    x, y = (mxnet.np.array(part, dtype="int32") for part in next(small_data.train_dataloader().batches(0)))
    cross_entropy = mxnet.gluon.loss.SoftmaxCrossEntropyLoss()
    with mxnet.autograd.record():
        logits, _ = second(x)
        loss = cross_entropy(logits.reshape(-1, size), y.reshape(-1)).mean()
    loss.backward()
    gradients = [parameter.grad().asnumpy() for _, parameter in second.named_parameters()]
    norm = math.sqrt(sum((g.astype("float64") ** 2).sum() for g in gradients))
    assert norm > 0.05
    assert history[0]["gradient_norm"] == pytest.approx(norm, rel=1e-5)
    assert history[0]["train_ppl"] == pytest.approx(math.exp(float(loss.asnumpy())), rel=1e-5)
    for gradient, (_, before), (_, after) in zip(gradients, second.named_parameters(), first.named_parameters()):
        expected = before.data().asnumpy() - 2 * gradient * 0.05 / norm
        numpy.testing.assert_allclose(after.data().asnumpy(), expected, atol=1e-6)


def test_the_same_seeds_yield_bitwise_identical_parameters():
    data = data_of("d2l")
    models = [model_of(data) for _ in range(2)]
    for model in models:
        Trainer(3, gradient_clip_val=1, seed=5, progress=False).fit(model, data)
    assert same(*models)


def test_another_seed_drops_other_units():
    data = data_of("d2l")
    models = [model_of(data) for _ in range(2)]
    for seed, model in enumerate(models):
        Trainer(1, seed=seed, progress=False).fit(model, data)
    assert not same(*models)


OPTIONS = [
    {"optimizer": "sgd"}, {"optimizer": "adam", "lr": 0.01, "schedule": "cosine"},
    {"optimizer": "sgd", "optimizer_params": {"momentum": 0.9}, "schedule": "plateau", "lr_epochs": 1},
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


def test_patience_stops_and_restores_the_best_parameters(small_data):
    class Watch(Callback):
        best = None

        def on_epoch_end(self, trainer):
            if trainer.improved:
                self.best = parameter_arrays(trainer.model)

    watch, model = Watch(), RNNLM(GRU(48, 2), len(small_data.vocab), lr=20.0)  # too large: the loss oscillates
    history = Trainer(60, gradient_clip_val=5, patience=4, progress=False, callbacks=[watch]).fit(model, small_data)
    best = min(history, key=lambda row: row["val_ppl"])
    assert len(history) == best["epoch"] + 4 < 60
    for name, array in parameter_arrays(model).items():
        assert (array == watch.best[name]).all()


class Poison(Callback):
    """Sets one weight to NaN at some pauses, as after a step that diverged."""

    def __init__(self, *pauses):
        self.pauses, self.count, self.rates = pauses, 0, []

    def on_pause(self, trainer):
        self.count += 1
        if self.count in self.pauses:
            _, parameter = next(iter(trainer.model.named_parameters()))
            parameter.set_data(parameter.data() * numpy.nan)


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
def test_a_checkpoint_that_is_not_one_of_this_training_is_refused(damage, message, protocol):
    data, keep = data_of(protocol), Keep()
    Trainer(2, progress=False, callbacks=[keep]).fit(model_of(data), data)
    arrays, about = keep.checkpoints[-1]
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


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


def test_progress_is_a_line_per_epoch_without_a_terminal():
    stream = io.StringIO()
    shown = Progress(3, 10, stream=stream)
    shown.batch()
    shown.epoch(1, "perplexity 9.12 training")
    shown.close()
    assert stream.getvalue() == "epoch 1/3: perplexity 9.12 training\n"


def test_progress_is_a_bar_on_a_terminal():
    stream = Terminal()
    shown = Progress(3, 10, stream=stream)
    shown.batch()
    shown.epoch(1, "perplexity 9.12 training")
    shown.close()
    assert "epoch 1/3" in stream.getvalue()
    assert "perplexity 9.12 training" in stream.getvalue()
    assert "\n" not in stream.getvalue().rstrip("\n")


@pytest.mark.parametrize(("options", "message"), [
    ({"max_epochs": 0}, "max_epochs must be a positive integer; got 0"),
    ({"num_gpus": -1}, "num_gpus must be a non-negative integer; got -1"),
    ({"num_gpus": 2}, "num_gpus must be 0 or 1; got 2"),
    ({"gradient_clip_val": -1}, "gradient_clip_val must be a number, at least 0; got -1"),
    ({"optimizer": "sdg"}, r"optimizer must be one of sgd, .*; got 'sdg' \(did you mean 'sgd'\?\)"),
    ({"lr": "fast"}, "lr must be a number above 0; got 'fast'"),
    ({"schedule": "cosin"}, r"schedule must be one of .*; got 'cosin' \(did you mean 'cosine'\?\)"),
    ({"lr_factor": 2}, r"lr_factor must be a number in \(0, 1\); got 2"),
    ({"lr_epochs": 0}, "lr_epochs must be a positive integer; got 0"),
    ({"patience": 1.5}, "patience must be a non-negative integer; got 1.5"),
    ({"ctx": "gpu(7)"}, r"ctx must be a context that this machine has .*; got 'gpu\(7\)' \(use cpu or auto\)"),
    ({"ctx": "tpu"}, r"ctx must be cpu, gpu, gpu\(N\) or auto; got 'tpu'"),
    ({"seed": -1}, "seed must be a non-negative integer; got -1"),
    ({"hybridize": 1}, "hybridize must be True or False; got 1"),
    ({"progress": None}, "progress must be True or False; got None"),
])
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match="^" + message):
        Trainer(**{"max_epochs": 3, **options})


def test_a_model_for_another_vocabulary_is_refused(small_data):
    with pytest.raises(ValueError, match=r"^model must be one for the 28 tokens of data\.vocab; got vocab_size=5$"):
        Trainer(1).fit(RNNLM(GRU(4), 5), small_data)


def test_num_gpus_without_a_gpu_trains_on_the_cpu_with_a_warning(caplog):
    if mxnet.context.num_gpus():
        pytest.skip("this machine has a GPU")
    assert Trainer(1, num_gpus=1).ctx == mxnet.cpu()
    assert "training on the CPU" in caplog.text


def test_a_trainer_before_fit_has_no_model_parameters_or_checkpoint():
    trainer = Trainer(2, progress=False)
    assert (trainer.history, trainer.improved) == ([], False)
    for ask in (trainer.checkpoint, trainer.parameters, lambda: trainer.model):
        with pytest.raises(ValueError, match=r"must be used after fit has started; got a Trainer before"):
            ask()


class Count(Callback):
    """Requests parameters and checkpoint twice per epoch, as the callback of a run does."""

    def on_epoch_end(self, trainer):
        for _ in range(2):
            trainer.parameters()
            trainer.checkpoint()


def test_parameters_are_copied_to_the_host_once_an_epoch(small_data, monkeypatch):
    copies, copy = [], session.parameter_arrays
    monkeypatch.setattr(session, "parameter_arrays", lambda model: copies.append(1) or copy(model))
    Trainer(3, patience=5, progress=False, callbacks=[Count()]).fit(model_of(small_data), small_data)
    assert len(copies) == 1 + 3  # for a rollback in the first epoch, and once per epoch


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_an_optimizer_object_trains_like_its_name_and_can_be_reused(small_data, name):
    options = {"wd": 1e-3}
    by_name, by_object, again = (model_of(small_data) for _ in range(3))
    for model in (by_object, again):
        set_parameters(model, parameter_arrays(by_name))
    Trainer(2, optimizer=name, lr=0.01, optimizer_params=options, progress=False).fit(by_name, small_data)
    made = mxnet.optimizer.create(name, learning_rate=0.01, **options)
    for model in (by_object, again):
        Trainer(2, optimizer=made, progress=False).fit(model, small_data)
        assert same(by_name, model)


@pytest.mark.parametrize(("optimizer", "options", "message"), [
    (lambda: mxnet.optimizer.SGD(), {"momentum": 0.9}, "optimizer_params must be omitted with an optimizer object"),
    (lambda: mxnet.optimizer.SGD(lr_scheduler=mxnet.lr_scheduler.FactorScheduler(5)), None,
     "optimizer must be one without an lr_scheduler"),
    (lambda: mxnet.optimizer.SGD(learning_rate=-1.0), None, "optimizer.learning_rate must be a number above 0"),
    (lambda: 3, None, "optimizer must be one of sgd, "),
])
def test_an_optimizer_that_cannot_be_used_is_refused(optimizer, options, message):
    with pytest.raises(ValueError, match="^" + message):
        Trainer(2, optimizer=optimizer(), optimizer_params=options)
