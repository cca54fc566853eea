"""Networks as predictors: the same numbers as the model's own, and nothing seen before it is predicted."""

import math

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.data import Stream
from gluon_deeprnn.evaluation import evaluate
from gluon_deeprnn.prediction import DynamicPredictor, NetworkPredictor, gradient_statistics, log_probs_of
import mxnet
import numpy
import pytest

V = 11
MODELS = {
    "gru": lambda: RNNLM(GRU(16, 2, dropout=0.5, input_dropout=0.5, output_dropout=0.5), V),
    "lstm embedding": lambda: RNNLM(LSTM(12, 2, weight_dropout=0.5, learned_state=True), V, embedding=6,
                                    embedding_dropout=0.5),
    "rnn": lambda: RNNLM(RNN(12, 1), V),
    "scratch": lambda: RNNLMScratch(StackedRNNScratch(V, 12, 2, sigma=0.3, dropout=0.5), V),
    "mgu": lambda: RNNLMScratch(StackedRNNScratch(V, 12, 2, cell="mgu", sigma=0.3), V),  # by MXNet's graph
}


def model_and_text(name, length=150):
    mxnet.random.seed(5)
    return MODELS[name](), numpy.random.default_rng(2).integers(0, V, length).astype("int32")


@pytest.mark.parametrize("name", MODELS)
def test_a_network_predicts_what_evaluate_computes(name):
    model, text = model_and_text(name)
    found = log_probs_of(NetworkPredictor(model), text)
    assert found[0] == pytest.approx(-math.log(V))
    expected = evaluate(model, Stream(text, batch_size=1, num_steps=20))
    assert -found[1:].sum() == pytest.approx(expected.nll, rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_dynamic_evaluation_moves_the_weights_by_the_rule(name):
    model, text = model_and_text(name)
    statistics = gradient_statistics(model, text, num_steps=10, num_pieces=5)
    before = {key: parameter.data().asnumpy() for key, parameter in model.named_parameters()}
    predictor = DynamicPredictor(model, statistics, lr=0.01, decay=0.1, num_steps=10)
    found = log_probs_of(predictor, text[:11])
    numpy.testing.assert_allclose(found, log_probs_of(NetworkPredictor(model), text[:11]), rtol=1e-5)
    # The gradient of the mean of the ten losses, in double precision by differences, along a random direction.
    rng = numpy.random.default_rng(3)
    mean = numpy.concatenate([array.ravel() for array in statistics.values()]).mean()
    learned = dict(predictor._learner.model.named_parameters())
    steps = {key: (learned[key].data().asnumpy() - before[key]) / 0.9 for key in before}  # decay took a tenth back
    gradients = {key: -steps[key] * (statistics[key] + 0.1 * mean) / 0.01 for key in before}
    direction = {key: rng.normal(size=array.shape).astype("float32") for key, array in before.items()}
    losses = []
    for side in (1, -1):
        for key, parameter in model.named_parameters():
            parameter.set_data(mxnet.np.array(before[key] + side * 1e-3 * direction[key]))
        losses.append(-log_probs_of(NetworkPredictor(model), text[:11])[1:].mean())
    along = sum(float((gradients[key] * direction[key]).sum()) for key in before)
    assert along == pytest.approx((losses[0] - losses[1]) / 2e-3, rel=0.05, abs=1e-3)


def test_dynamic_evaluation_leaves_the_model_as_it_is():
    model, text = model_and_text("gru")
    before = {key: parameter.data().asnumpy() for key, parameter in model.named_parameters()}
    log_probs_of(DynamicPredictor(model, gradient_statistics(model, text), lr=0.1), text)
    for key, parameter in model.named_parameters():
        assert (parameter.data().asnumpy() == before[key]).all()
    assert (model.rnn.dropout, model.rnn.input_dropout, model.rnn.output_dropout) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", ["gru", "mgu"])
def test_no_token_is_seen_before_it_is_predicted(name):
    """Texts that agree up to a place have the same predictions up to it, whatever follows."""
    model, text = model_and_text(name, 120)
    statistics = gradient_statistics(model, text)
    first = log_probs_of(DynamicPredictor(model, statistics, lr=0.05), text)
    for place in (31, 32, 33, 34, 64, 65, 66, 100):
        other = text.copy()
        other[place:] = (other[place:] + 1) % V
        changed = log_probs_of(DynamicPredictor(model, statistics, lr=0.05), other)
        assert (changed[:place] == first[:place]).all()
        assert changed[place] != first[place]


def test_a_text_that_repeats_itself_is_learned_while_it_is_read():
    model, _ = model_and_text("gru")
    text = numpy.tile([1, 2, 3, 4], 300)
    nats = -log_probs_of(DynamicPredictor(model, gradient_statistics(model, text), lr=0.005), text)
    assert nats[-200:].mean() < 0.7 * nats[:200].mean()


def test_wrong_arguments_are_refused():
    model, text = model_and_text("gru")
    statistics = gradient_statistics(model, text)
    with pytest.raises(ValueError, match="lr must be a number above 0; got 0"):
        DynamicPredictor(model, statistics, lr=0)
    with pytest.raises(ValueError, match="decay must be"):
        DynamicPredictor(model, statistics, decay=1)
    with pytest.raises(ValueError, match="statistics must be what gradient_statistics returned for this model"):
        DynamicPredictor(model, {"a": text})
    with pytest.raises(ValueError, match="tokens must be at least 33 long; got 5 tokens"):
        gradient_statistics(model, text[:5])
