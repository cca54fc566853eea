import json
import logging
import os

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import read_texts
from gluon_deeprnn.runs import RunConfig, RunFolder
from gluon_deeprnn.runs.build import describe
from gluon_deeprnn.runs.job import begin_run, resume_run
from gluon_deeprnn.runs.stored import stored_run
import pytest

SETTINGS = {"num_hiddens": 4, "max_epochs": 1, "batch_size": 32, "num_steps": 6, "prefix": "the"}
WINDOWS = {"num_train": 60, "num_val": 30}


def begin(folder, *text):
    begin_run(RunConfig(text=tuple(map(str, text)), **SETTINGS, **WINDOWS), RunFolder(folder), None, progress=False)
    return folder


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text * 10, encoding="utf-8")
    return path


@pytest.fixture
def notes(tmp_path):
    write(tmp_path / "notes" / "a.txt", "the quick brown fox ")
    write(tmp_path / "notes" / "deep" / "c.txt", "the lazy dog jumps ")
    return tmp_path / "notes"


def found_at(folder):
    return json.loads((folder / "config.json").read_text())["found_at"]


@pytest.mark.parametrize("how", ["{}", "{}/**/*.txt"])
def test_moved_texts_are_remembered_by_their_files_whatever_is_added_later(how, notes, tmp_path, monkeypatch):
    folder = begin(tmp_path / "run", notes)
    notes.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    resume_run(RunFolder(folder), 2, text=[how.format("moved")], progress=False)
    assert found_at(folder) == [str(tmp_path / "moved" / name) for name in ("a.txt", "deep/c.txt")]
    write(tmp_path / "moved" / "b.txt", "another ")
    assert resume_run(RunFolder(folder), 3, progress=False)["epochs"] == 3
    with pytest.raises(ValueError, match=r"^text must be unchanged since the run was started, a\.txt .*deep/c\.txt"):
        resume_run(RunFolder(folder), 4, text=["moved"], progress=False)
    assert len(found_at(folder)) == 2


def test_resumed_texts_keep_their_names(notes, tmp_path):
    folder = begin(tmp_path / "run", notes)
    run = load_run(folder)
    assert [source.name for source in run.data().sources] == ["a.txt", "deep/c.txt"]
    assert list(run.data([notes / "a.txt", notes / "deep" / "c.txt"]).kept) == ["a.txt", "deep/c.txt"]


def test_a_stored_path_is_never_read_as_a_pattern(tmp_path):
    file = write(tmp_path / "notes [1].txt", "the quick brown fox ")
    folder = begin(tmp_path / "run", file)
    file.rename(tmp_path / "notes 1.txt")  # the pattern matches it
    with pytest.raises(ValueError, match=r"^text must be a file that can be read; got '.*notes \[1\]\.txt': No such"):
        resume_run(RunFolder(folder), 2, progress=False)


@pytest.fixture
def piped(monkeypatch):
    """Run a command with a text on standard input; return its status and its errors."""
    def run(arguments, file):
        saved, opened = os.dup(0), os.open(file, os.O_RDONLY)
        try:
            os.dup2(opened, 0)
            return main([str(argument) for argument in arguments])
        finally:
            os.dup2(saved, 0)
            os.close(saved)
            os.close(opened)

    return run


def options():
    return [part for name, value in SETTINGS.items() for part in (f"--{name.replace('_', '-')}", str(value))]


def test_a_text_that_the_run_keeps_stays_where_it_is_if_the_same_stream_is_given(notes, tmp_path, piped, capsys):
    train, text = ["train", "--out", tmp_path / "run", "--text", "-"], notes / "a.txt"
    assert piped([*train, *options(), "--cleaning", "d2l"], text) == 0
    resume = [*train, "--resume", "--max-epochs"]
    assert piped([*resume, 2], text) == 0
    assert found_at(tmp_path / "run") == [str(tmp_path / "run" / "texts" / "stream")]
    assert piped([*resume, 3], notes / "deep" / "c.txt") == 2
    assert "text must be unchanged since the run was started, stream" in capsys.readouterr().err
    moved = (tmp_path / "run").rename(tmp_path / "moved")
    assert resume_run(RunFolder(moved), 3, progress=False)["epochs"] == 3


def test_a_stream_is_refused_if_the_run_does_not_keep_its_text(notes, tmp_path, piped, capsys):
    begin(tmp_path / "run", notes / "a.txt")
    moved = (notes / "a.txt").rename(tmp_path / "a.txt")
    assert piped(["train", "--resume", "--out", tmp_path / "run", "--max-epochs", 2, "--text", "-"], moved) == 2
    assert "text must be a file that can be read; got" in capsys.readouterr().err


def test_a_run_on_a_file_whose_name_is_not_utf_8_is_written_and_resumed(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")
    with open(path, "w", encoding="utf-8") as file:
        file.write("the quick brown fox " * 10)
    folder = begin(tmp_path / "run", path)
    assert stored_run(RunFolder(folder))[0].config.text == (path,)
    assert resume_run(RunFolder(folder), 2, text=[path], progress=False)["epochs"] == 2
    assert load_run(folder).title.endswith("on caf\ufffd.txt")
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_sample_of_bytes_that_are_not_utf_8_is_written(tmp_path):
    RunFolder(tmp_path).write_sample("caf\udce9")
    assert (tmp_path / "sample.txt").read_text(encoding="utf-8") == "caf?"


def test_many_texts_are_named_by_the_first_two(tmp_path, caplog):
    for number in range(30):
        write(tmp_path / "notes" / f"{number:02}.txt", "the dog ")
    with caplog.at_level(logging.INFO, logger="gluon_deeprnn"):
        folder = begin(tmp_path / "run", tmp_path / "notes")
    assert [message for message in caplog.messages if "keeps" in message] == [
        "cleaning d2l keeps 100.0% of 00.txt, 100.0% of 01.txt and 28 more"]
    assert load_run(folder).title.endswith("on 00.txt, 01.txt and 28 more")
    assert describe(RunConfig(), None, ["a", "b"]).endswith("on a, b")
    write(tmp_path / "notes" / "00.txt", "a dog ")
    with pytest.raises(ValueError, match=r"00\.txt \(SHA-1 \w+\), 01\.txt \(SHA-1 \w{40}\) and 28 more; got 00\.txt"):
        load_run(folder).data()


def test_the_run_folder_inside_the_texts_is_not_read_as_texts(notes):
    begin(notes / "runs" / "own-text", notes)
    assert [source.name for source in read_texts([notes])] == ["a.txt", "deep/c.txt"]
