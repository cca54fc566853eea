"""Every other context computes what ``cpu(0)`` does: a GPU, and a second context of the CPU.

``pytest -m gpu`` on a machine with a GPU and a CUDA wheel of MXNet 1.9.1 runs them on the GPU.  With ``cpu(1)`` the
tests show that states, parameters and checkpoints are on the context where they belong.
"""

import copy

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, TextData, Trainer, evaluate, generate
from gluon_deeprnn.data import Source
from gluon_deeprnn.devices import as_context, num_gpus
from gluon_deeprnn.models import as_scratch
from gluon_deeprnn.models.weights import gradient_arrays, parameter_arrays
from gluon_deeprnn.training import Callback
import mxnet
from mxnet import autograd, np
import numpy
import pytest

on_a_gpu = [pytest.mark.gpu, pytest.mark.skipif(not num_gpus(), reason="needs a GPU that MXNet can use")]

T, N, V, H = 9, 6, 11, 16
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
CELLS = {
    "rnn": lambda **options: RNN(H, 2, **options),
    "relu rnn": lambda **options: RNN(H, 2, activation="relu", **options),
    "lstm": lambda **options: LSTM(H, 2, **options), "gru": lambda **options: GRU(H, 2, **options),
    "rnn from scratch": lambda **options: StackedRNNScratch(V, H, 2, sigma=0.3, **options),
    "gru from scratch": lambda **options: as_scratch(started(GRU(H, 2, num_inputs=V, **options)))}
EXTRAS = {
    "plain": {}, "normed": {"layer_norm": True}, "residual": {"residual": True}, "skip": {"skip": True},
    "learned state": {"learned_state": True}}
DROPOUT = {
    "dropout": {"dropout": 0.4}, "variational": {"dropout": 0.4, "variational": True}, "input": {"input_dropout": 0.4},
    "output": {"output_dropout": 0.4}, "weight": {"weight_dropout": 0.4}}


@pytest.fixture(params=["cpu(1)", pytest.param("gpu(0)", marks=on_a_gpu)])
def other(request):
    """The name of a context."""
    return request.param


def started(core):
    core.initialize()
    return core


def language_model(cell, **options):
    mxnet.random.seed(3)
    core = CELLS[cell](**options)
    if "scratch" in cell:
        return RNNLMScratch(core, V, lr=0.5)
    return RNNLM(core, V, lr=0.5, embedding=8)


def moved_to(ctx, model):
    """A copy of a model on a context."""
    moved = copy.deepcopy(model)
    moved.collect_params().reset_ctx(as_context(ctx))
    return moved


def batch():
    return numpy.random.default_rng(0).integers(0, V, (T, N)).astype("int32")


def data_of(protocol="book"):
    text = "".join(numpy.random.default_rng(0).choice(list("abcdefghi "), 1500))
    return TextData([Source("random", text, "")], 8, 10, protocol=protocol, num_train=300, num_val=100)


@pytest.mark.parametrize("hybridize", [True, False])
@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_states_and_gradients_equal_those_of_the_cpu(cell, extra, hybridize, other):
    if "scratch" in cell and extra in ("normed", "residual", "skip"):
        pytest.skip("the fused cell has it too, and from scratch it is the same program")
    model = language_model(cell, **EXTRAS[extra])
    found = []
    for each in (model, moved_to(other, model)):
        each.hybridize(hybridize)
        ctx = next(iter(each.collect_params().values())).list_ctx()[0]
        with autograd.record():
            logits, state = each(np.array(batch(), dtype="int32", ctx=ctx), each.begin_state(N, ctx))
            loss = (logits**2).sum() + sum((array**2).sum() for array in state)
        loss.backward()
        found.append([logits.asnumpy(), *(array.asnumpy() for array in state), *gradient_arrays(each).values()])
    for cpu, gpu in zip(*found):
        numpy.testing.assert_allclose(gpu, cpu, **CLOSE)


@pytest.mark.parametrize("kind", DROPOUT)
@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn from scratch"])
def test_dropout_drops_the_stated_share_and_repeats_for_a_seed(cell, kind, other):
    model = moved_to(other, language_model(cell, **DROPOUT[kind]))
    model.hybridize()
    tokens = np.array(batch(), dtype="int32", ctx=as_context(other))
    outputs = []
    for seed in (1, 1, 2):
        mxnet.random.seed(seed)
        with autograd.record():
            outputs.append(model(tokens)[0].asnumpy())
    assert (outputs[0] == outputs[1]).all()
    assert abs(outputs[0] - outputs[2]).max() > 1e-4
    predicted = model(tokens)[0].asnumpy()
    numpy.testing.assert_allclose(model(tokens)[0].asnumpy(), predicted, rtol=0, atol=0)


