import codecs
import glob
import hashlib
import itertools
import os
import time

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
    ("운수 좋은 날".encode("cp949"),
     r"text must be UTF-8; got '.*', byte 0x.. at 0 \(encoding='CP949' would read '운수 좋은 날'"),
    (b"a\x00b", "text must be a text; got .* which contains null bytes"),
    (b"\x89PNG\x00", "text must be a text; got .* which contains null bytes"),
])
def test_files_that_are_not_text_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(ValueError, match="^" + message):
        read_texts([tmp_path / "x.txt"])


@pytest.mark.parametrize(("encoding", "mark"), [
    ("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE), ("utf-32-le", codecs.BOM_UTF32_LE),
    ("utf-32-be", codecs.BOM_UTF32_BE), ("utf-8", codecs.BOM_UTF8)])
def test_a_byte_order_mark_decides_the_encoding(encoding, mark, tmp_path):
    content = mark + "운수 좋은 날\r\ncafé".encode(encoding)
    (tmp_path / "text").write_bytes(content)
    source, = read_texts([tmp_path / "text"])
    assert source.text == "운수 좋은 날\ncafé"
    assert source.sha1 == hashlib.sha1(content).hexdigest()


def test_an_empty_name_is_not_the_current_folder(notes, monkeypatch):
    monkeypatch.chdir(notes)
    assert len(read_texts(["."])) == 3
    with pytest.raises(ValueError, match=r"^text must be the name of a file or folder, or a pattern; got ''"):
        read_texts([""])


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
        "left out: empty.txt (empty), picture.png (contains null bytes)"]


def test_bytes_take_every_file_of_a_folder(notes):
    assert [source.name for source in read_texts([notes], raw=True)] == [
        "a.md", "b.txt", "deep/c.txt", "empty.txt", "picture.png"]


def test_a_pattern_stands_for_the_files_that_match_it(notes):
    (notes / "empty.txt").unlink()
    assert [source.name for source in read_texts([notes / "*.txt", notes / "a.md"])] == ["b.txt", "a.md"]
    assert [source.name for source in read_texts([notes / "**" / "*.txt"])] == ["b.txt", "c.txt"]


def test_a_folder_without_a_text_and_a_pattern_without_a_match_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^text must be a folder with a text in it; got '[^']*'$"):
        read_texts([tmp_path])
    with pytest.raises(ValueError, match=r"^text must be a file, a folder, or a pattern that matches a file; got"):
        read_texts([tmp_path / "*.txt"])
    (tmp_path / "[1].txt").write_text("one", encoding="utf-8")  # a file of this name is that file, not a pattern
    assert read_texts([tmp_path / "[1].txt"])[0].text == "one"


def test_a_path_that_the_system_refuses_is_one_line_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for path, reason in (("a long\nstory. " * 500, "File name too long"), (tmp_path / "loop", "Too many levels")):
        with pytest.raises(ValueError, match=r"^text must be a file that can be read; got ") as caught:
            read_texts([path])
        assert "\n" not in str(caught.value)
        assert reason in str(caught.value)

    def refuse(path, *arguments, **options):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "stat", refuse)  # a folder without search permission; the user of the tests may be root
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ValueError, match=r"^text must be a file that can be read; got '.*x': Permission denied"):
        read_texts([tmp_path / "x"])


