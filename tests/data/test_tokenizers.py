from gluon_deeprnn import GRU, RNNLM, TextData, Vocab, generate
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.tokenizers import TOKENIZERS, Tokenizer, tokenize, tokenizer_for
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
    assert words.characters(tokenize("it has come", "word")).tolist() == [3, 4, 5]
    assert TOKENIZERS["char"].characters("it has").tolist() == [1] * 6


def test_every_kind_of_token_has_a_description():
    assert all(tokenizer.about for tokenizer in TOKENIZERS.values())


def test_a_third_kind_of_token_works_from_data_to_generation(pairs):
    data = TextData([Source("text", "the quick brown fox " * 60, "")], 16, 8, tokens="pair")
    text = data.val_dataloader().text
    assert text.num_characters == 2 * text.num_tokens
    assert set(map(len, data.vocab.idx_to_token[1:])) == {2}
    model = RNNLM(GRU(8), len(data.vocab))
    assert len("".join(generate(model, data.vocab, "the qu", 5))) == 10


def test_a_third_kind_of_token_is_stored_with_the_vocabulary(pairs):
    again = Vocab.from_json(Vocab(["th", "e "], kind="pair").to_json())
    assert (again.kind, again.split("the e ")) == ("pair", ["th", "e ", "e "])


def test_a_vocabulary_with_an_unknown_kind_of_token_is_refused(pairs, monkeypatch):
    stored = Vocab(["th", "e "], kind="pair").to_json()
    monkeypatch.delitem(TOKENIZERS, "pair")
    with pytest.raises(ValueError, match=r"vocab\.json must be .*kind must be one of char, word, .*; got 'pair'"):
        Vocab.from_json(stored)


CONSPICUOUS = ("ab e\u0301\u0323\u200c\u200d'\u2019\u00ad\u05f4न्द\u093e\u0e33\u06dd"
               "1\ufe0f\u20e3👩👍\U0001f3fd\U0001f1f0\U0001f3f4\U000e0067\n\r\t\ud83d\udc69\x00")


TEXTS = (st.text() | st.text(alphabet=st.characters(categories=["Cs", "M", "Cf", "So", "Lo"]))
         | st.text(alphabet=CONSPICUOUS))
KINDS = ["char", "word", "word-unicode", "word-exact", "byte"]


@given(TEXTS, st.sampled_from(["word-unicode", "word-exact"]))
def test_words_of_an_uncleaned_text_lose_nothing_of_it(text, kind):
    words = TOKENIZERS[kind]
    assert words.join(words.split(text)) == "".join(words.stream(words.split(text))) == text


@given(st.text(alphabet=st.characters(codec="latin-1") | st.sampled_from("\u2019\u201cäßé가힣ㄱ一\u3002")))
def test_without_marks_and_emoji_words_are_those_of_earlier_versions(text):
    for changed in "\u00ad\x1c\x1d\x1e\x1f":  # a soft hyphen divided a word; control characters were white space
        text = text.replace(changed, "")
    assert TOKENIZERS["word-unicode"].split(text) == TOKENIZERS["word-exact"].split(text)


@pytest.mark.parametrize("kind", ["word-unicode", "word-exact"])
def test_words_of_an_uncleaned_text_are_words_punctuation_marks_and_line_ends(kind):
    split = TOKENIZERS[kind].split("It\u2019s late, he said.\n\n  \ubd04\uc774 don't")
    assert split == ["It\u2019s", " late", ",", " he", " said", ".", "\n", "\n", " ", " \ubd04\uc774", " don't"]


def test_the_words_of_a_cleaned_text_are_what_is_between_white_space():
    assert [tokenizer_for("word", cleaning) for cleaning in ("none", "d2l", "unicode", None)] == [
        "word-unicode", "word", "word", "word"]


@pytest.mark.parametrize("kind", ["word-unicode", "word-exact"])
def test_a_first_word_that_is_known_after_a_space_continues_a_text(kind):
    vocab = Vocab(TOKENIZERS[kind].split("a word, the word"), kind=kind)
    assert vocab.to_tokens(vocab.encode_prefix("word,")) == [" word", ","]
    assert vocab.to_tokens(vocab.encode_prefix("a word")) == ["a", " word"]


