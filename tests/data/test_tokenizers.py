from gluon_deeprnn import GRU, RNNLM, TextData, Vocab, generate
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.tokenizers import TOKENIZERS, Tokenizer, tokenize
from hypothesis import given
from hypothesis import strategies as st
import pytest


class Pairs(Tokenizer):
    """A token is two characters: a custom third kind."""

    about = "pairs of characters"

    def split(self, text):
        return [text[i:i + 2] for i in range(0, len(text), 2)]

    def join(self, tokens):
        return "".join(tokens)


@pytest.fixture
def pairs(monkeypatch):
    monkeypatch.setitem(TOKENIZERS, "pair", Pairs())


@given(st.text())
def test_characters_are_the_text(text):
    characters = TOKENIZERS["char"]
    assert characters.join(characters.split(text)) == text


def test_a_word_counts_the_space_before_it():
    words = TOKENIZERS["word"]
    assert words.characters_per_token(tokenize("it has come", "word")) == (2 + 3 + 4) / 3 + 1
    assert TOKENIZERS["char"].characters_per_token("it has") == 1


def test_every_kind_of_token_has_a_description():
    assert all(tokenizer.about for tokenizer in TOKENIZERS.values())


def test_a_third_kind_of_token_works_from_data_to_generation(pairs):
    data = TextData([Source("text", "the quick brown fox " * 60, "")], 16, 8, tokens="pair")
    assert data.characters_per_token["all"] == 2.0
    assert set(map(len, data.vocab.idx_to_token[1:])) == {2}
    model = RNNLM(GRU(8), len(data.vocab))
    assert len("".join(generate(model, data.vocab, "the qu", 5))) == 10


def test_a_third_kind_of_token_is_stored_with_the_vocabulary(pairs):
    again = Vocab.from_json(Vocab(["th", "e "], kind="pair").to_json())
    assert (again.kind, again.split("the e ")) == ("pair", ["th", "e ", "e "])


def test_a_vocabulary_with_an_unknown_kind_of_token_is_refused(pairs, monkeypatch):
    stored = Vocab(["th", "e "], kind="pair").to_json()
    monkeypatch.delitem(TOKENIZERS, "pair")
    with pytest.raises(ValueError, match=r"vocab\.json must be .*kind must be one of char, word; got 'pair'"):
        Vocab.from_json(stored)
