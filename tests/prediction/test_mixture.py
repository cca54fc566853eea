"""Mixtures: their formula, what they learn, and that they see nothing before they have predicted it."""

from gluon_deeprnn import LSTM, RNNLM, Vocab, generate
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.generation import Continuation, TrainingText, generate_many
from gluon_deeprnn.prediction import Mixture, NetworkPredictor, NGrams, log_probs_of
from gluon_deeprnn.prediction import mixture as mixtures
from gluon_deeprnn.prediction.contexts import ORDERS
from gluon_deeprnn.prediction.ngrams import NUM_EXPERTS
from gluon_deeprnn.prediction.proof import prove
import mxnet
import numpy
import pytest

LETTERS = [0, 1, 2, 3, 4]
V = len(LETTERS)
VOCAB, WRITTEN = Vocab('abcd'), 'zabcd'  # z is unknown


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
    inputs, token = mixture._predict().inputs, 2
    before = mixture._weights._vectors[0][0].copy()

    def loss(weights):
        logits = weights @ inputs
        return numpy.log(numpy.exp(logits).sum()) - logits[token]

    mixture.observe(token)
    gradient = [(loss(before + step) - loss(before - step)) / 2e-5 for step in 1e-5 * numpy.eye(len(before))]
    numpy.testing.assert_allclose(mixture._weights._vectors[0][0], before - 1e-3 * numpy.array(gradient), atol=1e-8)


def test_weights_are_chosen_by_counts_and_by_the_word():
    network = Table()
    mixture = Mixture([network], NGrams([0, 1, 2] * 10, LETTERS))  # letters 1 to 4; 0 is white space
    for token in [0, 1, 2, 0, 1]:
        mixture.observe(token)
    found, counts = mixture._predict(), mixture._ngrams.following().counts
    longest = counts[[order for order, _ in enumerate(ORDERS) if counts[order].any()][-1]]
    assert found.vectors == [0, 2 * (int(longest.sum()).bit_length() - 1) + (numpy.count_nonzero(longest) == 1), 1]
    assert found.own[0] == int(-4 * network.log_probs().max())
    for element, of_context in zip(found.own[1:], counts):
        total, kinds = int(of_context.sum()), numpy.count_nonzero(of_context)
        assert element == 4 * min(total.bit_length(), 8) + min(kinds, 3)
    before = mixture._weights._own.copy()
    mixture.observe(2)
    changed = numpy.argwhere(mixture._weights._own != before)
    assert {(row, column) for row, column in changed.tolist()} <= {(row, i) for i, row in enumerate(found.own)}
    assert len(changed) > 5


def test_a_text_that_is_read_is_predicted_as_without_further_epochs():
    train, text = random_text(200), random_text(150, seed=4)
    expected = log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), text)
    for num_epochs in (1, 3):
        mixture, seen = Mixture([Table()], NGrams(train, LETTERS)), []
        found = mixture.read(text, num_epochs=num_epochs, on_token=lambda seen=seen: seen.append(1))
        numpy.testing.assert_array_equal(found, expected)
        assert len(seen) == 150
    with pytest.raises(ValueError, match="num_epochs must be a positive integer; got 0"):
        mixture.read(text, num_epochs=0)
    with pytest.raises(ValueError, match="tokens must"):
        mixture.read([V])


@pytest.mark.parametrize("kept", [150, 60])
def test_further_epochs_learn_from_the_same_predictions_of_as_many_tokens_as_are_kept(monkeypatch, kept):
    monkeypatch.setattr(mixtures, "_MOST_KEPT", kept * (1 + NUM_EXPERTS) * V * 4)
    train, text = random_text(200), random_text(150, seed=4)
    mixture, once = Mixture([Table()], NGrams(train, LETTERS)), Mixture([Table()], NGrams(train, LETTERS))
    mixture.read(text, num_epochs=3)
    predictions = []
    for token in text.tolist():
        predictions.append(once._predict())
        once.observe(token)
    for _ in range(2):
        for prediction, token in list(zip(predictions, text.tolist()))[-kept:]:
            once._learn(prediction, once._weights.mixed(prediction), token)
    assert mixture._num_learned == 150 + 2 * kept
    for one, other in zip([*mixture._weights._vectors, mixture._weights._own],
                          [*once._weights._vectors, once._weights._own]):
        numpy.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)
    numpy.testing.assert_array_equal(mixture._ngrams.following().counts, once._ngrams.following().counts)


def test_further_epochs_predict_what_follows_better():
    rng = numpy.random.default_rng(0)
    words = [rng.integers(1, V, size=rng.integers(2, 6)) for _ in range(30)]
    text = numpy.concatenate([numpy.append(words[i], 0) for i in rng.integers(0, 30, size=900)])
    train, val, test = text[:1500], text[1500:2500], text[2500:]
    bits = []
    for num_epochs in (1, 4):
        mixture = Mixture([Table()], NGrams(train, LETTERS))
        mixture.read(val, num_epochs=num_epochs)
        bits.append(-log_probs_of(mixture, test).mean() / numpy.log(2))
    assert bits[1] < bits[0] - 0.005


