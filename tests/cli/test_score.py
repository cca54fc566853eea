"""The command ``score``, and ``plot --of units``."""

import json
import math
import re

from gluon_deeprnn import load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.evaluation import score, score_texts
from gluon_deeprnn.runs.config import RunConfig
from gluon_deeprnn.runs.folder import RunFolder
from gluon_deeprnn.runs.job import begin_run
import pytest

TEXT = "The lazy dog,\nthe fox.\n\n“Over,” said\nthe brown Ω dog!\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of the protocol book, with test data."""
    top = tmp_path_factory.mktemp("score")
    (top / "fox.txt").write_text("The quick brown fox\njumps over the lazy dog, and\nthe dog does not care. " * 40)
    config = RunConfig(text=(str(top / "fox.txt"),), protocol="book", cleaning="none", num_hiddens=16, batch_size=16,
                       num_steps=8, max_epochs=2, optimizer="adam", lr=0.02, prefix="the")
    begin_run(config, RunFolder(top / "run"), None, progress=False)
    return top / "run"


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def scored(folder, text=TEXT):
    run = load_run(folder)
    return score(run.model, run.vocab, text)


def lines_of(capsys, *arguments):
    assert main(["score", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    return out.splitlines(), err


def the_same(summary, evaluated):
    """Whether both lines have the same numbers, up to the rounding of the last digit."""
    ours, theirs = (re.findall(r"\d+(?:\.\d+)?", line) for line in (summary.split("; ", 1)[1], evaluated))
    return len(ours) in (3, 6) and [float(number) for number in ours] == pytest.approx(
        [float(number) for number in theirs], rel=2e-5, abs=0.0011)


def test_the_summary_is_the_total_of_evaluate(folder, capsys):
    (first, *_), err = lines_of(capsys, "--run", folder)
    assert err == "gluon-deeprnn: scored the test data of the run\n"
    assert main(["evaluate", "--run", str(folder)]) == 0
    evaluated = capsys.readouterr().out.strip()
    assert the_same(first, evaluated)
    found = re.match(r"log-probability (-[\d.]+), ([\d.]+) bits; perplexity ([\d.]+), .* \((\d+) characters\)$", first)
    log_prob, bits, perplexity, characters = map(float, found.groups())
    assert bits == pytest.approx(-log_prob / math.log(2), abs=0.02)
    assert perplexity == pytest.approx(math.exp(-log_prob / (characters - 1)), rel=1e-3)


def test_the_most_surprising_lines_are_listed_with_their_most_surprising_word(folder, text_file, capsys):
    (_, *listed), err = lines_of(capsys, "--run", folder, "--text", text_file, "--top", 2)
    assert err == (f"gluon-deeprnn: scored {text_file.name} (cleaning none keeps 100.0%)\n")
    pieces = scored(folder)
    lines = sorted(((line.bits_per_character, line) for line in pieces.lines() if line.text.strip()),
                   key=lambda pair: -pair[0])
    expected = []
    for bits, line in lines[:2]:
        word = max((word for word in pieces.words() if word.line == line.line and word.text.strip()),
                   key=lambda word: word.bits)
        unknown = "" if word.known else ", not in the vocabulary"
        expected += [f"line {line.line}: {bits:.2f} bits per character, {line.bits:.1f} bits; most surprising word: "
                     f"{word.text.strip()} ({word.bits:.1f} bits{unknown})", f"    {line.text.strip()}"]
    assert listed == expected


@pytest.mark.parametrize("by", ["word", "token"])
def test_the_most_surprising_words_and_tokens_are_listed_with_what_is_before_them(folder, text_file, by, capsys):
    (_, *listed), _ = lines_of(capsys, "--run", folder, "--text", text_file, "--by", by, "--top", 3)
    pieces = sorted((piece for piece in scored(folder).pieces(by) if piece.bits), key=lambda piece: -piece.bits)
    assert len(listed) == 3
    for line, piece in zip(listed, pieces):
        before = " ".join(TEXT[max(0, piece.start - 30):piece.start].split())
        shown = piece.text.strip() or repr(piece.text)
        unknown = "" if piece.known else ", not in the vocabulary"
        assert line == f"{piece.bits:5.1f} bits, line {piece.line}: {shown}{unknown}  after: {before}"


@pytest.mark.parametrize("by", ["token", "word", "line"])
def test_json_has_every_piece_in_a_line_of_its_own(folder, text_file, by, capsys):
    lines, _ = lines_of(capsys, "--run", folder, "--text", text_file, "--by", by, "--json")
    found = [json.loads(line) for line in lines]
    assert found == [{"source": "text.txt", **piece.as_dict()} for piece in scored(folder).pieces(by)]
    assert all(piece["text"] == TEXT[piece["start"]:piece["end"]] for piece in found)
    if by == "token":
        assert found[0]["log_prob"] is None
        assert found[0]["bits"] is None
    assert sum(piece["log_prob"] or 0 for piece in found) == pytest.approx(-scored(folder).nll)
    assert [piece["text"] for piece in found if not piece["known"]]


def test_lines_that_are_given_are_scored_on_their_own_in_their_order(folder, capsys):
    texts = ["the lazy dog", "zzz fox", "the quick brown fox " * 9]
    given = [argument for text in texts for argument in ("--line", text)]
    (_, *listed), err = lines_of(capsys, "--run", folder, *given)
    assert err.startswith("gluon-deeprnn: scored 3 lines")
    for i, text in enumerate(texts):
        whole = scored(folder, text).whole()
        assert listed[2 * i].startswith(f"line {i + 1}: {whole.bits_per_character:.2f} bits per character, "
                                        f"{whole.bits:.1f} bits; most surprising word: ")
    assert listed[1] == "    the lazy dog"
    assert len(listed) == 6
    assert len(listed[5]) < 85
    lines, _ = lines_of(capsys, "--run", folder, *given, "--json")
    assert [(found["source"], found["text"]) for found in map(json.loads, lines)] == [
        (f"line {i}", text) for i, text in enumerate(texts, 1)]
    (_, first), _ = lines_of(capsys, "--run", folder, *given, "--by", "token", "--top", 1)
    assert re.fullmatch(r" *[\d.]+ bits, line \d: .*", first)
    assert "lazy dog zzz" not in first  # what is before a line that was given is not before its tokens


def test_several_texts_are_one_stream_and_are_named(folder, text_file, tmp_path, capsys):
    other = tmp_path / "other.txt"
    other.write_text("jumps over\n" * 3)
    (first, *listed), _ = lines_of(capsys, "--run", folder, "--text", other, "--text", text_file, "--top", 20)
    assert main(["evaluate", "--run", str(folder), "--text", str(other), "--text", str(text_file)]) == 0
    assert the_same(first, capsys.readouterr().out)
    assert {re.match(r"(.*), line \d+: ", line)[1] for line in listed[::2]} == {"other.txt", "text.txt"}


def test_tokens_that_are_not_visible_are_quoted_and_those_without_a_prediction_are_not_listed(folder, capsys):
    (_, *listed), _ = lines_of(capsys, "--run", folder, "--line", "the\t\x1b dog", "--by", "token")
    shown = {re.sub(r", not in.*|  after.*", "", line.split(": ", 1)[1]) for line in listed}
    assert shown == {"h", "e", "'\\t'", "'\\x1b'", "' '", "d", "o", "g"}
    (_, *listed), _ = lines_of(capsys, "--run", folder, "--line", " \n ")
    assert listed == []


def test_top_0_prints_the_summary_only(folder, text_file, capsys):
    lines, _ = lines_of(capsys, "--run", folder, "--text", text_file, "--top", 0)
    assert len(lines) == 1


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "html"])
def test_a_picture_is_written_and_named(folder, text_file, tmp_path, kind, capsys):
    path = tmp_path / f"picture.{kind}"
    lines, _ = lines_of(capsys, "--run", folder, "--text", text_file, "--picture", path, "--first-line", 2,
                        "--num-lines", 3)
    assert lines[-1] == str(path)
    content = path.read_bytes()
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype html>"}[kind]
    assert content.startswith(begins)
    if kind == "html":
        assert "lines 2 to 4 of 5" in content.decode()


