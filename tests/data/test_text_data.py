import contextlib
import unicodedata

from gluon_deeprnn import TextData, TimeMachine, Vocab
from gluon_deeprnn.data import Source
import numpy
import pytest


def test_the_time_machine_is_the_books(real_text, monkeypatch):
    monkeypatch.setenv("GLUON_DEEPRNN_DATA", str(real_text("timemachine.txt").parent))
    data = TimeMachine(batch_size=1024, num_steps=32)
    assert (data.num_tokens, len(data.vocab)) == (173428, 28)
    assert (len(data.train_dataloader()), len(data.val_dataloader())) == (10, 5)
    x, y = next(data.val_dataloader().batches())
    assert x.shape == y.shape == (32, 1024)


def test_a_short_text_is_split_in_proportion(fox):
    data = TextData([fox], batch_size=64, num_steps=8)
    assert data.num_train + data.num_val == data.num_tokens - 8
    assert data.num_train == round((data.num_tokens - 8) * 2 / 3)


def test_training_and_validation_windows_have_different_start_positions(fox):
    data = TextData([fox], batch_size=2000, num_steps=1)
    positions = TextData([fox], batch_size=2000, num_steps=1, vocab=data.vocab)._parts["all"]
    (x, _), = data.train_dataloader().batches()
    (v, _), = data.val_dataloader().batches()
    assert x.shape[1] + v.shape[1] == len(positions) - 1


def test_the_book_protocol_splits_each_text_by_position():
    sources = [Source(name, letter * 1000, "") for name, letter in (("one", "a"), ("two", "b"))]
    data = TextData(sources, batch_size=4, num_steps=10, protocol="book")
    a, b = data.vocab["a"], data.vocab["b"]
    assert {name: part.tolist() for name, part in data._parts.items()} == {
        "train": [a] * 850 + [b] * 850, "val": [a] * 50 + [b] * 50, "test": [a] * 100 + [b] * 100}
    assert data.test_dataloader().num_tokens == 199
    assert data.train_dataloader().continues(0, 1)