def test_a_network_that_knows_the_text_gains_weight_and_one_that_guesses_loses_it():
    text = random_text(2000)
    for network, gains in ((Oracle(text), True), (Table(), False)):
        mixture = Mixture([network], NGrams([], LETTERS))
        nats = -log_probs_of(mixture, text)
        assert (mixture._weights._vectors[0][0, 0] > 0.5) == gains
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
    pytest.importorskip("constriction")
    written = [WRITTEN[i] for i in text]
    proof = prove(lambda: Mixture([Table()], NGrams(train, LETTERS)), VOCAB, written)
    nats = -log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), text).sum()
    claimed = (nats + (text == 0).sum() * numpy.log(0x110000)) / numpy.log(2) / 8
    assert proof.text == "".join(written)
    assert proof.claimed_bytes == pytest.approx(claimed, rel=1e-12)
    assert claimed <= len(proof.code) <= claimed * 1.001 + 6  # the number of tokens, and the last 32 bits
    numpy.testing.assert_array_equal(proof.log_probs,
                                  log_probs_of(Mixture([Table()], NGrams(train, LETTERS)), text))


def test_predictions_that_are_not_reproducible_are_no_proof():
    seeds = iter(range(2))
    pytest.importorskip("constriction")
    with pytest.raises(ValueError, match=r"^predictions must be reproducible, so that the code can be decoded; got "):
        prove(lambda: Table(next(seeds)), VOCAB, [WRITTEN[i] for i in random_text(100)])


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="ngrams must be an NGrams; got 3"):
        Mixture([], 3)
    with pytest.raises(ValueError, match="networks must be for the 2 tokens of the n-grams; got one for 5"):
        Mixture([Table()], NGrams([], [0, 0]))


def model_of(vocab_size):
    mxnet.random.seed(1)
    return RNNLM(LSTM(9, 2, dropout=0.5), vocab_size)


def test_what_a_mixture_has_learned_predicts_as_it_does():
    model, text = model_of(V), random_text(150)
    mixture = Mixture([NetworkPredictor(model)], NGrams(random_text(200, 4), LETTERS))
    log_probs_of(mixture, text)
    learned = mixture.learned()
    state = learned.begin()
    for token in text.tolist():
        state = learned.after(state, token)
    expected = mixture.log_probs()
    numpy.testing.assert_allclose(learned.log_probs(state), expected, atol=1e-6)
    mixture.observe(0)  # which changes its counts and weights
    numpy.testing.assert_allclose(learned.log_probs(state), expected, atol=1e-6)
    numpy.testing.assert_allclose(learned.log_probs(learned.begin()), learned.log_probs(learned.begin()))


def test_what_learns_while_it_reads_cannot_be_fixed():
    with pytest.raises(InputError, match="networks must be NetworkPredictors, which do not learn, to generate text"):
        Mixture([Table()], NGrams([], LETTERS)).learned()


def alone(model, vocab):
    """A mixture in which the network alone counts."""
    learned = Mixture([NetworkPredictor(model)], NGrams(random_text(200) % len(vocab), range(len(vocab)))).learned()
    for weights in (*learned._weights._vectors, learned._weights._own):
        weights[:] = 0
    learned._weights._vectors[0][0, 0] = 1
    return learned


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"temperature": 1, "top_k": 4}, {"top_p": 0.6},
                                     {"min_p": 0.2}, {"top_k": 9, "top_p": 0.8, "min_p": 0.02}, {"no_copy": True}])
def test_a_mixture_of_the_network_alone_writes_what_the_network_writes(options):
    vocab = Vocab("the time machine")
    model = model_of(len(vocab))
    if options.pop("no_copy", False):
        options["no_copy"] = TrainingText(numpy.array(vocab[list("the time machine")]), vocab).limit(2)
    for seed in range(3) if options.get("temperature") != 0 else [0]:  # greedy decoding has no seed
        expected, found = ("".join(generate(each, vocab, "tim", 40, seed=seed, **options))
                           for each in (model, alone(model, vocab)))
        assert found == expected
    assert generate_many(alone(model, vocab), vocab, "tim", 20, 3, **options) \
        == generate_many(model, vocab, "tim", 20, 3, **options)


def test_a_text_of_a_mixture_can_be_continued():
    vocab = Vocab("the time machine")
    ngrams = NGrams(vocab[list("the time machine")], range(len(vocab)))
    learned = Mixture([NetworkPredictor(model_of(len(vocab)))], ngrams).learned()
    options = {"temperature": 0.5, "repetition_penalty": 1.5, "seed": 2}
    text = Continuation(learned, vocab, **options)
    text.read("the")
    written = "".join(piece for length in (1, 7, 12) for piece in text.write(length))
    assert written == "".join(generate(learned, vocab, "the", 20, **options))
    assert len(written) == 20


def test_there_is_no_beam_search_for_a_mixture():
    vocab = Vocab("the time machine")
    learned = Mixture([], NGrams([], range(len(vocab)))).learned()
    with pytest.raises(InputError, match="beam must be omitted with a mixture; got 3"):
        generate(learned, vocab, "the", 5, beam=3)


def test_ngrams_alone_write_what_they_were_told():
    vocab = Vocab("abcd ")
    learned = Mixture([], NGrams(vocab[list("abc d ") * 300], range(len(vocab)))).learned()
    assert "".join(generate(learned, vocab, "ab", 20, temperature=0)) == "c d abc d abc d abc "
