"""Mixtures: their formula, what they learn, and that they see nothing before they have predicted it."""

from gluon_deeprnn.prediction import Mixture, NGrams, log_probs_of
from gluon_deeprnn.prediction.proof import prove
import numpy
import pytest

LETTERS = [0, 1, 2, 3, 4]
V = len(LETTERS)


class Table:
    """Predicts by a table of random distributions, whatever it is given."""

    vocab_size = V

    def __init__(self, seed=0, sharp=None):
        self._rng, self._sharp = numpy.random.default_rng(seed), sharp
        self._next()

    def _next(self):
        logits = self._rng.normal(size=V)
        self._now = logits - numpy.log(numpy.exp(logits).sum())

    def log_probs(self):
        return self._now

    def observe(self, token):
        self._next()


class Oracle:
    """Knows a text, and says so with 90% certainty."""

    vocab_size = V

    def __init__(self, text):
        self._rest = list(text)

    def log_probs(self):
        p = numpy.full(V, 0.1 / (V - 1))
        p[self._rest[0]] = 0.9
        return numpy.log(p)

    def observe(self, token):
        assert token == self._rest.pop(0)
        self._rest = self._rest or [0]


def random_text(length, seed=3):
    return numpy.random.default_rng(seed).integers(0, V, length)


def test_the_first_prediction_is_the_product_of_powers_that_it_begins_with():
    text, network = random_text(300), Table()
    mixture = Mixture([network], NGrams(text, LETTERS))
    p = numpy.log(NGrams(text, LETTERS).distributions())
    logits = 0.5 * network.log_probs() + 0.1 * (p[3] + p[5] + p[8] + p[9]) + 0.15 * p[4]
    expected = logits - numpy.log(numpy.exp(logits).sum())
    numpy.testing.assert_allclose(mixture.log_probs(), expected, rtol=1e-9)


def test_weights_move_against_the_gradient_of_the_loss():
    text = random_text(300)
    mixture = Mixture([Table()], NGrams(text, LETTERS))
    mixture.log_probs()
    before, inputs, token = mixture._weights[0][0].copy(), mixture._inputs.copy(), 2

    def loss(weights):
        logits = weights @ inputs
        return numpy.log(numpy.exp(logits).sum()) - logits[token]

    mixture.observe(token)
    gradient = [(loss(before + step) - loss(before - step)) / 2e-5 for step in 1e-5 * numpy.eye(len(before))]
    numpy.testing.assert_allclose(mixture._weights[0][0], before - 1e-3 * numpy.array(gradient), atol=1e-8)


def test_a_network_that_knows_the_text_gains_weight_and_one_that_guesses_loses_it():
    text = random_text(2000)
    for network, gains in ((Oracle(text), True), (Table(), False)):
        mixture = Mixture([network], NGrams([], LETTERS))
        nats = -log_probs_of(mixture, text)
        assert (mixture._weights[0][0, 0] > 0.5) == gains
        assert gains == (nats[-500:].mean() < 0.3)


def test_no_token_is_seen_before_it_is_predicted():
    train, text = random_text(200), random_text(150, seed=4)
    first = log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), text)
    for place in (1, 50, 149):
        other = text.copy()
        other[place:] = (other[place:] + 1) % V
        changed = log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), other)
        assert (changed[:place] == first[:place]).all()
        assert changed[place] != first[place]


def test_a_proof_decodes_the_text_from_a_code_of_the_claimed_size():
    train, text = random_text(200), numpy.tile(random_text(40, seed=5), 20)
    proof = prove(lambda: Mixture([Table()], NGrams(train, LETTERS)), text)
    claimed = -log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), text).sum() / numpy.log(2) / 8
    assert proof.claimed_bytes == pytest.approx(claimed, rel=1e-12)
    assert claimed <= len(proof.code) <= claimed * 1.001 + 1
    numpy.testing.assert_array_equal(proof.log_probs,
                                  log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), text))


def test_predictions_that_are_not_reproducible_are_no_proof():
    seeds = iter(range(2))
    with pytest.raises(ValueError, match=r"predictions must be reproducible, .* got another token at place"):
        prove(lambda: Table(next(seeds)), random_text(100))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="ngrams must be an NGrams; got 3"):
        Mixture([], 3)
    with pytest.raises(ValueError, match="networks must be for the 2 tokens of the n-grams; got one for 5"):
        Mixture([Table()], NGrams([], [0, 0]))
