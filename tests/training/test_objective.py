from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, Trainer
from gluon_deeprnn.graph import GraphBlock
from gluon_deeprnn.models.weights import gradient_arrays, parameter_arrays, set_parameters
from gluon_deeprnn.training.objective import Objective, ObjectiveLoss
import mxnet
from mxnet import autograd, np
import numpy
import pytest
from trainings import data_of, model_of

V, T, N, H = 9, 7, 5, 6
MODELS = {
    "gru": lambda: RNNLM(GRU(H, 2), V), "lstm": lambda: RNNLM(LSTM(H, 2, residual=True), V, embedding=4),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(V, H, 2, sigma=0.5, cell="lstm"), V),
}


def a_batch(padded=False):
    tokens = numpy.random.randint(0, V, (2, T, N)).astype("int32")
    if padded:  # sequences of 7, 3, 1, 7 and 5 steps
        tokens[1, numpy.arange(T)[:, None] >= [7, 3, 1, 7, 5]] = -1
    return tokens


def by_hand(model, x, y, objective):
    """The minimized loss and the cross-entropy in double precision, of outputs and logits of the interpreted model."""
    state, tokens = model.begin_state(x.shape[1]), np.array(x, dtype="int32")
    outputs = model.rnn(model._encode(mxnet, tokens), state)[0].asnumpy().astype("float64")
    logits = model(tokens, state)[0].asnumpy().astype("float64")
    log_p = logits - numpy.log(numpy.exp(logits).sum(axis=-1, keepdims=True))
    real = y != -1
    nll = -numpy.take_along_axis(log_p, numpy.where(real, y, 0)[..., None], -1)[..., 0][real].mean()
    smoothed = (1 - objective.label_smoothing) * nll - objective.label_smoothing * log_p[real].mean()
    penalty = objective.ar * (outputs**2)[real].mean()
    if len(x) > 1:
        changes = ((outputs[1:] - outputs[:-1]) ** 2).mean(axis=-1)
        penalty += objective.tar * changes[real[1:]].sum() / real.sum() * len(x) / (len(x) - 1)
    return smoothed + penalty, nll


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("options", [{"ar": 2.0}, {"tar": 3.0}, {"label_smoothing": 0.2},
                                     {"ar": 0.5, "tar": 1.5, "label_smoothing": 0.1}])
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("hybridized", [False, True])
def test_the_minimized_loss_is_that_of_its_definition_over_the_real_steps(name, options, padded, hybridized):
    model, objective = MODELS[name](), Objective(**options)
    x, y = a_batch(padded)
    expected = by_hand(model, x, y, objective)
    block = ObjectiveLoss(model, objective)
    block.hybridize(hybridized)
    for steps in (T, 1):  # in a batch of one step nothing differs
        (minimized, mean), _, count = block.of_batch(x[:steps], y[:steps], model.begin_state(N), padded=padded)
        expected = by_hand(model, x[:steps], y[:steps], objective)
        assert (minimized.item(), mean.item()) == pytest.approx(expected, rel=1e-5)
        assert count == (y[:steps] != -1).sum()
    if hybridized and name != "scratch":
        assert block.operators().get("log_softmax", 0) == (mxnet.context.num_gpus() > 0)  # still one operator


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_equal_difference_quotients_of_the_minimized_loss(name, padded):
    model, objective = MODELS[name](), Objective(0.3, ar=2.0, tar=3.0)
    x, y = a_batch(padded)
    block = ObjectiveLoss(model, objective)
    block.hybridize()
    with autograd.record():
        (minimized, _), _, _ = block.of_batch(x, y, model.begin_state(N), padded=padded)
    minimized.backward()
    gradients, before = gradient_arrays(model), parameter_arrays(model)
    along = {name: numpy.random.choice([-1.0, 1.0], array.shape).astype("float32") for name, array in before.items()}

    def moved(step):
        set_parameters(model, {name: array + numpy.float32(step) * along[name] for name, array in before.items()})
        return by_hand(model, x, y, objective)[0]

    quotient = (moved(0.01) - moved(-0.01)) / 0.02
    assert sum((gradients[name] * along[name]).sum() for name in along) == pytest.approx(quotient, rel=5e-3, abs=1e-3)


@pytest.mark.parametrize("options", [{"ar": 5, "tar": 5}, {"label_smoothing": 0.5}])
@pytest.mark.parametrize("hybridize", [True, False])
def test_the_history_has_the_perplexity_of_the_targets_alone(options, hybridize):
    data = data_of("book")
    model = model_of(data, dropout=0)
    row, = Trainer(1, lr=1e-9, hybridize=hybridize, progress=False, **options).fit(model, data)
    plain, = Trainer(1, lr=1e-9, hybridize=hybridize, progress=False).fit(model_of(data, dropout=0), data)
    assert row["train_ppl"] == pytest.approx(plain["train_ppl"], rel=1e-6)
    assert abs(row["gradient_norm"] / plain["gradient_norm"] - 1) > 0.01  # another loss is minimized


def test_the_penalties_reduce_what_they_penalize():
    def mean_squares(**options):
        data = data_of("book")
        model = model_of(data, dropout=0)
        Trainer(4, lr=0.01, optimizer="adam", progress=False, **options).fit(model, data)
        x, _ = next(data.train_dataloader().batches())
        encoded = model._encode(mxnet, np.array(x, dtype="int32"))
        outputs = model.rnn(encoded)[0].asnumpy()
        return (outputs**2).mean(), ((outputs[1:] - outputs[:-1]) ** 2).mean()

    plain = mean_squares()
    assert mean_squares(ar=2)[0] < 0.8 * plain[0]
    assert mean_squares(tar=2)[1] < 0.8 * plain[1]


def test_smoothed_targets_leave_a_model_less_certain(small_data):
    def most_certain(**options):
        model = model_of(small_data, dropout=0)
        Trainer(8, lr=0.02, optimizer="adam", progress=False, **options).fit(model, small_data)
        x, _ = next(small_data.train_dataloader().batches())
        return mxnet.npx.softmax(model(np.array(x, dtype="int32"))[0]).asnumpy().max(axis=-1).mean()

    assert most_certain(label_smoothing=0.3) < most_certain() - 0.02


class NoCore(GraphBlock):
    """A language model without a recurrent core."""

    def __init__(self, model):
        super().__init__()
        self.inner, self.vocab_size, self.begin_state, self.lr = model, model.vocab_size, model.begin_state, 0.1

    def hybrid_forward(self, F, tokens, state):
        return self.inner(tokens, state)


def test_a_model_without_a_core_is_refused_only_for_penalties():
    data = data_of("book")
    model = NoCore(model_of(data))
    assert Trainer(1, progress=False, label_smoothing=0.1).fit(model, data)
    with pytest.raises(ValueError, match=r"^model must be one with a recurrent core ``rnn``, for ar and tar; got "):
        Trainer(1, ar=1, progress=False).fit(model, data)
