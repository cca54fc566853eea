import logging

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, Trainer
from gluon_deeprnn.models import as_scratch
from gluon_deeprnn.models.weights import gradient_arrays
from gluon_deeprnn.training import diagnosis
from mxnet import autograd, np, npx
import numpy
import pytest


def test_history_has_the_gradient_norm_of_every_layer_and_step(small_data):
    small_data.batch_size = small_data.num_train  # one step per epoch
    size = len(small_data.vocab)
    model = RNNLM(GRU(6, 3, layer_norm=True), size, lr=0.5)
    x, y = (np.array(part, dtype="int32") for part in next(small_data.train_dataloader().batches(0)))
    with autograd.record():
        logits, _ = model(x)
        (-npx.pick(npx.log_softmax(logits, axis=-1), y, axis=-1).mean()).backward()
    squares = {}
    for name, gradient in gradient_arrays(model).items():
        layer = diagnosis.layer_of(name)
        squares[layer] = squares.get(layer, 0) + (gradient.astype("float64") ** 2).sum()
    row, = Trainer(1, gradient_clip_val=1e-3, progress=False).fit(model, small_data)
    assert list(row["layer_gradient_norms"]) == ["layer 1", "layer 2", "layer 3", "output"]
    for layer, (norm,) in row["layer_gradient_norms"].items():
        assert norm == pytest.approx(squares[layer] ** 0.5, rel=1e-3)
    assert row["gradient_norm"] == pytest.approx(sum(squares.values()) ** 0.5, rel=1e-4)
    assert row["clipped"] == 1


def test_the_share_of_clipped_steps_is_counted():
    norms = diagnosis.GradientNorms(["rnn.layer0.weights", "dense.weight"], clip=1.0)
    account = norms.begin()
    for squares in ([0.5, 0.4], [0.9, 0.2], [4.0, 5.0], [1.0, 0.0]):
        norms.add(account, numpy.array(squares, dtype="float32"))
    row = norms.row(account)
    assert row["clipped"] == 0.5
    assert row["layer_gradient_norms"]["layer 1"] == pytest.approx([0.7071, 0.9487, 2.0, 1.0])
    assert row["gradient_norm"] == pytest.approx((0.9 ** 0.5 + 1.1 ** 0.5 + 3 + 1) / 4, rel=1e-6)


def test_a_long_epoch_is_recorded_as_a_hundred_averages():
    norms = diagnosis.GradientNorms(["rnn.layer0.weights"], clip=0)
    account = norms.begin()
    for i in range(1000):
        norms.add(account, numpy.array([float(i) ** 2]))
    recorded = norms.row(account)["layer_gradient_norms"]["layer 1"]
    assert recorded == pytest.approx([10 * i + 4.5 for i in range(100)], rel=1e-3)
    assert norms.row(account)["clipped"] == 0


class Recorded(list):
    """The logged messages."""

    def __init__(self, caplog):
        super().__init__(record.getMessage() for record in caplog.records)


def test_a_training_that_diverges_logs_remedies_once(small_data, caplog):
    caplog.set_level(logging.WARNING)
    model = RNNLM(GRU(32, 4, residual=True), len(small_data.vocab), lr=30.0)
    Trainer(12, progress=False).fit(model, small_data)
    message, = Recorded(caplog)
    assert message.startswith("the training perplexity rose from ")
    assert "0% of the steps clipped" in message
    assert message.endswith(
        "; try a lower learning rate (lr=15), or clipping (gradient_clip_val=1), or layer_norm=True")


def test_a_vanishing_gradient_is_logged(small_data, caplog):
    caplog.set_level(logging.WARNING)
    model = RNNLMScratch(StackedRNNScratch(len(small_data.vocab), 16, 6), len(small_data.vocab), lr=0.1)
    Trainer(2, gradient_clip_val=1, progress=False).fit(model, small_data)
    message, = Recorded(caplog)
    assert message.startswith("the gradient of layer 1 vanishes: its norm is ")
    assert message.endswith("try residual=True or layer_norm=True")