def test_with_json_the_picture_is_named_on_stderr(folder, text_file, tmp_path, capsys):
    lines, err = lines_of(capsys, "--run", folder, "--text", text_file, "--json", "--picture", tmp_path / "a.html")
    assert all(json.loads(line) for line in lines)
    assert err.splitlines()[-1] == str(tmp_path / "a.html")


def test_a_run_of_bytes_scores_any_file(tmp_path, capsys):
    content = "봄이 오면 강가에 ".encode() * 40 + b"\xff\xfe\x00" * 30
    (tmp_path / "any").write_bytes(content)
    config = RunConfig(text=(str(tmp_path / "any"),), protocol="book", cleaning="none", tokens="byte", num_hiddens=8,
                       batch_size=8, num_steps=8, max_epochs=1, prefix="봄")
    begin_run(config, RunFolder(tmp_path / "run"), None, progress=False)
    lines, _ = lines_of(capsys, "--run", tmp_path / "run", "--text", tmp_path / "any", "--by", "token", "--json")
    assert [found["text"] for found in map(json.loads, lines[:7])] == [
        "\\xeb", "\\xb4", "\\x84", "\\xec", "\\x9d", "\\xb4", " "]
    assert len(lines) == len(content)
    for by in ("token", "word", "line"):
        assert main(["score", "--run", str(tmp_path / "run"), "--by", by]) == 0
    (first, *_), _ = lines_of(capsys, "--run", tmp_path / "run")
    assert main(["evaluate", "--run", str(tmp_path / "run")]) == 0
    assert the_same(first, capsys.readouterr().out)


