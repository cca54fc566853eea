"""The range coder: what is coded is decoded, in as many bits as the distributions say."""

from gluon_deeprnn.prediction.range_coder import Decoder, Encoder, frequencies
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy
import pytest


def normalized(logits):
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(-1, keepdims=True))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 70), st.integers(0, 200), st.sampled_from([0.1, 1.0, 10.0, 60.0]),
       st.sampled_from(["likely", "drawn", "any"]), st.integers(0, 10**6))
def test_a_text_comes_back_from_as_many_bits_as_the_distributions_give_it(vocab_size, length, spread, which, seed):
    rng = numpy.random.default_rng(seed)
    rows = normalized(rng.normal(size=(length, vocab_size)) * spread)
    if which == "likely":
        tokens = rows.argmax(1).tolist()
    elif which == "any":
        tokens = rng.integers(0, vocab_size, length).tolist()
    else:
        tokens = [int(rng.choice(vocab_size, p=numpy.exp(row) / numpy.exp(row).sum())) for row in rows]
    encoder = Encoder()
    for token, row in zip(tokens, rows):
        encoder.encode(token, row)
    code = encoder.finish()
    decoder = Decoder(code)
    assert [decoder.decode(row) for row in rows] == tokens
    bits = -sum(numpy.log2(frequencies(row)[token] / 2**32) for token, row in zip(tokens, rows))
    assert bits * (1 - 1e-5) - 8 <= 8 * len(code) <= bits * (1 + 1e-5) + 8


def test_carries_go_through_bytes_that_are_full():
    """A token at the very end of the range, again and again, fills bytes with ones; the next carries through them."""
    row = normalized(numpy.array([0.0, -21.0]))
    for length in range(1, 40):
        tokens = [1] * length + [0, 1, 0]
        encoder = Encoder()
        for token in tokens:
            encoder.encode(token, row)
        decoder = Decoder(encoder.finish())
        assert [decoder.decode(row) for _ in tokens] == tokens


@pytest.mark.parametrize("vocab_size", [1, 2, 1000, 50_000])
def test_frequencies_fit_into_the_total_and_none_is_zero(vocab_size):
    counts = frequencies(normalized(numpy.random.default_rng(0).normal(size=vocab_size) * 30))
    assert counts.min() >= 1
    assert counts.sum() <= 2**32


def test_wrong_arguments_are_refused():
    row = numpy.log([0.5, 0.5])
    with pytest.raises(ValueError, match="token must be below 2; got 2"):
        Encoder().encode(2, row)
    with pytest.raises(ValueError, match="code must be bytes; got str"):
        Decoder("abc")
