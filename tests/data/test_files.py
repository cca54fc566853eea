import codecs
import hashlib
import os

from gluon_deeprnn.data import read_texts
import pytest


def test_files_that_are_not_regular_are_refused_without_blocking(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match=r"^text must be a file that can be read; got "):
            read_texts([path])


def test_bom_line_ends_and_gutenberg_header_and_footer_are_removed(tmp_path):
    path = tmp_path / "book.txt"
    path.write_bytes("\ufeffTitle: A Book\r\n*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\r\n\r\n"
                     "Once\r\nmore.\r\n"
                     "*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\r\nlicence\r\n".encode())
    assert read_texts([path])[0].text == "Once\nmore.\n"


@pytest.mark.parametrize(("name", "first", "last"), [
    ("wells_war_of_the_worlds_pg36.txt", "The War of the Worlds", "among the dead."),
    ("austen_emma_pg158.txt", "EMMA", "FINIS"),
])
def test_real_gutenberg_books_begin_and_end_with_the_book(real_text, name, first, last):
    text = read_texts([real_text(name)])[0].text
    assert first.lower() in text[:200].lower()
    assert last in text[-200:]
    assert "gutenberg" not in text.lower()


def test_files_are_named_sources(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "text.txt").write_text("words", encoding="utf-8")
    sources = read_texts([tmp_path / "a" / "text.txt", tmp_path / "b" / "text.txt"])
    assert [source.name for source in sources] == ["text.txt", "text.txt (2)"]


@pytest.mark.parametrize(("content", "message"), [
    (None, "text must be a file that can be read; got '.*x.txt': No such file or directory"),
    (b"", "text must be a non-empty text"),
    ("운수 좋은 날".encode("cp949"), r"text must be UTF-8; got '.*', byte 0x.. at 0 \(convert it first"),
    (b"a\x00b", "text must be a text; got .* which contains null bytes"),
])
def test_files_that_are_not_text_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(ValueError, match="^" + message):
        read_texts([tmp_path / "x.txt"])


@pytest.mark.parametrize(("encoding", "text", "named"), [
    ("cp949", "운수 좋은 날, 김첨지", "CP949"),
    ("latin-1", "caf\u00e9 na\u00efve, \u00e9t\u00e9", "LATIN1")])
def test_the_error_for_another_encoding_names_the_command_to_convert_it(encoding, text, named, tmp_path):
    (tmp_path / "text").write_bytes(text.encode(encoding))
    with pytest.raises(ValueError, match=f"text must be UTF-8; got .* \\(convert it first: iconv -f {named} -t UTF-8"):
        read_texts([tmp_path / "text"])


@pytest.mark.parametrize(("encoding", "mark"), [
    ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32-le", codecs.BOM_UTF32_LE),
    ("utf-32-be", codecs.BOM_UTF32_BE), ("utf-8", codecs.BOM_UTF8)])
def test_a_byte_order_mark_decides_the_encoding(encoding, mark, tmp_path):
    content = mark + "운수 좋은 날\r\ncafé".encode(encoding)
    (tmp_path / "text").write_bytes(content)
    source, = read_texts([tmp_path / "text"])
    assert source.text == "운수 좋은 날\ncafé"
    assert source.sha1 == hashlib.sha1(content).hexdigest()


def test_a_text_that_is_not_what_its_byte_order_mark_says_is_refused(tmp_path):
    (tmp_path / "text").write_bytes(codecs.BOM_UTF16_LE + b"abc")
    with pytest.raises(ValueError, match=r"^text must be UTF-16, as its byte-order mark says; got .*, byte 0x63 at"):
        read_texts([tmp_path / "text"])


@pytest.fixture
def notes(tmp_path):
    """A folder of texts, with a picture, a hidden file and a folder of settings."""
    folder = tmp_path / "notes"
    for name, content in {"b.txt": b"second", "a.md": b"first", "deep/c.txt": b"third", "picture.png": b"\x89PNG\x00",
                          ".hidden": b"hidden", ".settings/d.txt": b"settings", "empty.txt": b" \n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_a_folder_stands_for_its_texts_in_the_order_of_their_paths(notes, caplog):
    sources = read_texts([notes])
    assert [(source.name, source.text) for source in sources] == [
        ("a.md", "first"), ("b.txt", "second"), ("deep/c.txt", "third")]
    assert [source.path for source in sources] == [notes / "a.md", notes / "b.txt", notes / "deep/c.txt"]
    assert caplog.messages == [
        "not text, and left out: empty.txt (not a non-empty text), picture.png (not UTF-8)"]


def test_bytes_take_every_file_of_a_folder(notes):
    assert [source.name for source in read_texts([notes], raw=True)] == [
        "a.md", "b.txt", "deep/c.txt", "empty.txt", "picture.png"]


def test_a_pattern_stands_for_the_files_that_match_it(notes):
    (notes / "empty.txt").unlink()
    assert [source.name for source in read_texts([notes / "*.txt", notes / "a.md"])] == ["b.txt", "a.md"]
    assert [source.name for source in read_texts([notes / "**" / "*.txt"])] == ["b.txt", "c.txt"]


def test_a_folder_without_a_text_and_a_pattern_without_a_match_are_refused(tmp_path):
    (tmp_path / "x.png").write_bytes(b"\x89PNG")
    with pytest.raises(ValueError, match=r"^text must be a folder with a text in it; got"):
        read_texts([tmp_path])
    with pytest.raises(ValueError, match=r"^text must be a file, a folder, or a pattern that matches a file; got"):
        read_texts([tmp_path / "*.txt"])
    (tmp_path / "[1].txt").write_text("one", encoding="utf-8")  # a file of this name is that file, not a pattern
    assert read_texts([tmp_path / "[1].txt"])[0].text == "one"
