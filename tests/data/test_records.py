from gluon_deeprnn import Vocab
from gluon_deeprnn.data import Source
from gluon_deeprnn.data.before import strip_records
from gluon_deeprnn.data.evaluated_text import text_of_records
from gluon_deeprnn.data.records import (
    RECORDS,
    Record,
    begin_of,
    encode_records,
    read_records,
    split_by_record,
)
from gluon_deeprnn.data.tokenizers import TOKENIZERS
from hypothesis import given
from hypothesis import strategies as st
import pytest

POEMS = "Roses are red,\n  violets blue.\n\n \t\nSugar is sweet,\nand so on.\n\n\n\nEnd"


def records_of(text, kind, cleaning="none", tokens="char"):
    return read_records(text, kind, cleaning, TOKENIZERS[tokens])


def texts_of(*arguments, **options):
    return [record.text for record in records_of(*arguments, **options)]


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("kind", "expected"), [
    ("line", ["Roses are red,", "  violets blue.", "Sugar is sweet,", "and so on.", "End"]),
    ("paragraph", ["Roses are red, violets blue.", "Sugar is sweet, and so on.", "End"]),
    ("blank-line", ["Roses are red,\n  violets blue.", "Sugar is sweet,\nand so on.", "End"]),
])
def test_a_text_is_split_into_records_whatever_its_line_ends(kind, expected, ends):
    assert texts_of(POEMS.replace("\n", ends), kind) == expected


def test_a_text_without_records_is_one_whole():
    assert RECORDS["none"].split(POEMS) == [POEMS]


def test_records_are_joined_by_the_separator_of_their_kind():
    assert {name: kind.separator for name, kind in RECORDS.items() if name != "none"} == {
        "line": "\n", "paragraph": "\n\n", "blank-line": "\n\n"}
    for name, kind in RECORDS.items():
        read = texts_of(POEMS, name)
        assert texts_of(kind.separator.join(read), name) == read


def test_each_record_is_cleaned_on_its_own_and_empty_ones_are_left_out():
    text = "Ada Lovelace, 1815\n\n   \n1815-1852\nAlan M. Turing\n"
    assert texts_of(text, "line", "d2l") == ["ada lovelace", "alan m turing"]
    assert texts_of(text, "line", None) == ["Ada Lovelace, 1815", "1815-1852", "Alan M. Turing"]
    assert texts_of(" \n\n \n", "line") == texts_of("", "blank-line") == []


def test_a_record_is_what_stands_there_with_its_indentation_and_its_empty_columns():
    verses = "    The early captain\nThe old captain \n\n    The narrow lamp\n \t \n\tThe last\n"
    assert texts_of(verses, "blank-line") == ["    The early captain\nThe old captain ", "    The narrow lamp",
                                              "\tThe last"]
    rows = "\tname\tyear\t\n1\tAda\t\t\n\t\t\t\n\t\t1912\t\n"
    for ends in ("\n", "\r\n", "\r"):
        for cleaning in ("none", None):
            assert texts_of(rows.replace("\n", ends), "line", cleaning) == [
                "\tname\tyear\t", "1\tAda\t\t", "\t\t1912\t"]  # a row of empty columns is none
    assert texts_of(rows, "line", "unicode") == ["name year", "ada"]  # white space is no longer what it was
    assert texts_of("  One\n two \n\nThree", "paragraph") == ["One two", "Three"]


@given(st.text(" \ta\n", max_size=40))
def test_the_lines_that_are_records_are_the_lines_with_something_in_them(text):
    assert texts_of(text, "line") == [line for line in text.split("\n") if line.strip()]
    kept = "".join(texts_of(text, "blank-line"))
    assert kept.count("a") == text.count("a")
    assert [line for line in "\n".join(texts_of(text, "blank-line")).split("\n") if line] == texts_of(text, "line")


def test_records_of_an_earlier_run_have_no_white_space_at_both_ends():
    verses = "    The early captain\nThe old captain \n \n    The narrow lamp\r\n  and more \n"
    for kind, expected in {"line": ["The early captain", "The old captain", "The narrow lamp", "and more"],
                           "blank-line": ["The early captain\nThe old captain", "The narrow lamp\n  and more"],
                           "paragraph": ["The early captain The old captain", "The narrow lamp and more"]}.items():
        assert texts_of(strip_records(Source("x", verses, ""), kind).text, kind) == expected


