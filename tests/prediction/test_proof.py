"""A text is coded in as many bytes as are claimed, and decoded to the same text, with tokens of any kind."""

import math

from gluon_deeprnn import Vocab
from gluon_deeprnn.data.evaluated_text import text_of
from gluon_deeprnn.prediction import log_probs_of
from gluon_deeprnn.prediction.proof import prove
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy
import pytest

pytest.importorskip("constriction")


class Drawn:
    """Predictions that depend on the tokens before, and on nothing else."""

    def __init__(self, vocab_size, spread):
        self.vocab_size, self._spread, self._seed = vocab_size, spread, 1

    def log_probs(self):
        logits = numpy.random.default_rng(self._seed).normal(size=self.vocab_size) * self._spread
        return logits - numpy.logaddexp.reduce(logits)

    def observe(self, token):
        self._seed = (self._seed * 31 + token) % 2**31


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=120),
       st.sampled_from(["char", "word-unicode", "word-exact", "byte"]), st.integers(0, 3),
       st.sampled_from([0.1, 2.0, 8.0]))
def test_any_text_comes_back_from_a_code_of_the_claimed_size(text, kind, min_freq, spread):
    known = Vocab(kind=kind).split(text[:len(text) // 2])
    vocab = Vocab(known, min_freq, kind=kind)
    tokens = vocab.split(text)
    proof = prove(lambda: Drawn(len(vocab), spread), vocab, tokens)
    assert proof.text.encode("utf-8", "surrogateescape") == text.encode()
    # probabilities below 2**-24 are rounded up, so the code can be smaller; at most 2 and 8 bytes are for its length
    assert len(proof.code) <= proof.claimed_bytes * 1.001 + 10
    nll = -log_probs_of(Drawn(len(vocab), spread), vocab.encode(tokens)).sum()
    spelled = text_of(vocab, tokens, num_predicted=len(tokens)).unpredicted
    assert proof.claimed_bytes == pytest.approx((nll + spelled) / math.log(2) / 8, rel=1e-12)


def test_unlikely_words_need_no_more_than_is_claimed():
    vocab = Vocab(["time", "and", "space"], kind="word")
    tokens = ["time", "traveller", "space", "시간", "and"] * 40
    proof = prove(lambda: Drawn(len(vocab), 1.0), vocab, tokens)
    assert proof.text == "".join(" " + token for token in tokens)
    assert proof.claimed_bytes < len(proof.code) < proof.claimed_bytes * 1.0001 + 6


def test_a_predictor_for_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"^vocab must be of the 9 tokens of the predictor; got 4 tokens$"):
        prove(lambda: Drawn(9, 1.0), Vocab("abc"), ["a"])