def trained(ctx, protocol="book", epochs=2, cell="gru", **options):
    data = data_of(protocol)
    mxnet.random.seed(2)
    model = RNNLM(CELLS[cell](), len(data.vocab), lr=0.5)
    history = Trainer(epochs, gradient_clip_val=0.3, progress=False, ctx=ctx, **options).fit(model, data)
    return model, history


@pytest.mark.parametrize("contexts", ["{}", "cpu(0),{}", "{},cpu(0)"])
@pytest.mark.parametrize("protocol", ["d2l", "book"])
@pytest.mark.parametrize("options", [
    {}, {"optimizer": "adam", "lr": 0.01, "ar": 0.5, "tar": 0.5, "label_smoothing": 0.1, "averaging": 0.9,
         "clip_value": 0.05}])
def test_a_training_there_or_on_both_equals_one_on_the_cpu(contexts, protocol, options, other):
    (expected, rows), (found, others) = (trained(ctx, protocol, **options) for ctx in (
        "cpu", contexts.format(other)))
    for name, array in parameter_arrays(expected).items():
        numpy.testing.assert_allclose(parameter_arrays(found)[name], array, rtol=1e-3, atol=1e-4)
    for name in ("train_ppl", "val_ppl", "gradient_norm"):
        assert [row[name] for row in others] == pytest.approx([row[name] for row in rows], rel=1e-4)


class _Keep(Callback):
    def __init__(self):
        self.checkpoints = []

    def on_epoch_end(self, trainer):
        self.checkpoints.append(trainer.checkpoint())


@pytest.mark.parametrize("back", [False, True])
def test_a_checkpoint_moves_there_and_back(back, other):
    keep, (expected, _) = _Keep(), trained("cpu")
    first, second = (other, "cpu") if back else ("cpu", other)
    trained(first, callbacks=[keep])
    data = data_of()
    mxnet.random.seed(2)
    resumed = RNNLM(GRU(H, 2), len(data.vocab), lr=0.5)
    Trainer(2, gradient_clip_val=0.3, progress=False, ctx=second).fit(resumed, data, resume=keep.checkpoints[0])
    for name, array in parameter_arrays(expected).items():
        numpy.testing.assert_allclose(parameter_arrays(resumed)[name], array, rtol=1e-3, atol=1e-4)


def test_a_resumed_training_with_dropout_equals_an_uninterrupted_one(other):
    keep, data, models = _Keep(), data_of(), []
    for resume in (None, 0):
        mxnet.random.seed(2)
        model = RNNLM(GRU(H, 2, dropout=0.3), len(data.vocab), lr=0.5)
        Trainer(3, gradient_clip_val=0.3, progress=False, ctx=other, callbacks=[keep]).fit(
            model, data, resume=None if resume is None else keep.checkpoints[0])
        models.append(parameter_arrays(model))
    for name, array in models[0].items():
        numpy.testing.assert_allclose(models[1][name], array, **CLOSE)


def test_evaluation_and_generation_equal_those_on_the_cpu(other):
    model, _ = trained("cpu")
    moved, data = moved_to(other, model), data_of()
    cpu, gpu = (evaluate(each, data.val_dataloader()) for each in (model, moved))
    assert gpu.perplexity == pytest.approx(cpu.perplexity, rel=1e-4)
    assert moved.predict("abc", 20, data.vocab) == model.predict("abc", 20, data.vocab)
    texts = ["".join(generate(each, data.vocab, "abc", 20, seed=1, temperature=0.7)) for each in (model, moved)]
    assert len(texts[0]) == 20
    assert texts[0] == texts[1]


def test_parameters_saved_there_are_loaded_on_the_cpu(tmp_path, other):
    model = language_model("gru")
    moved_to(other, model).save_parameters(tmp_path / "model")
    loaded = language_model("gru")
    loaded.load_parameters(tmp_path / "model", ctx="cpu")
    for name, array in parameter_arrays(model).items():
        assert (parameter_arrays(loaded)[name] == array).all()
