import math

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch
from gluon_deeprnn.models.extension import extend_vocabulary
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
import mxnet
from mxnet import np
import numpy
import pytest

MODELS = {
    "fused": lambda size: RNNLM(GRU(6, num_layers=2), size),
    "lstm with an embedding": lambda size: RNNLM(LSTM(6), size, embedding=4),
    "tied": lambda size: RNNLM(GRU(6), size, embedding=6, tied=True),
    "scratch": lambda size: RNNLMScratch(StackedRNNScratch(size, 6, num_layers=2, sigma=0.3), size),
}


def log_p(model, tokens):
    logits, _ = model(np.array(tokens, dtype="int32"))
    return mxnet.npx.log_softmax(logits, axis=-1).asnumpy()


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("unknown", [0, 2])
def test_the_probabilities_of_known_tokens_stay_as_they_were_and_the_unknown_one_is_shared(kind, unknown):
    mxnet.random.seed(1)
    model, larger = MODELS[kind](5), MODELS[kind](8)
    set_parameters(larger, extend_vocabulary(model, larger, unknown))
    tokens = numpy.random.default_rng(0).integers(0, 5, (7, 3))
    before, after = log_p(model, tokens), log_p(larger, tokens)
    known = [i for i in range(5) if i != unknown]
    assert abs(after[..., known] - before[..., known]).max() < 1e-5
    for new in (unknown, 5, 6, 7):
        assert abs(after[..., new] - (before[..., unknown] - math.log(4))).max() < 1e-5
    differences = numpy.ptp(log_p(larger, [[5, 6, 7]])[0], axis=0).max()  # as inputs they differ, if they are not tied
    assert (differences > 1e-5) == (kind != "tied")


def test_a_vocabulary_of_the_same_size_changes_nothing():
    model = RNNLM(GRU(6), 5)
    own = parameter_arrays(model)
    extended = extend_vocabulary(model, RNNLM(GRU(6), 5), 0)
    assert extended.keys() == own.keys()
    assert all((extended[name] == own[name]).all() for name in own)


@pytest.mark.parametrize("larger", [lambda: RNNLM(GRU(6), 4), lambda: RNNLM(GRU(7), 9), lambda: RNNLM(LSTM(6), 9),
                                    lambda: RNNLM(GRU(6, num_layers=2), 9)])
def test_another_model_is_refused(larger):
    with pytest.raises(ValueError, match=r"^larger must be the same model with a larger vocabulary; got "):
        extend_vocabulary(RNNLM(GRU(6), 5), larger(), 0)
