from gluon_deeprnn.generation import ngrams
from gluon_deeprnn.generation.ngrams import GAP, NgramIndex, ngram_hashes
import hypothesis
from hypothesis import strategies as st
import numpy
import pytest

TOKENS = st.lists(st.integers(GAP, 3), max_size=60)


def places_of(ngram, tokens):
    return [i for i in range(len(tokens) - len(ngram) + 1) if tokens[i:i + len(ngram)] == ngram and GAP not in ngram]


def check(tokens, text, n):
    index = NgramIndex(numpy.array(tokens, dtype="int16"), n)
    expected = [places_of(text[i:i + n], tokens) for i in range(len(text) - n + 1)]
    first = index.first(numpy.array(text, dtype="int16"))
    assert first.tolist() == [places[0] if places else -1 for places in expected]
    for i, places in enumerate(expected):
        assert index.all(numpy.array(text[i:i + n])).tolist() == places


@hypothesis.given(TOKENS, TOKENS, st.integers(1, 13))
def test_positions_are_those_of_a_search_one_by_one(tokens, text, n):
    check(tokens, text, n)


@hypothesis.given(TOKENS, TOKENS, st.integers(1, 5), st.integers(0, 3))
def test_they_are_exact_if_different_ngrams_have_the_same_hash(tokens, text, n, bits):
    """All but a few bits of the hashes are set to zero."""
    kept = numpy.uint64(((1 << bits) - 1) << 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "ngram_hashes", lambda tokens, n: ngram_hashes(tokens, n) & kept)
        check(tokens, text, n)


@hypothesis.given(TOKENS, TOKENS, st.integers(1, 5), st.integers(1, 9))
def test_they_do_not_depend_on_how_many_tokens_are_hashed_at_a_time(tokens, text, n, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "_CHUNK", chunk)
        check(tokens, text, n)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 12, 20, 31, 64, 100])
def test_the_hash_is_the_polynomial_of_the_tokens_hashes(n):
    tokens = numpy.random.default_rng(0).integers(0, 50, 140)
    single = [int(each) for each in ngram_hashes(tokens, 1)]
    base = 0x9E3779B97F4A7C15
    expected = [sum(single[i + j] * pow(base, n - 1 - j, 2**64) for j in range(n)) % 2**64 for i in range(141 - n)]
    assert [int(each) for each in ngram_hashes(tokens, n)] == expected


def test_different_tokens_have_different_hashes():
    hashes = ngram_hashes(numpy.arange(-2, 100_000), 1)
    assert len(set((hashes >> numpy.uint64(24)).tolist())) == 100_002  # with the bits that are left beside a position


def test_n_must_be_positive():
    with pytest.raises(ValueError, match=r"^n must be a positive integer; got 0$"):
        NgramIndex(numpy.arange(5), 0)