@pytest.mark.parametrize(("val_fraction", "num"), [(0.01, 10), (0.1, 100), (0.5, 500)])
def test_val_fraction_is_the_part_before_the_test_data_which_stay_the_same(val_fraction, num):
    text = "".join(chr(ord("a") + i // 10 % 26) for i in range(1000))
    data = TextData([Source("x", text, "")], batch_size=4, num_steps=10, protocol="book", val_fraction=val_fraction)
    assert "".join(data.vocab.text(data.indices("train"))) == text[:900 - num]
    assert "".join(data.vocab.text(data.indices("val"))) == text[900 - num:900]
    assert data.held_out_texts()[1][0].text == text[900:]
    names = "\n".join(f"Name {i}" for i in range(1000))
    records = TextData([Source("x", names, "")], 4, 10, protocol="book", records="line", cleaning="none",
                       val_fraction=val_fraction)
    assert records.num_records == {"train": 900 - num, "val": num, "test": 100}


def test_the_book_protocol_builds_the_vocabulary_from_the_training_data():
    data = TextData([Source("x", "ab" * 500 + "z" * 50, "")], batch_size=2, num_steps=8, protocol="book")
    assert "z" not in data.vocab
    assert (data._parts["test"] == data.vocab.unknown_index).sum() == 50


def test_words(fox):
    data = TextData([fox], batch_size=8, num_steps=5, tokens="word")
    assert "quick" in data.vocab
    text = data.val_dataloader().text
    assert text.num_words == pytest.approx(text.num_tokens)
    assert 3 < text.num_characters / text.num_tokens - 1 < 5  # the letters of a word of the fox


def test_files_and_their_sources_yield_the_same_data(fox, fox_file):
    first, second = TextData([fox], 8, 5), TextData.from_files([fox_file], 8, 5)
    assert second.sources[0].name == "fox.txt"
    assert (first._parts["all"] == second._parts["all"]).all()


def test_a_given_vocabulary_is_used(fox):
    vocab = Vocab("qrst", cleaning="d2l")
    assert TextData([fox], batch_size=8, num_steps=5, vocab=vocab).vocab is vocab


@pytest.mark.parametrize(("options", "message"), [
    ({"batch_size": 0}, "batch_size must be a positive integer; got 0"),
    ({"num_steps": 2.5}, "num_steps must be a positive integer; got 2.5"),
    ({"protocol": "books"}, r"protocol must be one of d2l, book; got 'books' \(did you mean 'book'\?\)"),
    ({"records": "lines"}, r"records must be one of none, line, paragraph, blank-line; got 'lines' \(did you mean"),
    ({"tokens": "bite"}, r"tokens must be one of char, word, .*, byte; got 'bite' \(did you mean 'byte'"),
    ({"num_train": 0}, "num_train must be a positive integer; got 0"),
    ({"sources": []}, r"sources must be a sequence of Source, not empty; got \[\]"),
    ({"sources": [Source("x", "too short", "")]},
     r"text must be at least 12 tokens long for num_steps=10; got 9 tokens \(a smaller --num-steps allows a shorter"),
    ({"sources": [Source("x", "ab", "")]}, "text must be at least 3 tokens long; got 2 tokens$"),
    ({"sources": [Source("x", "too short", "")], "protocol": "book"},
     "text must be at least 40 tokens long; got 9 tokens$"),
    ({"sources": [Source("x", "abcd" * 10, "")], "protocol": "book", "batch_size": 64},
     r"text must be at least 77 tokens long for batch_size=64; got 40 tokens \(a smaller --batch-size allows"),
    ({"sources": [Source("x", "abcd" * 40, "")], "protocol": "book", "val_fraction": 0.01},
     "text must be at least 200 tokens long; got 160 tokens$"),
    ({"val_fraction": 0, "protocol": "book"}, "val_fraction must be a number from 0.001 to 0.5; got 0$"),
    ({"val_fraction": 0.51, "protocol": "book"}, "val_fraction must be a number from 0.001 to 0.5; got 0.51$"),
    ({"val_fraction": 0.1}, r"val_fraction must be omitted for protocol d2l; got 0.1 \(num_val is the number of its"),
    ({"sources": [Source(f"{i}", "too short", "") for i in range(100)], "protocol": "book"},
     r"text must be one of at least 30 tokens, or two of at least 11, for validation data; got 100 texts of at most 9 "
     r"tokens \(join them into one file\)$"),
])
def test_bad_arguments_are_refused(fox, options, message):
    with pytest.raises(ValueError, match="^" + message):
        TextData(**{"sources": [fox], "batch_size": 4, "num_steps": 10, **options})


@pytest.mark.parametrize("length", [40, 41, 57, 100])
def test_the_shortest_text_of_the_book_protocol_works(length):
    data = TextData([Source("x", "ab" * (length // 2) + "c" * (length % 2), "")], batch_size=2, num_steps=4,
                    protocol="book")
    for source in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert sum(x.size for x, _ in source.batches()) == source.num_tokens > 0


@pytest.mark.parametrize("val_fraction", [0.01, 0.03, 0.05, 0.1, 1 / 3, 0.5])
@pytest.mark.parametrize("batch_size", [1, 2, 15, 64, 100, 333])
def test_the_shortest_text_for_a_batch_size_and_val_fraction_works(val_fraction, batch_size):
    def build(length):
        return TextData([Source("x", "a" * length, "")], batch_size, 4, protocol="book", val_fraction=val_fraction)

    length, shortest = 3, None
    while shortest is None:  # first any text, then one for this batch size
        with pytest.raises(ValueError, match=r"^text must be at least \d+ tokens long") as error:
            build(length)
        length = int(str(error.value).split()[5])
        with pytest.raises(ValueError, match=rf"^text must be at least {length} tokens long"):
            build(length - 1)
        with contextlib.suppress(ValueError):
            shortest = build(length)
    for source in (shortest.train_dataloader(), shortest.val_dataloader(), shortest.test_dataloader()):
        assert sum(x.size for x, _ in source.batches()) == source.num_tokens > 0


@pytest.mark.parametrize(("lengths", "enough"), [
    ([29, 10, 10], False), ([30, 10], True), ([11, 10, 10, 10], False), ([11, 11, 10, 10], True)])
def test_texts_have_validation_data_if_one_has_30_tokens_or_two_have_11(lengths, enough):
    sources = [Source(f"{i}", "ab" * (length // 2) + "c" * (length % 2), "") for i, length in enumerate(lengths)]
    if enough:
        assert TextData(sources, 2, 4, protocol="book").val_dataloader().num_tokens >= 1
    else:
        with pytest.raises(ValueError, match=r"^text must be one of at least 30 tokens, or two of at least 11"):
            TextData(sources, 2, 4, protocol="book")


def test_files_folders_and_patterns_become_one_data(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("the quick brown fox " * 4, encoding="utf-8")
    for given in (tmp_path, tmp_path / "*.txt"):
        assert [source.name for source in TextData.from_files([given], 2, 4).sources] == ["a.txt", "b.txt"]


def test_the_order_of_windows_depends_on_the_seed(fox):
    def first(seed):
        return next(TextData([fox], batch_size=8, num_steps=5, seed=seed).train_dataloader().batches())[0]

    assert (first(1) == first(1)).all()
    assert not numpy.array_equal(first(1), first(2))


KOREAN = "운수 좋은 날이었다. 새침하게 흐린 품이 눈이 올 듯하더니 눈은 아니 오고 비가 추적추적 내렸다. abc " * 20


def test_the_kept_share_of_a_text_is_recorded_and_less_than_half_is_refused(fox):
    data = TextData([fox], 16, 8)
    assert 0.9 < data.kept["fox"] < 1
    with pytest.raises(ValueError, match=r"text must be one of which cleaning d2l keeps at least half; got 'k', of "
                                         r"which it keeps \d\.\d% \(use cleaning='none' or unicode\)"):
        TextData([fox, Source("k", KOREAN, "")], 16, 8)
    assert TextData([Source("k", KOREAN, "")], 16, 8, cleaning="unicode").kept["k"] > 0.9
    digits = Source("d", "1,2,3;4 " * 200, "")
    with pytest.raises(ValueError, match=r"of which it keeps 0\.0% \(use cleaning='none'\)$"):
        TextData([digits], 16, 8)


def test_what_is_kept_does_not_depend_on_how_letters_are_composed():
    parts = unicodedata.normalize("NFD", KOREAN)
    assert TextData([Source("k", parts, "")], 16, 8, cleaning="unicode").kept["k"] > 0.9


def test_with_a_given_vocabulary_any_kept_share_is_accepted(fox):
    vocab = TextData([fox], 16, 8).vocab
    assert TextData([Source("k", KOREAN, "")], 4, 4, vocab=vocab).kept["k"] < 0.5


NAMES = "\r\n".join(f"Name {i} of {i % 7}" for i in range(100)) + "\r\n\r\nName 3 of 3\r\n"


def records_data(text=NAMES, **options):
    return TextData([Source("names", text, "")], 8, 6, **{"protocol": "book", "records": "line", "cleaning": "none",
                                                          **options})


def read(data, part):
    """The records of a part, as texts."""
    tokens = "".join("|" if i == data.vocab.begin_index else "" if i == data.vocab.end_index else token
                     for i, token in zip(data._parts[part], data.vocab.to_tokens(data._parts[part])))
    return tokens.split("|")[1:]


def test_records_are_split_by_record_with_duplicates_in_one_part():
    data = records_data()
    parts = {part: read(data, part) for part in ("train", "val", "test")}
    assert sorted(parts["train"] + parts["val"] + parts["test"]) == sorted(
        [f"Name {i} of {i % 7}" for i in range(100)] + ["Name 3 of 3"])
    assert data.num_records == {name: len(part) for name, part in parts.items()}
    assert [len(set(part)) for part in parts.values()] == [85, 5, 10]
    assert max(part.count("Name 3 of 3") for part in parts.values()) == 2
    assert data.num_tokens == sum(len(text) for part in parts.values() for text in part)


def test_the_parts_of_records_are_their_batches_and_the_batches_depend_on_the_seed():
    first, second = records_data(seed=1), records_data(seed=2)
    for name, source in (("train", first.train_dataloader()), ("val", first.val_dataloader()),
                         ("test", first.test_dataloader())):
        assert source.num_records == first.num_records[name]
        assert source.num_tokens == len(first._parts[name]) - first.num_records[name]
        assert (first._parts[name] == second._parts[name]).all()  # the same records are tested with every seed
    (x, _), (again, _) = (next(data.train_dataloader().batches()) for data in (first, second))
    assert not numpy.array_equal(x, again)
    name, source = first.held_out()
    assert (name, source.num_records) == ("test", first.num_records["test"])
    assert source.text.num_tokens == source.text.num_characters == source.num_tokens
    assert first.opening() == ""


def test_the_vocabulary_of_records_is_from_the_training_records_and_has_boundaries():
    letters = [chr(0xAC00 + i) for i in range(200)]  # 200 records of one Korean syllable
    data = records_data("\n".join(letters))
    vocab = data.vocab
    assert (len(vocab), vocab.begin_index, vocab.end_index) == (3 + 170, 1, 2)
    assert sorted(read(data, "train")) == sorted(letter for letter in letters if letter in vocab)
    assert set(data._parts["test"].tolist()) == {0, 1, 2}


@pytest.mark.parametrize(("tokens", "cleaning"), [("char", "d2l"), ("word", "d2l"), ("word", "none"), ("byte", "none")])
def test_records_of_words_and_bytes(tokens, cleaning):
    text = "\n".join(f"Name {chr(97 + i % 26)}{chr(97 + i // 26)} of" for i in range(100))
    data = records_data(text, tokens=tokens, cleaning=cleaning, min_freq=2)
    for source in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert sum(int((y >= 0).sum()) for _, y in source.batches()) == source.num_tokens
    # 11 characters are 11 tokens or 4: three words and the end, which stands for the line break
    text = data.test_dataloader().text
    assert (text.num_characters, text.num_tokens) == (110, 40 if tokens == "word" else 110)
    assert (data.vocab.unknown_index in data._parts["train"]) == (tokens == "word")  # every second word is rare


def test_records_longer_than_num_steps_are_read_whole():
    text = "\n\n".join(f"verse {i}\n" + "la " * i for i in range(40))
    data = records_data(text, records="blank-line")
    source = data.train_dataloader()
    assert max(map(len, read(data, "train"))) > 10 * data.num_steps
    assert source.num_tokens == sum(len(text) + 1 for text in read(data, "train"))
    assert all("\n" in text for text in read(data, "train") if text != "verse 0")


def test_records_need_the_protocol_with_a_split_of_their_own():
    with pytest.raises(ValueError, match=r"^protocol must be book for records line; got 'd2l' \(protocol='book' "):
        records_data(protocol="d2l")


@pytest.mark.parametrize(("text", "records", "found"), [
    ("a\nb\n" * 50, "line", "2, 100 with repetitions"), ("\n".join(map(str, range(19))), "line", "19"),
    (NAMES, "blank-line", "2")])
def test_too_few_records_are_refused(text, records, found):
    with pytest.raises(ValueError, match=rf"^text must be at least 20 different records of kind {records}; got {found} "
                                         rf"\({records}: "):
        records_data(text, records=records)
    twenty = records_data("\n".join(map(str, range(20))))
    assert twenty.num_records == {"train": 17, "val": 1, "test": 2}


def test_cleaning_that_removes_the_records_is_refused_as_for_other_texts():
    with pytest.raises(ValueError, match=r"^text must be one of which cleaning d2l keeps at least half; got 'names'"):
        records_data("\n".join(KOREAN[:i] for i in range(1, 60)), cleaning="d2l")


def test_a_vocabulary_for_records_needs_boundaries():
    with pytest.raises(ValueError, match=r"^vocab must be one with tokens for the beginning and the end of records"):
        records_data(vocab=Vocab("abc"))
    vocab = Vocab("abc", boundaries=True)
    assert records_data(vocab=vocab).vocab is vocab


@pytest.mark.parametrize("protocol", ["book", "d2l"])
@pytest.mark.parametrize("tokens", ["char", "word", "byte"])
def test_the_held_out_texts_have_the_tokens_of_the_held_out_data(protocol, tokens):
    """Also those that the vocabulary does not have, and bytes that are a part of a character."""
    sources = [Source(name, f"{name}. 봄이 오면\n강가에 " * 40 + "Zz!" * 20, "") for name in ("one", "two")]
    data = TextData(sources, 4, 5, protocol=protocol, cleaning="none", tokens=tokens, num_train=300, num_val=150)
    name, texts = data.held_out_texts()
    assert name == data.held_out()[0]
    found = numpy.concatenate([data.vocab.encode(data.vocab.split(text.text)) for text in texts])
    if protocol == "book":
        assert [text.name for text in texts] == ["one", "two"]
        assert (found == data._parts["test"]).all()
        assert sum(text.text.count("Zz") for text in texts) > 3
    else:
        x = numpy.concatenate([x for x, _ in data.val_dataloader().batches()], axis=1)  # (T, N)
        y = numpy.concatenate([y for _, y in data.val_dataloader().batches()], axis=1)
        assert (found == numpy.concatenate([x[0], y[:, -1]])).all()


def test_the_opening_of_a_text_begins_after_its_white_space():
    data = TextData([Source("k", "\n\n \u3000봄이 오면 " + KOREAN * 9, "")], 4, 4, cleaning="none")
    assert data.opening() == "봄이 오면"


def test_the_opening_has_consecutive_known_tokens_so_that_a_model_can_continue_it():
    text = "(alpha/beta gamma " + "alpha beta gamma delta " * 30
    data = TextData([Source("k", text, "")], 2, 4, protocol="book", cleaning="none", tokens="word", min_freq=2)
    assert data.opening(3) == "gamma alpha beta"
    assert len(data.vocab.encode_prefix(data.opening(3))) == 3


@pytest.mark.parametrize("records", ["none", "line"])
def test_a_vocabulary_without_a_token_of_the_text_is_refused(records):
    text = "\n".join(f"word{i}" for i in range(200))
    options = {"protocol": "book", "cleaning": "none", "tokens": "word", "records": records}
    with pytest.raises(ValueError, match=r"^min_freq must be small enough for the vocabulary to have a token .*got 9"):
        TextData([Source("k", text, "")], 2, 4, min_freq=999, **options)
