import math

from gluon_deeprnn import GRU, RNNLM, RNNLMScratch, StackedRNNScratch, Trainer, evaluate
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training import Callback
import mxnet
import numpy
import pytest
from trainings import Keep, data_of, model_of, same


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
                               "layer_gradient_norms", "seconds", "unigram_ppl", "ngram_ppl", "ngram_order",
                               "val_tokens", "val_unknown"}


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


@pytest.mark.parametrize(("options", "message"), [
    ({"max_epochs": 0}, "max_epochs must be a positive integer; got 0"),
    ({"num_gpus": -1}, "num_gpus must be a non-negative integer; got -1"),
    ({"gradient_clip_val": -1}, "gradient_clip_val must be a number, at least 0; got -1"),
    ({"optimizer": "sdg"}, r"optimizer must be one of sgd, .*; got 'sdg' \(did you mean 'sgd'\?\)"),
    ({"lr": "fast"}, "lr must be a number above 0; got 'fast'"),
    ({"schedule": "cosin"}, r"schedule must be one of .*; got 'cosin' \(did you mean 'cosine'\?\)"),
    ({"lr_factor": 2}, r"lr_factor must be a number in \(0, 1\); got 2"),
    ({"lr_epochs": 0}, "lr_epochs must be a positive integer; got 0"),
    ({"patience": 1.5}, "patience must be a non-negative integer; got 1.5"),
    ({"ctx": "gpu(7)"}, r"ctx must be a context that this machine has .*; got 'gpu\(7\)' \(use cpu or auto\)"),
    ({"ctx": "cpu(0),gpu(7)"}, r"ctx must be a context that this machine has .*; got 'gpu\(7\)'"),
    ({"ctx": ["cpu", "cpu(0)"]}, r"ctx must be different contexts; got \['cpu\(0\)', 'cpu\(0\)'\]"),
    ({"ctx": "cpu(1),cpu(1)"}, r"ctx must be different contexts; got 'cpu\(1\),cpu\(1\)'"),
    ({"ctx": []}, r"ctx must be cpu, gpu, gpu\(N\) or auto; got \[\]"),
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
    assert "training on cpu(0)" in caplog.text


def test_a_trainer_before_fit_has_no_model_parameters_or_checkpoint():
    trainer = Trainer(2, progress=False)
    assert (trainer.history, trainer.improved) == ([], False)
    for ask in (trainer.checkpoint, trainer.parameters, lambda: trainer.model):
        with pytest.raises(ValueError, match=r"must be used after fit has started; got a Trainer before"):
            ask()


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


def test_a_learning_rate_among_the_options_of_the_optimizer_works_as_in_gluon(small_data):
    first, second = model_of(small_data), model_of(small_data)
    rows = [Trainer(2, optimizer="sgd", progress=False, **options).fit(model, small_data)[-1]["lr"]
            for model, options in ((first, {"lr": 0.125}), (second, {"optimizer_params": {"learning_rate": 0.125}}))]
    assert rows == [0.125, 0.125]
    assert same(first, second)


@pytest.mark.parametrize(("options", "message"), [
    ({"lr": 0.5, "optimizer_params": {"learning_rate": 0.1}},
     r"lr must be omitted with optimizer_params\['learning_rate'\]; got 0.5"),
    ({"optimizer_params": {"learning_rate": -1}},
     r"optimizer_params\['learning_rate'\] must be a number above 0; got -1"),
    ({"optimizer_params": {"multi_precision": True}},
     r"optimizer_params\['multi_precision'\] must be omitted, since gradients are dense and in float32; got True"),
    ({"lr_factor": 0.3}, "lr_factor must be omitted for schedule constant; got 0.3"),
    ({"lr_epochs": 3, "schedule": "cosine"}, "lr_epochs must be omitted for schedule cosine; got 3"),
    ({"num_gpus": 1, "ctx": "cpu"}, "num_gpus must be omitted with ctx; got 1"),
])
def test_an_argument_that_would_have_no_effect_is_refused(options, message):
    with pytest.raises(ValueError, match="^" + message):
        Trainer(3, **options)


@pytest.mark.parametrize(("name", "remedy"), [
    ("lr", "pass lr to Trainer; schedule and warmup change it during a training"),
    ("stop", r"trainer\.stop\(\) ends the training"), ("max_epochs", "pass max_epochs to Trainer"),
    ("schedule", "pass schedule to Trainer"), ("max_epoch", r"did you mean 'max_epochs'\?"), ("history", None)])
def test_an_attribute_that_would_have_no_effect_cannot_be_set(name, remedy, small_data):
    class Sets(Callback):
        def on_epoch_end(self, trainer):
            setattr(trainer, name, 1)

    message = f"^trainer.{name} must be left as it is, since setting it has no effect; got 1" + (
        rf" \({remedy}\)$" if remedy else "$")
    with pytest.raises(ValueError, match=message):
        Trainer(2, progress=False, callbacks=[Sets()]).fit(model_of(small_data), small_data)


def test_a_subclass_has_attributes_of_its_own():
    class Mine(Trainer):
        def __init__(self, note):
            super().__init__(2)
            self.note = note

    mine = Mine("a")
    mine.note = "b"
    assert mine.note == "b"
    with pytest.raises(ValueError, match=r"^trainer\.lr must be left as it is"):
        mine.lr = 1


@pytest.mark.parametrize(("clip_value", "share"), [(1e-7, 1.0), (1e9, 0.0)])
def test_steps_whose_elements_are_clipped_are_counted(small_data, clip_value, share):
    row, = Trainer(1, clip_value=clip_value, progress=False).fit(model_of(small_data), small_data)
    assert row["clipped"] == share


def test_clipping_is_not_advised_where_elements_are_clipped(small_data, caplog):
    mxnet.random.seed(1)
    model = RNNLM(GRU(32, 4, residual=True), len(small_data.vocab), lr=300)
    Trainer(8, clip_value=0.01, progress=False).fit(model, small_data)
    assert "the training perplexity rose from" in caplog.text
    assert "100% of the steps clipped; try a lower learning rate (lr=150), or layer_norm=True" in caplog.text


def test_stop_before_fit_is_refused():
    with pytest.raises(ValueError, match=r"^stop\(\) must be used after fit has started"):
        Trainer(2).stop()


def test_the_last_epoch_is_known_to_be_the_best_in_a_resumed_training_too(small_data):
    found = []

    class Improved(Callback):
        def on_pause(self, trainer):
            found.append((len(trainer.history), trainer.improved))

    keep = Keep()
    history = Trainer(1, progress=False, callbacks=[keep]).fit(model_of(small_data), small_data)
    assert len(history) == 1
    Trainer(2, progress=False, callbacks=[Improved()]).fit(model_of(small_data), small_data,
                                                           resume=keep.checkpoints[0])
    assert found[0] == (1, True)
