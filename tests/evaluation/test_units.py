"""The activity of hidden units, and the features that they follow."""

import warnings

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab
from gluon_deeprnn.evaluation import Activities, activities, correlations, followed_features
from gluon_deeprnn.evaluation.features import FEATURES
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from mxnet import np
import numpy
import pytest

WORDS = ["lazy", "dog", "fox", "quick", "brown", "jumps", "over", "and", "care", "not", "at", "all", "ever", "so"]
TEXT = "".join(f"{'The' if i % 3 else 'Then the'} {word} said: “{'no, ' * (i % 4)}{word[::-1]}”{',.;'[i % 3]}"
               f"{'  ' if i % 5 else chr(10)}" for i, word in enumerate(WORDS * 4))


def with_big_weights(model):
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 8)
    return model


MODELS = {
    "rnn": lambda V: RNNLM(RNN(6, 2), V), "gru": lambda V: RNNLM(GRU(6, 3, residual=True, layer_norm=True), V),
    "lstm": lambda V: RNNLM(LSTM(6, 2, dropout=0.5), V, embedding=4),
    "learned state": lambda V: RNNLM(GRU(6, 2, learned_state=True), V),
    "scratch": lambda V: RNNLMScratch(StackedRNNScratch(V, 6, 2, sigma=0.2), V),
    "scratch lstm": lambda V: RNNLMScratch(StackedRNNScratch(V, 6, 2, sigma=0.2, cell="lstm"), V),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_states_are_those_that_the_model_returns(name):
    vocab = Vocab(TEXT)
    model = with_big_weights(MODELS[name](len(vocab)))
    text = TEXT[:75]  # two calls and a padded one
    found = activities(model, vocab, text)
    indices = np.array(vocab.encode(list(text)).reshape(-1, 1), dtype="int32")
    assert list(found.states) == (["unit", "cell"] if "lstm" in name else ["unit"])
    for length in (1, 2, 31, 32, 33, 64, 75):
        _, state = model(indices[:length])
        for array, states in zip(state, found.states.values()):
            assert states.shape == (75, *array.shape[::2])
            numpy.testing.assert_allclose(states[length - 1], array.asnumpy()[:, 0], atol=2e-6)
    assert found.states["unit"].std() > 0.01


def test_the_states_belong_to_tokens_and_these_to_places_of_the_text():
    vocab = Vocab(Vocab(kind="word-unicode").split(TEXT), kind="word-unicode")
    found = activities(RNNLM(GRU(4), len(vocab)), vocab, TEXT)
    assert [TEXT[start:end] for start, end in zip(found.starts, found.ends)] == vocab.split(TEXT)


def test_with_boundaries_each_record_is_read_from_its_beginning():
    text = "the dog\nsaid"
    vocab = Vocab(text, boundaries=True)
    model = with_big_weights(RNNLM(GRU(4, 2), len(vocab)))
    found = activities(model, vocab, text, records="line")
    assert "".join(text[i] for i in found.starts) == "the dogsaid"
    record = [vocab.begin_index, *vocab.encode(list("said"))]
    _, state = model(np.array(record, dtype="int32").reshape(-1, 1))
    numpy.testing.assert_allclose(found.states["unit"][-1], state[0].asnumpy()[:, 0], atol=2e-6)


def test_correlations_are_numpys():
    rng = numpy.random.default_rng(0)
    a, b = rng.normal(size=(300, 4)).astype("float32"), rng.normal(size=(300, 5)) * 100 + 7
    b[:, 2] += 50 * a[:, 1]
    numpy.testing.assert_allclose(correlations(a, b), numpy.corrcoef(a.T, b.T)[:4, 4:], atol=1e-6)


def test_a_constant_column_has_no_correlation_and_gives_no_warning():
    rng = numpy.random.default_rng(0)
    a, b = rng.normal(size=(50, 3)), rng.normal(size=(50, 2))
    a[:, 1], b[:, 0] = 3, 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = correlations(a, b)
    assert numpy.isnan(found).tolist() == [[True, False], [True, True], [True, False]]


def hand_made(vocab, num_hiddens=8):
    """A tanh RNN of two layers: weights at random, but for two units of the first and one of the second.

    Unit 3 of layer 1 is high after white space; unit 6 stays high from “ to ”; unit 2 of layer 2 is low then.
    """
    model = RNNLM(RNN(num_hiddens, 2), len(vocab))
    rng, arrays = numpy.random.default_rng(5), parameter_arrays(model)
    arrays = {name: rng.normal(size=array.shape, scale=0.3).astype("float32") for name, array in arrays.items()}
    first, second = (arrays[f"rnn.layer{layer}.i2h_weight"] for layer in (0, 1))
    for unit in (2, 5):
        first[unit] = 0
        arrays["rnn.layer0.h2h_weight"][unit] = 0
        arrays["rnn.layer0.i2h_bias"][unit] = arrays["rnn.layer0.h2h_bias"][unit] = 0
    first[2] = -2
    for character in (" ", "\n"):
        first[2, vocab[character]] = 2
    first[5, vocab["“"]], first[5, vocab["”"]], arrays["rnn.layer0.h2h_weight"][5, 5] = 9, -9, 3
    second[1], second[1, 5] = 0, -2
    arrays["rnn.layer1.h2h_weight"][1] = 0
    set_parameters(model, arrays)
    return model


def test_units_that_were_made_to_follow_a_feature_are_found_by_its_name():
    vocab = Vocab(TEXT)
    found = {each.feature: each for each in followed_features(activities(hand_made(vocab), vocab, TEXT))}
    space, quotes = found["at white space"], found["inside quotes"]
    assert (space.kind, space.layer, space.unit) == ("unit", 1, 3)
    assert space.r == pytest.approx(1, abs=1e-3)
    assert (quotes.layer, quotes.unit) in {(1, 6), (2, 2)}
    assert abs(quotes.r) > 0.98
    assert str(space) == "layer 1, unit 3: at white space (r = 1.00)"
    assert list(found) == sorted(found, key=lambda name: -abs(found[name].r))
    assert not {"at a digit", "inside parentheses", "indentation of the line"} & found.keys()  # they are constant


def test_the_correlation_is_that_of_the_second_half():
    vocab = Vocab(TEXT)
    activity = activities(hand_made(vocab), vocab, TEXT)
    half = len(TEXT) // 2
    for each in followed_features(activity):
        unit = activity.states[each.kind][half:, each.layer - 1, each.unit - 1]
        expected = numpy.corrcoef(unit, FEATURES[each.feature](TEXT)[half:])[0, 1]
        assert each.r == pytest.approx(expected, abs=1e-6)
        assert abs(each.r) > max(each.chance, 0.4)


def noise(num_units=60, length=4000, slow=1, seed=0):
    """Units without any relation to a random text; ``slow`` ones are moving averages."""
    rng = numpy.random.default_rng(seed)
    text = "".join(rng.choice(list("abcdefg,. \n“”()A1"), size=length))
    states = rng.normal(size=(length + slow, 1, num_units)).cumsum(axis=0)
    states = (states[slow:] - states[:-slow]) / slow
    return Activities(text, numpy.arange(length), numpy.arange(1, length + 1), {"unit": numpy.tanh(states)})


@pytest.mark.parametrize("slow", [1, 20, 300])
def test_units_without_a_relation_to_the_text_follow_no_feature(slow):
    """Also slow units, whose correlation with a slow feature is large by chance."""
    features = {**FEATURES, "slow": lambda text: numpy.sin(numpy.arange(len(text)) / 150).tolist()}
    found, by_chance = [], []
    for seed in range(3):
        activity = noise(slow=slow, seed=seed)
        found += followed_features(activity, features=features, least=0)
        feature = numpy.array(features["slow"](activity.text))[:2000, None]
        by_chance.append(abs(correlations(feature, activity.states["unit"][:2000, 0])).max())
    assert len(found) <= 1  # of 66 features, each with a probability of at most 0.001
    assert min(by_chance) > 0.3 if slow == 300 else max(by_chance) < 0.3


def test_a_constant_feature_and_a_constant_unit_give_no_warning_and_are_not_reported():
    activity = noise()
    activity.states["unit"][:, :, 0] = 0.5
    features = {"constant": lambda text: [1.0] * len(text), "white space": FEATURES["at white space"],
                "constant in the second half": lambda text: [float(i % 2 and i < len(text) // 2)
                                                             for i in range(len(text))]}
    activity.states["unit"][:, 0, 7] = features["constant in the second half"](activity.text)
    activity.states["unit"][:, 0, 9] = features["white space"](activity.text)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = followed_features(activity, features=features)
    assert [(each.feature, each.unit) for each in found] == [("white space", 10)]


def test_a_unit_that_follows_a_feature_in_one_half_only_is_not_reported():
    activity = noise()
    space = numpy.array(FEATURES["at white space"](activity.text))
    activity.states["unit"][:2000, 0, 4] = space[:2000]
    activity.states["unit"][2000:, 0, 5] = space[2000:]
    assert followed_features(activity) == []
    activity.states["unit"][2000:, 0, 4] = -space[2000:]  # the opposite relation is not the same
    assert followed_features(activity) == []


@pytest.mark.parametrize(("change", "message"), [
    ({"text": 3}, "text must be a string; got 3"), ({"text": ""}, "text must be at least 1 token long; got 0 tokens"),
    ({"model": "gru"}, "model must be a language model"),
    ({"vocab": Vocab("ab")}, "vocab must be a Vocab of the model's size, 4 tokens; got"),
    ({"records": "page"}, "records must be one of none, line, paragraph, blank-line; got 'page'"),
    ({"device": "tpu"}, "ctx must be cpu, gpu"),
])
def test_bad_arguments_are_refused(change, message):
    vocab = Vocab("abc")
    with pytest.raises(ValueError, match="^" + message):
        activities(**{"model": RNNLM(GRU(4), len(vocab)), "vocab": vocab, "text": "abc", **change})


@pytest.mark.parametrize(("change", "message"), [
    ({"activity": 3}, "activity must be an Activities"), ({"least": 1}, r"least must be a number in \[0, 1\); got 1"),
    ({"features": [1]}, "features must be a mapping with string keys"),
    ({"activity": noise(length=39)}, "text must be at least 40 tokens long; got 39 tokens"),
])
def test_bad_arguments_of_the_search_are_refused(change, message):
    with pytest.raises(ValueError, match="^" + message):
        followed_features(**{"activity": noise(), **change})