def test_a_training_that_converges_logs_nothing(small_data, caplog):
    caplog.set_level(logging.WARNING)
    Trainer(5, gradient_clip_val=1, progress=False).fit(RNNLM(GRU(32, 2), len(small_data.vocab), lr=1.0), small_data)
    assert not Recorded(caplog)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("cell", [GRU, LSTM])
def test_the_flow_of_gradients_equals_finite_differences(cell, residual):
    model = RNNLM(cell(6, 3, residual=residual, dropout=0.5), 5)
    scratch = as_scratch(model)
    tokens = numpy.random.randint(0, 5, (6, 2))
    x, y = tokens[:-1], tokens[1:]
    model.hybridize()
    flow = diagnosis.gradient_flow(model, x, y)
    assert flow.shape == (3, 5)
    assert model.hybridized
    numpy.testing.assert_allclose(diagnosis.gradient_flow(scratch, x, y), flow, rtol=1e-3, atol=1e-6)

    def loss(layer, step, unit, change):
        """-log p of the last token of each sequence, with the state of one unit changed after one step."""
        core, state = model.rnn, [array.asnumpy() for array in model.begin_state(2)]
        for t in range(len(x)):
            below = npx.one_hot(np.array(x[t:t + 1], dtype="int32"), 5)
            for i, level in enumerate(core.layers):
                outputs, last = level(below, [np.array(array[i]) for array in state])
                last = [array.asnumpy() for array in last]
                outputs = outputs.asnumpy()
                if (i, t) == (layer, step):
                    outputs[0, :, unit] += change
                    last[0][:, unit] += change
                for array, new in zip(state, last):
                    array[i] = new
                below = below + np.array(outputs) if residual and i > 0 else np.array(outputs)
        logits = model.dense(below)[0].asnumpy().astype("float64")
        return -(logits - numpy.log(numpy.exp(logits).sum(-1, keepdims=True)))[[0, 1], y[-1]]

    for layer, step in ((0, 0), (1, 3), (2, 4), (2, 1)):
        slopes = numpy.array([(loss(layer, step, unit, 1e-2) - loss(layer, step, unit, -1e-2)) / 2e-2
                              for unit in range(6)])
        expected = numpy.sqrt((slopes ** 2).sum(axis=0)).mean()
        assert flow[layer, step] == pytest.approx(expected, rel=0.02, abs=1e-4)


def test_gradient_flow_of_other_models_is_refused():
    with pytest.raises(ValueError, match=r"^model must be a language model on a RecurrentStack"):
        diagnosis.gradient_flow(GRU(3), numpy.zeros((2, 2)), numpy.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"^y must be an array of shape \(2, 2\); got shape \(2, 3\)$"):
        diagnosis.gradient_flow(RNNLM(GRU(3), 4), numpy.zeros((2, 2)), numpy.zeros((2, 3)))


def test_the_gradient_flow_of_a_padded_batch_is_that_of_its_longest_sequences():
    model = RNNLM(GRU(6, 2), 5)
    rng = numpy.random.default_rng(0)
    x, y = rng.integers(0, 5, (2, 9, 4)).astype("int32")
    padded = y.copy()
    padded[7:, :] = padded[4:, 1] = padded[:, 3] = -1  # two of the four end at the seventh step
    flow = diagnosis.gradient_flow(model, x, padded)
    numpy.testing.assert_allclose(flow, diagnosis.gradient_flow(model, x[:7, ::2], y[:7, ::2]), rtol=1e-6)
    assert flow.shape == (2, 7)


def test_a_step_is_clipped_by_its_norm_or_by_its_largest_element():
    norms = diagnosis.GradientNorms(["rnn.layer0.weights"], clip=1.0, clip_value=0.1)
    account = norms.begin()
    for square, largest in ((0.25, 0.05), (0.25, 0.2), (4.0, 0.05), (0.25, numpy.float32(0.1))):
        norms.add(account, numpy.array([square], dtype="float32"), largest)
    assert norms.row(account)["clipped"] == 0.5