BAD = [
    (["--top", "-1"], "top must be a non-negative integer; got -1"),
    (["--top", "x"], "top must be a non-negative integer; got 'x'"),
    (["--by", "page"], "by must be one of token, word, line; got 'page'"),
    (["--json", "--top", "3"], "top must be omitted with --json, which prints all; got 3"),
    (["--first-line", "2"], "first_line must be omitted without --picture; got 2"),
    (["--num-lines", "2"], "num_lines must be omitted without --picture; got 2"),
    (["--picture", "x.gif"], "picture must be a file that ends in .png, .svg, .pdf, .html; got 'x.gif'"),
    (["--picture", "x.png", "--first-line", "0"], "first_line must be a positive integer; got 0"),
    (["--picture", "x.png", "--num-lines", "y"], "num_lines must be a positive integer; got 'y'"),
    (["--line", "the", "--text", "x"], "line must be omitted with --text; got 'the'"),
]
AFTER_READING = [
    (["--picture", "x.png", "--first-line", "999"], "first_line must be a line of the text, 1 to "),
    (["--picture", "no/x.png"], "no/x.png must be a file that can be written; got No such file"),
    (["--text", "missing"], "text must be a file that can be read; got 'missing'"),
    (["--line", ""], "text must be at least 2 tokens long; got 0 tokens"),
    (["--line", "the", "--line", "x"], "text must be at least 2 tokens long; got 1 tokens"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD + AFTER_READING)
def test_bad_input_is_one_line_and_status_2(folder, arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    known = (arguments, message) in BAD  # it is refused before the run is read
    assert main(["score", "--run", "nowhere" if known else str(folder), *arguments]) == 2
    out, err = capsys.readouterr()
    errors = [line for line in err.splitlines() if not line.startswith("gluon-deeprnn: scored ")]
    assert out == ""
    assert len(errors) == 1
    assert errors[0].startswith(f"gluon-deeprnn: error: {message}")
    assert list(tmp_path.iterdir()) == []


def test_units_are_plotted_and_those_that_follow_a_feature_are_named(folder, tmp_path, capsys):
    path, text = tmp_path / "units.png", tmp_path / "text.txt"
    text.write_text("the quick brown fox\njumps over the lazy dog and\nthe dog does not care. " * 20)
    assert main(["plot", "--run", str(folder), "--of", "units", "--text", str(text), "--out", str(path)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{path}\n"
    assert path.read_bytes().startswith(b"\x89PNG")
    assert all(re.fullmatch(r"gluon-deeprnn: layer [12], unit \d+: .* \(r = -?[\d.]+\)", line)
               for line in err.splitlines())
    assert main(["plot", "--run", str(folder), "--of", "units"]) == 0  # on the test data
    assert capsys.readouterr().out == f"{folder / 'units.png'}\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--of", "unit"], "of must be one of curves, gradients, flow, architecture, units, reading; got 'unit' (did you "
     "mean 'units'?)"),
    (["--of", "curves", "--text", "x"], "text must be omitted for --of curves; got 'x'"),
    (["--of", "units", "--text", "missing"], "text must be a file that can be read; got 'missing': No such file or "
     "directory"),
    (["--of", "units", "--text", "short.txt"], "text must be at least 40 tokens long; got 9 tokens"),
    (["--of", "units", "--out", "x.gif"], "out must be a file that ends in .png, .svg, .pdf; got 'x.gif'"),
])
def test_bad_input_of_units_is_one_line_and_status_2(folder, arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("too short")
    assert main(["plot", "--run", str(folder), *arguments]) == 2
    assert capsys.readouterr() == ("", f"gluon-deeprnn: error: {message}\n")


def test_the_held_out_text_is_that_of_the_run(folder):
    run = load_run(folder)
    name, texts = run.data().held_out_texts()
    assert name == "test"
    whole = score_texts(run.model, run.vocab, texts)
    assert sum(len(each.log_probs) for each in whole) == run.data().test_dataloader().num_tokens + 1
