"""Characters, words and unknown tokens of what is evaluated, against counts made by hand."""

import math

from gluon_deeprnn import TextData, Vocab
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.evaluated_text import text_of, text_of_windows
from gluon_deeprnn.data.tokenizers import TOKENIZERS
from hypothesis import given
from hypothesis import strategies as st
import pytest

KOREAN = "봄이 오면 강가에 바람이 불고, 사람들은 길을 걷는다.\n"


@given(st.text(alphabet=st.characters(codec="utf-8")), st.sampled_from(sorted(TOKENIZERS)))
def test_the_characters_of_the_tokens_are_those_of_the_text(text, kind):
    tokenizer = TOKENIZERS[kind]
    tokens = tokenizer.split(text)
    assert tokenizer.characters(tokens).sum() == len(tokenizer.unsplit(tokens))


def test_bytes_count_the_characters_that_they_make():
    vocab = Vocab(kind="byte")
    assert text_of(vocab, vocab.split(KOREAN * 3)).num_characters == len(KOREAN) * 3
    assert vocab.tokenizer.characters(vocab.split("a봄\udcff")).tolist() == [1, 1, 0, 0, 1]


def test_a_text_costs_its_first_token_and_the_spelling_of_the_unknown_ones():
    vocab = Vocab(["the", "time", "the"], kind="word")  # letters 10, 5 kinds, 3 ends: 18
    text = text_of(vocab, ["the", "era", "the"])
    spelled = -math.log(3 / 18 * 5 / 18 / 0x110000 * 5 / 18 / 0x110000 * 3 / 18)  # e and the end; no r, no a
    assert text.unpredicted == pytest.approx(math.log(len(vocab)) + spelled)
    assert (text.num_tokens, text.num_unknown, text.num_characters, text.num_words) == (3, 1, 12, 3)
    assert text.share_unknown == "1 of 3 tokens unknown, 33.3%"


@pytest.mark.parametrize("kind", ["char", "word", "byte"])
def test_windows_count_a_token_as_often_as_they_predict_it(kind):
    vocab, num_windows, num_steps = Vocab("abcdefgh ", kind=kind), 7, 4
    tokens = TOKENIZERS[kind].split("time 봄 z and space " * 5)[:num_windows + num_steps]
    characters = vocab.tokenizer.characters(tokens)
    found = text_of_windows(vocab, tokens, num_windows, num_steps)
    targets = [i for start in range(num_windows) for i in range(start + 1, start + 1 + num_steps)]
    # a character of which the first byte is the given one counts with its second
    assert found.num_characters == pytest.approx(sum(characters[i] for i in targets), abs=num_steps)
    assert found.num_tokens == len(targets)
    assert found.num_unknown == sum(tokens[i] not in vocab for i in targets)
    assert found.unpredicted == pytest.approx(sum(vocab.spelling.nats(tokens[i]) for i in targets
                                                  if tokens[i] not in vocab))
    if kind == "word":
        assert found.num_words == len(targets)


@pytest.mark.parametrize(("records", "separator"), [("line", 1), ("blank-line", 2)])
def test_the_end_of_a_record_stands_for_the_separator(records, separator):
    text = ("\n" * separator).join(f"verse {chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(40))
    data = TextData([Source("text", text, "")], 4, 8, protocol="book", cleaning="none", records=records)
    test = data.test_dataloader().text
    assert test.num_characters == 4 * (8 + separator)
    assert test.num_tokens == 4 * 9
    assert test.num_words == 8


def test_the_parts_of_a_text_are_the_text_and_their_tokens_are_as_written():
    source = Source("text", "".join(f"{i} 봄, the time. " for i in range(300)), "")
    for tokens in ("char", "word", "byte"):
        data = TextData([source], 4, 8, protocol="book", cleaning="none", tokens=tokens, min_freq=2)
        joined = "".join(data.vocab.tokenizer.unsplit(data.tokens(part)) for part in ("train", "val", "test"))
        assert joined.encode("utf-8", "surrogateescape") == source.text.encode()
        for part in ("val", "test"):
            assert data.indices(part).tolist() == data.vocab.encode(data.tokens(part)).tolist()