def test_korean_lines_are_composed_and_keep_their_letters():
    assert texts_of("김첨지\r\n\u1112\u1161\u11ab 강\n", "line") == ["김첨지", "한 강"]
    assert texts_of("김첨지, 1924\n", "line", "unicode") == ["김첨지"]


def test_records_have_words_or_bytes_as_tokens():
    assert [record.tokens for record in records_of("the time\nmachine", "line", "d2l", "word")] == [
        ["the", "time"], ["machine"]]
    assert [record.tokens for record in records_of("No!\r\nAh, yes", "line", "none", "word-unicode")] == [
        ["No", "!"], ["Ah", ",", " yes"]]
    latin1 = b"\xe9a\r\n\xb4\n".decode("utf-8", "surrogateescape")
    assert [record.tokens for record in records_of(latin1, "line", None, "byte")] == [["e9", "61"], ["b4"]]


lists = st.lists(st.text("abc", min_size=1, max_size=4), min_size=20, max_size=200)


@given(lists)
def test_every_record_is_in_one_part_and_identical_ones_are_in_the_same(texts):
    records = [Record(text, list(text)) for text in texts]
    num = len(set(texts))
    if num < 20:
        with pytest.raises(ValueError, match=rf"^text must be at least 20 different records of kind line; got {num}"
                                             rf"(, {len(texts)} with repetitions)? \(line: one on each line"):
            split_by_record(records, "line", 0.05)
        return
    parts = split_by_record(records, "line", 0.05)
    assert sorted(record.text for part in parts.values() for record in part) == sorted(texts)
    different = {name: {record.text for record in part} for name, part in parts.items()}
    assert not different["train"] & different["test"]
    assert not (different["train"] | different["test"]) & different["val"]
    assert (len(different["test"]), len(different["val"])) == (round(0.10 * num), round(0.05 * num))
    assert min(map(len, different.values())) >= 1


def test_the_parts_depend_neither_on_the_order_of_the_records_nor_on_how_often_they_occur():
    records = [Record(text, list(text)) for text in (f"{i:03}" for i in range(400))]
    first = split_by_record(records, "line", 0.05)
    second = split_by_record(records[::-1] + records[:100] * 3, "line", 0.05)
    for name, size in (("train", 340), ("val", 20), ("test", 40)):
        assert len(first[name]) == size
        assert {record.text for record in first[name]} == {record.text for record in second[name]}


def test_the_parts_of_a_sorted_file_are_taken_from_everywhere_in_it():
    records = [Record(text, list(text)) for text in (f"{i:04}" for i in range(4000))]
    for name, part in split_by_record(records, "line", 0.05).items():
        mean = sum(int(record.text) for record in part) / len(part)
        assert 1800 < mean < 2200, name  # uniform: 2000, standard error 82 for 200 records


def test_records_are_encoded_between_their_beginning_and_their_end():
    vocab = Vocab("abca", boundaries=True)
    a, b = vocab["a"], vocab["b"]
    encoded = encode_records(vocab, [Record("ab", ["a", "b"]), Record("a", ["a"])])
    assert encoded.tolist() == [1, a, b, 2, 1, a, 2]
    assert encoded.dtype == "int32"


def test_a_token_that_is_written_like_a_boundary_is_unknown():
    words = ["a", "<eos>", "<bos>", "<unk>"]
    vocab = Vocab(words, boundaries=True, kind="word")
    assert encode_records(vocab, [Record(" ".join(words), words)]).tolist() == [1, vocab["a"], 0, 0, 0, 2]


def test_a_vocabulary_without_boundaries_is_refused():
    with pytest.raises(ValueError, match=r"^vocab must be one with tokens for the beginning and the end of records of "
                                         r"kind line; got .*boundaries=True"):
        begin_of(Vocab("abc"), "line")


@pytest.mark.parametrize(("tokens", "cleaning", "text", "characters"), [
    ("char", "none", "Ada\nAlan T.\n", 4 + 8), ("word", "d2l", "the time\nmachine\n", 9 + 8),
    ("word-unicode", "none", "No!\nAh, yes\n", 4 + 8), ("byte", None, "한\na", 2 + 2),
])
def test_the_end_of_a_record_counts_as_one_character(tokens, cleaning, text, characters):
    records = records_of(text, "line", cleaning, tokens)
    text = text_of_records(Vocab(kind=tokens, boundaries=True), records, "line")
    assert (text.num_characters, text.num_tokens) == (characters, sum(len(record.tokens) + 1 for record in records))