def test_a_folder_inside_that_cannot_be_read_is_left_out_and_named(notes, caplog, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith(("deep", "secret")):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert [source.name for source in read_texts([notes])] == ["a.md", "b.txt"]
    assert caplog.messages == ["left out: deep (Permission denied), empty.txt (empty) and 1 more"]
    (notes / "secret").mkdir()
    with pytest.raises(ValueError, match=r"^text must be a folder that can be read; got '.*secret': Permission denied"):
        read_texts([notes / "secret"])


def test_the_folders_of_runs_inside_a_folder_are_left_out(notes, caplog):
    for name in ("empty.txt", "picture.png"):
        (notes / name).unlink()
    run = notes / "runs" / "own-text"
    (run / "checkpoint").mkdir(parents=True)
    (run / "config.json").write_text('{"format": "gluon_deeprnn run 1"}')
    for name in ("vocab.json", "sample.txt", "texts.txt"):
        (run / name).write_text('"of the run"')
    (notes / "model").mkdir()
    for name in ("config.json", "vocab.json"):  # of other software
        (notes / "model" / name).write_text("[]")
    kept = ["a.md", "b.txt", "deep/c.txt", "model/config.json", "model/vocab.json"]
    assert [source.name for source in read_texts([notes])] == kept
    assert caplog.messages == ["left out: runs/own-text (a run)"]
    assert [source.name for source in read_texts([notes / "**" / "*.txt"])] == ["b.txt", "c.txt"]
    with pytest.raises(ValueError, match=r"a folder with a text in it; got '.*', without own-text \(a run\)"):
        read_texts([notes / "runs"])


@pytest.mark.parametrize("where", ["file", "folder", "pattern"])
def test_a_file_name_that_is_not_utf_8_gives_a_name_that_can_be_shown(where, tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("coffee")
    source, = read_texts([{"file": path, "folder": tmp_path, "pattern": tmp_path / "*.txt"}[where]])
    assert source.name == "caf\ufffd.txt"
    assert source.path.read_text() == "coffee"


def test_a_pattern_reads_a_file_once_and_follows_no_links_to_folders(notes):
    for name in ("empty.txt", "picture.png"):
        (notes / name).unlink()
    (notes / "deep" / "loop").symlink_to(notes)
    (notes / "again.txt").symlink_to(notes / "b.txt")
    assert [source.name for source in read_texts([notes / "**" / "*.txt"])] == ["again.txt", "c.txt"]
    assert [source.name for source in read_texts([notes / "**"])] == ["a.md", "again.txt", "c.txt"]
    assert [source.name for source in read_texts([notes / "*"])] == ["a.md", "again.txt", "c.txt"]  # deep, as a folder


def test_patterns_of_any_depth_match_what_glob_matches(tmp_path, monkeypatch):
    for parts in itertools.product(("a", "b", ".c"), ("a", "d.txt"), ("x.txt", ".y.txt", "z.md")):
        (tmp_path.joinpath(*parts)).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(*parts).write_text("text")
    (tmp_path / "top.txt").write_text("text")
    for pattern in ("**/*.txt", "a/**/*.txt", "*/**/x.txt", "**/a/*", "**/.c/**/*.txt", "**/.*.txt", "**/a/**",
                    "[ab]/**/*.md", "**/d.txt/*", "**"):
        expected = {file for file in glob.glob(str(tmp_path / pattern), recursive=True) if os.path.isfile(file)}
        found = {str(source.path) for source in read_texts([tmp_path / pattern])}
        assert found == expected != set(), pattern
    monkeypatch.chdir(tmp_path)
    assert [str(source.path) for source in read_texts(["**/a/x.txt"])] == ["a/a/x.txt", "b/a/x.txt"]


def test_many_files_of_one_name_are_numbered_in_linear_time(tmp_path):
    (tmp_path / "text.txt").write_text("words")
    (tmp_path / "text.txt (3)").write_text("words")
    paths = [tmp_path / "text.txt (3)", *[tmp_path / "text.txt"] * 4000]
    started = time.process_time()
    names = [source.name for source in read_texts(paths)]
    assert time.process_time() - started < 2  # 0.3 s; 30 s if each name is compared with all others
    assert names[:5] == ["text.txt (3)", "text.txt", "text.txt (2)", "text.txt (4)", "text.txt (5)"]
    assert len(set(names)) == len(names)


def test_a_folder_of_files_in_another_encoding_names_the_likely_ones_of_the_first(tmp_path):
    (tmp_path / "a.txt").write_bytes("운수 좋은 날".encode("cp949"))
    (tmp_path / "b.txt").write_bytes(b"a\0b")
    with pytest.raises(ValueError, match=r"^text must be UTF-8; got '.*a.txt', byte .* \(encoding='CP949' would read"):
        read_texts([tmp_path])


@pytest.mark.parametrize(("mark", "valid", "bad", "position"), [
    (codecs.BOM_UTF8, b"abc", b"\xe9 ", 6), (b"", b"abc", b"\xe9 ", 3),
    (codecs.BOM_UTF16_LE, "ab".encode("utf-16-le"), b"\x00\xdc", 6)])
def test_the_error_names_the_byte_and_its_position_in_the_file(mark, valid, bad, position, tmp_path):
    content = mark + valid + bad
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=f", byte {content[position]:#04x} at {position}"):
        read_texts([tmp_path / "x"])


def test_the_note_says_how_many_characters_of_which_files_are_left_out(tmp_path, caplog):
    caplog.set_level("INFO")
    book = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOnce.\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"
    for name, text in {"a.txt": book, "b.txt": 2 * book, "c.txt": "ab\ufeffc\ufeff", "d.txt": "\n\nplain"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    sources = read_texts([tmp_path])
    assert [source.text for source in sources] == ["Once.\n", "Once.\nOnce.\n", "abc", "plain"]
    size = len(book) - len("Once.\n")
    assert caplog.messages == [
        f"left out {3 * size} of {3 * len(book)} characters: header and licence of Project Gutenberg, "
        f"in a.txt ({size}), b.txt ({2 * size})",
        "left out 2 of 5 characters: byte-order marks, in c.txt",
        "left out 2 of 7 characters: empty lines at the beginning, in d.txt"]
    for source in sources:  # nothing is lost without a word
        whole = (tmp_path / source.name).read_text(encoding="utf-8")
        assert len(source.text) + sum(map(len, source.left_out.values())) == len(whole)


def test_a_file_of_header_and_licence_only_is_refused_with_their_length(tmp_path):
    text = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"
    (tmp_path / "x.txt").write_text(text)
    with pytest.raises(ValueError, match=rf"^text must be a non-empty text; got '.*x.txt', after {len(text)} "
                                         "characters of header and licence of Project Gutenberg$"):
        read_texts([tmp_path / "x.txt"])


def test_a_text_of_an_earlier_run_is_read_as_it_was(tmp_path):
    book = "*** START OF THE PROJECT GUTENBERG EBOOK X ***\nOn\ufeffce.\n*** END OF THE PROJECT GUTENBERG EBOOK X ***\n"
    (tmp_path / "x.txt").write_text(2 * book)
    source, = read_texts([tmp_path / "x.txt"], reading=1)
    assert (source.text, source.left_out) == ("On\ufeffce.\n", {})
    for bad in (0, 3, "2", True, None):
        with pytest.raises(ValueError, match=rf"^reading must be 1 or 2; got {bad!r}$"):
            read_texts([tmp_path / "x.txt"], reading=bad)


@pytest.fixture
def mixed(tmp_path):
    """A folder of texts in CP949, in UTF-8, in ASCII, and in UTF-16 with a mark."""
    for name, content in {"a.txt": "운수 좋은 날".encode("cp949"), "b.txt": "김첨지는 간다".encode(), "c.txt": b"plain",
                          "d.txt": "봄이 오면".encode("utf-16")}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_the_given_encoding_is_that_of_texts_that_are_not_utf_8(mixed, caplog):
    caplog.set_level("INFO")
    sources = read_texts([mixed], encoding="CP949")
    assert [source.text for source in sources] == ["운수 좋은 날", "김첨지는 간다", "plain", "봄이 오면"]
    assert [source.encoding for source in sources] == ["cp949", "utf-8", "cp949", "utf-16"]
    assert caplog.messages == ["read as UTF-16, not CP949: d.txt", "read as UTF-8, not CP949: b.txt"]


def test_an_encoding_that_no_text_has_is_refused(mixed):
    with pytest.raises(ValueError, match=r"^encoding must be that of a text, or omitted; got 'cp949', but b.txt is "
                                         r"UTF-8, d.txt is UTF-16$"):
        read_texts([mixed / "b.txt", mixed / "d.txt"], encoding="cp949")
    with pytest.raises(ValueError, match=r"^encoding must be omitted for bytes; got 'cp949'$"):
        read_texts([mixed], raw=True, encoding="cp949")
    with pytest.raises(ValueError, match=r"^text must be ASCII, as encoding says; got '.*a.txt', byte 0x\w\w at 0"):
        read_texts([mixed / "a.txt"], encoding="US-ASCII")
