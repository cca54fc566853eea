"""Greedy decoding."""

import math

from gluon_deeprnn import d2l
import pytest
from users_models import V


def test_a_predicted_text_needs_a_prefix_and_finite_parameters():
    model, vocab = d2l.RNNLM(d2l.GRU(4, 1), V), d2l.Vocab("abcdefgh")
    assert model.predict("abc", 0, vocab) == "abc"
    with pytest.raises(ValueError, match=r"^prefix must be at least one token; got ''"):
        model.predict("", 3, vocab)
    model.linear.bias.set_data(d2l.tensor([100.0 * (i == vocab.unk) for i in range(V)]))
    assert "<unk>" not in model.predict("abc", 5, vocab)
    model.linear.bias.set_data(d2l.tensor([math.nan] * V))
    with pytest.raises(ValueError, match=r"^the model's logits must be finite numbers"):
        model.predict("abc", 3, vocab)
