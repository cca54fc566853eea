"""Interpolated n-grams that go on counting."""

from gluon_deeprnn.prediction import NGram, log_probs_of
import numpy
import pytest


def probability(text, context, token, vocab_size, discount):
    """The interpolated probability, by its definition; the text is a list of texts."""
    below = 1 / vocab_size if not context else probability(text, context[1:], token, vocab_size, discount)
    k = len(context)
    after = [part[i] for part in text for i in range(k, len(part)) if part[i - k:i] == context]
    if not after:
        return below
    return (max(after.count(token) - discount, 0) + discount * len(set(after)) * below) / len(after)


@pytest.mark.parametrize("discount", [0.3, 0.85])
def test_probabilities_are_those_of_the_definition(discount):
    rng = numpy.random.default_rng(1)
    text, new = rng.integers(0, 4, 80).tolist(), rng.integers(0, 4, 40).tolist()
    model = NGram(text, 4, order=3, discount=discount)
    for i, token in enumerate(new):
        expected = [probability([text, new[:i]], new[max(0, i - 3):i], each, 4, discount) for each in range(4)]
        numpy.testing.assert_allclose(numpy.exp(model.log_probs()), expected, rtol=1e-12)
        model.observe(token)


def test_a_model_that_has_counted_nothing_expects_all_tokens_alike():
    numpy.testing.assert_allclose(NGram([], 7).log_probs(), -numpy.log(7), rtol=1e-12)


def test_a_text_that_repeats_itself_is_learned_while_it_is_read():
    nats = -log_probs_of(NGram([], 5, order=6), numpy.random.default_rng(0).integers(0, 5, 50).tolist() * 4)
    assert nats[:50].mean() > 1.5
    assert nats[100:].mean() < 0.1


def test_a_discount_that_is_no_share_is_refused():
    with pytest.raises(ValueError, match=r"discount must be a number in \(0, 1\); got 1"):
        NGram([0, 1], 2, discount=1)
