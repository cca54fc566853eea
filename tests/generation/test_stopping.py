from gluon_deeprnn import Vocab
from gluon_deeprnn.data.tokenizers import TOKENIZERS, Tokenizer
from gluon_deeprnn.generation.stopping import NO_TOKEN, ShownText
import hypothesis
from hypothesis import strategies as st
import pytest

LETTERS = Vocab("abc", boundaries=True)
BYTES = Vocab(kind="byte")


def shown_by(vocab, stop, tokens, last=True):
    text = ShownText(vocab, stop)
    pieces = []
    for token in tokens:
        pieces.append(text.add(token))
        if text.ended:
            break
    return text, [*pieces, text.finish(last=last)]


@hypothesis.given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=5), max_size=3))
@hypothesis.example("baa", ["a", "baa"])
def test_a_text_ends_before_the_stop_string_that_is_complete_first(whole, stop):
    """Of several that are complete at the same token, before the one that begins first."""
    read = next((whole[:end] for end in range(len(whole) + 1) if any(string in whole[:end] for string in stop)), whole)
    ends = [read.index(string) for string in stop if string in read]
    expected = read[:min(ends)] if ends else whole
    text, pieces = shown_by(LETTERS, stop, LETTERS.encode(list(whole)).tolist())
    assert "".join(pieces) == expected
    assert text.ended == ("stop" if ends else "")
    assert text.num_shown == len(expected)
    if ends:
        assert text.found in stop
        assert whole[len(expected):].startswith(text.found)


@hypothesis.given(st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=5), max_size=3))
def test_text_is_held_back_only_if_a_stop_string_may_begin_there(whole, stop):
    text, shown = ShownText(LETTERS, stop), ""
    for i, token in enumerate(LETTERS.encode(list(whole)).tolist()):
        shown += text.add(token)
        if text.ended:
            break
        held = whole[len(shown):i + 1]
        assert held == "" or any(string.startswith(held) and string != held for string in stop)


@hypothesis.given(st.binary(max_size=12) | st.text(max_size=9).map(str.encode))
def test_the_text_of_bytes_is_that_of_all_of_them(values):
    tokens = [BYTES[f"{value:02x}"] for value in values]
    expected = "".join(BYTES.text(tokens))
    assert expected == values.decode("utf-8", "replace")
    text, pieces = shown_by(BYTES, (), tokens)
    assert "".join(pieces) == expected
    assert text.num_shown == len(tokens)
    held, pieces = shown_by(BYTES, (), tokens, last=False)
    assert "".join(BYTES.text(tokens[:held.num_shown])) == "".join(pieces)
    assert len(tokens) - held.num_shown <= 3
    rest = ShownText(BYTES, ())
    later = [rest.add(token) for token in tokens[held.num_shown:]]
    assert "".join([*pieces, *later, rest.finish(last=True)]) == expected


def test_a_stop_string_may_be_several_characters_of_several_bytes():
    tokens = [BYTES[f"{value:02x}"] for value in "하나 둘 셋".encode()]
    text, pieces = shown_by(BYTES, ["둘 셋"], tokens)
    assert "".join(pieces) == "하나 "
    assert text.num_shown == 7


def test_a_token_is_shown_when_all_of_its_text_is():
    vocab = Vocab(["time", "machine"], kind="word")
    text, pieces = shown_by(vocab, ["chi"], vocab.encode(["time", "machine", "time"]).tolist())
    assert "".join(pieces) == " time ma"
    assert (text.num_tokens, text.num_shown) == (2, 1)


@pytest.mark.parametrize(("token", "ended"), [(LETTERS.end_index, "record"), (NO_TOKEN, "no_copy")])
def test_the_end_shows_what_was_held_back(token, ended):
    text, pieces = shown_by(LETTERS, ["abc"], [*LETTERS.encode(["c", "a", "b"]).tolist(), token])
    assert pieces == ["c", "", "", "ab", ""]
    assert (text.ended, text.num_tokens, text.num_shown) == (ended, 4, 3)


def test_a_copy_is_independent():
    text = ShownText(LETTERS, ["ab"])
    text.add(LETTERS["a"])
    copy = text.copy()
    assert copy.add(LETTERS["b"]) == ""
    assert (copy.ended, text.ended) == ("stop", "")
    assert text.add(LETTERS["c"]) == "ac"
    assert (copy.num_shown, text.num_shown) == (0, 2)


def test_tokens_without_text_are_shown_with_the_text_before_them(monkeypatch):
    class Marks(Tokenizer):
        """Characters, of which a caret adds nothing."""

        def split(self, text):
            return list(text)

        def join(self, tokens):
            return "".join(tokens).replace("^", "")

    monkeypatch.setitem(TOKENIZERS, "marks", Marks())
    vocab = Vocab("ab^", kind="marks")
    text = ShownText(vocab, ["ab"])
    counts = []
    for token in "^b^a^^":
        text.add(vocab[token])
        counts.append(text.num_shown)
    assert counts == [1, 2, 3, 3, 3, 3]
    assert text.add(vocab["b"]) == ""
    assert (text.ended, text.num_shown) == ("stop", 3)
