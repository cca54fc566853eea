# ruff: noqa: RUF001  # texts in several languages
import codecs
import re

from gluon_deeprnn.data.encodings import check_encoding, decode, likely_encodings
import pytest

KOREAN = "새침하게 흐린 품이 눈이 올 듯하더니, 눈은 아니 오고 얼다가 만 비가 추적추적 내리었다. "
RUSSIAN = "Однажды весною, в час небывало жаркого заката, в Москве появились два гражданина. "
CHINESE = "春天来了，河边的花开了，孩子在桥上看着远处的山。夜里下了一场雨，老人说，这是好年景。"
TAIWANESE = "春天來了，河邊的花開了，孩子們在橋上看著遠處的山。夜裡下了一場雨，老人說，這是好年景。"
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。"
FRENCH = "Longtemps, je me suis couché de bonne heure : « Je m’endors. » Parfois, à peine ma bougie éteinte. "
POLISH = "Litwo! Ojczyzno moja! ty jesteś jak zdrowie. Ile cię trzeba cenić, ten tylko się dowie, kto cię stracił. "
ENGLISH = "It was “a fine day”, he said – the café wasn’t open yet. "


@pytest.mark.parametrize(("encoding", "text", "named"), [
    ("cp949", KOREAN, "CP949"), ("euc_kr", KOREAN, "CP949"), ("johab", KOREAN, "JOHAB"),
    ("cp1251", RUSSIAN, "CP1251"), ("koi8_r", RUSSIAN, "KOI8-R"), ("cp866", RUSSIAN, "CP866"),
    ("gbk", CHINESE, "GBK"), ("gb18030", CHINESE + "\U00020000", "GB18030"), ("big5", TAIWANESE, "BIG5"),
    ("shift_jis", JAPANESE, "SHIFT_JIS"), ("euc_jp", JAPANESE, "EUC-JP"),
    ("cp1252", FRENCH, "CP1252"), ("cp1252", ENGLISH, "CP1252"), ("latin-1", FRENCH.replace("’", ""), "CP1252"),
    ("iso8859_2", POLISH, "ISO-8859-2"), ("cp1250", POLISH, "CP1250")])
@pytest.mark.parametrize("repeated", [1, 400])
def test_the_encoding_of_a_text_is_among_the_likely_ones_with_what_it_would_read(encoding, text, named, repeated):
    found = str(likely_encodings((text * repeated).encode(encoding)))
    assert found.startswith("encoding='")
    assert 1 <= found.count(" would read ") <= 4
    assert len(found) < 250
    sample = re.split(f"{named}'? would read '", found)[1].partition("'")[0]
    assert len(sample) >= 10
    assert sample in text * 2
    assert not sample.isascii()


@pytest.mark.parametrize(("encoding", "text", "named"), [
    ("cp949", KOREAN, "CP949"), ("cp1251", RUSSIAN, "CP1251"), ("koi8_r", RUSSIAN, "KOI8-R"), ("gbk", CHINESE, "GBK"),
    ("big5", TAIWANESE, "BIG5"), ("shift_jis", JAPANESE, "SHIFT_JIS"), ("euc_jp", JAPANESE, "EUC-JP"),
    ("cp1252", ENGLISH, "CP1252"), ("cp1252", FRENCH, "CP1252")])
def test_the_first_of_the_likely_encodings_is_right_for_a_few_sentences(encoding, text, named):
    assert str(likely_encodings((text * 3).encode(encoding))).startswith(f"encoding='{named}' would read ")


def test_the_samples_are_of_a_place_where_the_encodings_differ():
    found = str(likely_encodings(("Plain first line.\n" + FRENCH * 3).encode("cp1252")))
    samples = [part.partition("'")[2] for part in found.split(" would read ")[1:]]
    assert len(samples) == len(set(samples)) > 1


def test_what_cannot_be_printed_is_replaced_in_the_samples():
    found = str(likely_encodings(FRENCH.replace("couché", "couch\xadé").encode("cp1252") * 3))
    assert found.isprintable()
    assert "couch\ufffdé" in found


def test_a_damaged_text_in_utf_8_is_called_so():
    content = KOREAN.encode() * 3
    with pytest.raises(ValueError, match=r"^text must be UTF-8; got 'x', byte 0xff at .* \(it is UTF-8 except 1 byte, "
                                         r"which iconv -c -f UTF-8 -t UTF-8 FILE leaves out\)$"):
        decode(content[:30] + b"\xff" + content[30:], "x")
    with pytest.raises(ValueError, match=r"\(it is UTF-8 except 2 bytes"):
        decode(content[:-3], "x")  # the end of a character is missing


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [ENGLISH, KOREAN, RUSSIAN, CHINESE + "\n", "Hello there.\r\n\tfriend"])
def test_wide_characters_are_recognised_without_a_mark(encoding, text):
    assert decode(text.encode(encoding), "x") == (text, encoding)


@pytest.mark.parametrize("content", [
    b"a\0b", b"a\0b\0c", b"plain \0text\n" * 9, bytes(range(256)) * 8, b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "no text\n\ud800".encode("utf-16-le", "surrogatepass"), b"\x01\0\x02\0\x20\0\x0a\0"])
def test_null_bytes_of_other_files_are_refused(content):
    with pytest.raises(ValueError, match=r"^text must be a text; got 'x', which contains null bytes"):
        decode(content, "x")


def test_joined_files_of_different_byte_orders_are_refused():
    first, second = (mark + "Once more.\n".encode(name) for mark, name in (
        (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")))
    assert decode(first + first, "x").text == "Once more.\n\ufeffOnce more.\n"
    with pytest.raises(ValueError, match=r"^text must be of one byte order; got 'x', UTF-16 whose byte order changes "
                                         r"at character 11, as of joined files"):
        decode(first + second, "x")


@pytest.mark.parametrize(("content", "given", "text", "used"), [
    ("운수".encode("cp949"), "cp949", "운수", "cp949"), (b"plain", "cp949", "plain", "cp949"),
    ("운수".encode(), "cp949", "운수", "utf-8"), ("\ufeffé".encode(), "cp1252", "é", "utf-8"),
    ("é".encode("utf-16"), "cp1252", "é", "utf-16"), (codecs.BOM_UTF16_LE + b"a\0", "utf-16-le", "a", "utf-16-le"),
    ("é\n".encode("utf-16-be"), "utf-16-be", "é\n", "utf-16-be"),
    ("日本".encode("iso2022_jp"), "iso2022_jp", "日本", "iso2022_jp"),
])
def test_a_mark_and_utf_8_come_before_the_given_encoding(content, given, text, used):
    assert decode(content, "x", given) == (text, used)


def test_a_text_that_is_only_ascii_has_no_likely_encodings():
    assert likely_encodings(b"plain") is None
    with pytest.raises(ValueError, match=r"^text must be UTF-16-LE, as encoding says; got 'x', byte 0x63 at 2 "
                                         r"\(give its encoding if you know it; tokens='byte' reads any file\)$"):
        decode(b"abc", "x", "utf-16-le")


@pytest.mark.parametrize("bad", ["", "cp94", "no such", "rot13", "base64", "undefined", "punycode", "unicode_escape",
                                 "../x", "a" * 5000, 5, b"utf-8", "\0"])
def test_names_that_are_of_no_encoding_are_refused(bad):
    with pytest.raises(ValueError, match=r"^encoding must be an encoding that Python knows, such as CP949 or CP1252; "):
        check_encoding("encoding", bad)