def test_a_vocabulary_of_an_earlier_version_keeps_its_words():
    """TextData(tokens="word") of an uncleaned text, for a vocabulary that exists and for a new one."""
    source = Source("text", "नदी में किताब है। " * 40, "")
    old = Vocab(TOKENIZERS["word-exact"].split(source.text), kind="word-exact", cleaning="none")
    options = {"cleaning": "none", "tokens": "word", "protocol": "book"}
    tokens = {}
    for vocab in (old, None):
        data = TextData([source], 2, 4, vocab=vocab, **options)
        tokens[data.vocab.kind] = data.vocab.to_tokens(data.indices("train")[:9])
    assert tokens == {"word-exact": ["नद", "ी", " म", "े", "ं", " क", "ि", "त", "ा"],
                      "word-unicode": ["नदी", " में", " किताब", " है", "।", " नदी", " में", " किताब", " है"]}


@given(st.binary())
def test_bytes_lose_nothing_of_a_file(content):
    tokens = TOKENIZERS["byte"].split(content.decode("utf-8", "surrogateescape"))
    assert bytes.fromhex("".join(tokens)) == content


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_bytes_of_a_text_are_shown_as_the_text_in_whole_characters(text):
    byte = TOKENIZERS["byte"]
    pieces = list(byte.stream(byte.split(text)))
    assert pieces == list(text)


def test_bytes_that_are_not_text_are_shown_as_replacement_characters():
    assert TOKENIZERS["byte"].join(["41", "ff", "ea", "b0"]) == "A\ufffd\ufffd"


def test_a_vocabulary_of_bytes_knows_every_byte():
    vocab = Vocab(["41"], min_freq=3, kind="byte")
    assert len(vocab) == 257
    assert vocab.unknown_index not in vocab.encode_prefix("\ubd04 \x00!")
    assert Vocab.from_json(vocab.to_json()).idx_to_token == vocab.idx_to_token


def test_every_kind_of_token_is_trained_on_and_generated_from(tmp_path):
    text = "Said she: \u201cIt\u2019s 4 o'clock!\u201d\n\u00c9t\u00e9, \ubd04.\n" * 40
    for tokens, kind in (("char", "char"), ("word", "word-unicode"), ("byte", "byte")):
        data = TextData([Source("text", text, "")], 16, 8, cleaning="none", tokens=tokens, num_train=100, num_val=50)
        assert data.vocab.kind == kind
        model = RNNLM(GRU(8), len(data.vocab))
        written = "".join(generate(model, data.vocab, "Said she:", 30))
        assert written
        assert data.vocab.unknown_index not in data.vocab.encode_prefix(text)


def test_a_binary_file_is_read_byte_by_byte(tmp_path):
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 20)
    data = TextData.from_files([tmp_path / "noise"], 16, 8, cleaning="none", tokens="byte")
    assert data.num_tokens == 256 * 20
    assert len(data.vocab) == 257
    with pytest.raises(ValueError, match=r"^text must be a text; got .* null bytes \(tokens='byte' reads any file\)"):
        TextData.from_files([tmp_path / "noise"], 16, 8, cleaning="none")


@given(st.text(alphabet=st.characters(codec="utf-8")) | st.text(alphabet=CONSPICUOUS.encode(errors="ignore").decode()),
       st.sampled_from(KINDS))
def test_the_spans_of_tokens_cover_the_text_in_order(text, kind):
    tokenizer = TOKENIZERS[kind]
    tokens, spans = tokenizer.split(text), tokenizer.spans(text)
    assert len(tokens) == len(spans)
    covered = text if kind != "word" else text.rstrip()
    if kind == "byte":  # the bytes of a character have the same span
        assert [text[start:end].encode().hex() for start, end in dict.fromkeys(spans)] == [
            character.encode().hex() for character in text]
        assert tokens == [f"{byte:02x}" for start, end in dict.fromkeys(spans) for byte in text[start:end].encode()]
    else:
        assert "".join(text[start:end] for start, end in spans) == covered
        assert all(text[start:end].endswith(token) for token, (start, end) in zip(tokens, spans))


@given(TEXTS, st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9))
def test_the_text_of_some_tokens_is_split_into_the_same_tokens(text, kind, first, count):
    tokenizer = TOKENIZERS[kind]
    tokens = tokenizer.split(text)[first:first + count] if kind != "byte" else tokenizer.split(
        text.encode("utf-8", "replace").decode())[first:first + count]
    assert tokenizer.split(tokenizer.unsplit(tokens)) == tokens


def test_tokens_that_are_no_part_of_their_text_have_no_spans():
    class Loud(Pairs):
        def split(self, text):
            return super().split(text.upper())

    with pytest.raises(ValueError, match=r"^tokens must be parts of their text; got 'AB'$"):
        Loud().spans("abcd")
