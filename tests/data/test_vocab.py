from gluon_deeprnn import Vocab
from hypothesis import given
from hypothesis import strategies as st
import numpy
import pytest

tokens = st.lists(st.text(min_size=1, max_size=3).filter(lambda t: t != "<unk>"), min_size=1)


@given(tokens)
def test_every_token_is_recovered_from_its_index(tokens):
    vocab = Vocab(tokens)
    assert vocab.to_tokens(vocab.encode(tokens)) == tokens
    assert len(vocab) == len(set(tokens)) + 1


@given(tokens)
def test_json_keeps_everything(tokens):
    vocab = Vocab(tokens, cleaning="unicode", kind="word")
    again = Vocab.from_json(vocab.to_json())
    assert (again.idx_to_token, again.cleaning, again.kind) == (vocab.idx_to_token, "unicode", "word")
    assert (again.encode(tokens) == vocab.encode(tokens)).all()


def test_rare_and_unseen_tokens_are_unknown():
    vocab = Vocab("aab", min_freq=2)
    assert vocab[["a", "b", "z"]] == [1, 0, 0]
    assert vocab.idx_to_token == ["<unk>", "a"]


def test_a_list_of_one_index_gives_a_list_of_one_token():
    vocab = Vocab("ab")
    assert vocab.to_tokens([1]) == ["a"]
    assert vocab.to_tokens(1) == vocab.to_tokens(numpy.int32(1)) == "a"


def test_reserved_tokens_are_included():
    assert "<end>" in Vocab("ab", reserved_tokens=["<end>"])


def test_sources_have_tokens_that_are_not_text():
    vocab = Vocab("time", sources=["a.txt", "b c.txt"])
    assert vocab.idx_to_token[:3] == ["<unk>", "<source a.txt>", "<source b c.txt>"]
    assert [vocab.source_index(name) for name in vocab.sources] == [1, 2]
    assert vocab.special == [0, 1, 2]
    assert "".join(vocab.text([1, vocab["t"], 2, vocab["i"]])) == "ti"
    again = Vocab.from_json(vocab.to_json())
    assert (again.sources, again.idx_to_token) == (vocab.sources, vocab.idx_to_token)
    assert "sources" not in Vocab("time").to_json()
    with pytest.raises(ValueError, match=r"^source must be one of a.txt, b c.txt; got 'a.tx' "):
        vocab.source_index("a.tx")
    with pytest.raises(ValueError, match=r"^source must be omitted for a vocabulary without tokens of"):
        Vocab("time").source_index("a")
    with pytest.raises(ValueError, match=r"^vocab.json must be .*sources without their tokens"):
        Vocab.from_json(Vocab("time").to_json()[:-1] + ', "sources": ["a.txt"]}')


def test_an_extended_vocabulary_has_the_sources_of_both():
    vocab = Vocab("ab", sources=["a.txt"])
    extended = vocab.extended(["c"], sources=["a.txt", "b.txt"])
    assert extended.sources == ["a.txt", "b.txt"]
    assert extended.idx_to_token == [*vocab.idx_to_token, "<source b.txt>", "c"]


def test_a_prefix_is_cleaned_as_the_text_was():
    vocab = Vocab("time machine", cleaning="d2l")
    assert vocab.encode_prefix("TIME!").tolist() == vocab[["t", "i", "m", "e", " "]]


@pytest.mark.parametrize(("prefix", "message"), [
    ("xyz", "prefix must be made of tokens in the vocabulary; got 'x', 'y', 'z'"),
    ("", "prefix must be at least one token in the vocabulary, after cleaning; got ''"),
    ("운수", "prefix must be at least one token in the vocabulary, after cleaning; got '운수'"),
    (7, "prefix must be a string; got 7"),
])
def test_a_prefix_that_cannot_be_continued_is_refused(prefix, message):
    with pytest.raises(ValueError, match="^" + message):
        Vocab("time machine", cleaning="d2l").encode_prefix(prefix)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kind": "char", "cleaning": null, "vocab": {}}',
                                  '{"kind": "x", "cleaning": null, "vocab": {}}'])
def test_other_json_is_refused(text):
    with pytest.raises(ValueError, match=r"^(vocab.json|kind) must be"):
        Vocab.from_json(text)


def test_a_vocabulary_with_boundaries_has_a_beginning_and_an_end_which_add_nothing_to_a_text():
    vocab = Vocab("abca", boundaries=True)
    assert (vocab.begin_index, vocab.end_index, len(vocab)) == (1, 2, 6)
    read = Vocab.from_json(vocab.to_json())
    assert read.idx_to_token == vocab.idx_to_token
    assert (read.begin_index, read.end_index) == (1, 2)
    assert "".join(read.text([1, vocab["a"], vocab["b"], 2])) == "ab"
    assert (Vocab("abc").begin_index, Vocab("abc").end_index) == (None, None)
    assert "<bos>" in Vocab(["<bos>", "the"], kind="word")  # without boundaries it is a word like any other


def test_a_prefix_has_no_boundaries():
    vocab = Vocab(["the", "<eos>"], kind="word", boundaries=True)
    with pytest.raises(ValueError, match=r"^prefix must be made of tokens in the vocabulary; got '<eos>', '<bos>'"):
        vocab.encode_prefix("the <eos> <bos>")
    assert vocab.encode_prefix("the <eos> <bos>", skip_unknown=True).tolist() == [vocab["the"]]
    assert Vocab(["<eos>"], kind="word").encode_prefix("<eos>").tolist() == [1]
