"""``compare``: the table, the picture, and folders that are not runs."""

import json
from pathlib import Path
import shutil

from gluon_deeprnn import load_run
from gluon_deeprnn.cli import compare
from gluon_deeprnn.cli.main import main
import pytest

FOX = "The quick brown fox jumps over the lazy dog, and the dog does not care. " * 20
SMALL = ["--batch-size", "64", "--num-steps", "8", "--prefix", "the dog", "--protocol", "d2l", "--cleaning", "d2l"]
RUNS = {
    "gru": ["--num-hiddens", "16", "--max-epochs", "3"],
    "scratch": ["--num-hiddens", "8", "--max-epochs", "1", "--implementation", "scratch", "--model", "rnn"],
    "book": ["--num-hiddens", "16", "--max-epochs", "2", "--protocol", "book", "--optimizer", "adam", "--lr", "0.01"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of the runs, which no test changes."""
    top = tmp_path_factory.mktemp("compare")
    (top / "fox.txt").write_text(FOX)
    for name, options in RUNS.items():
        out = str(top / "runs" / name)
        assert main(["train", "--text", str(top / "fox.txt"), *SMALL, *options, "--out", out]) == 0
    return top / "runs"


@pytest.fixture
def runs(made, tmp_path, monkeypatch, capsys):
    """A copy of the folder, in which a test runs."""
    shutil.copytree(made, tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    return tmp_path / "runs"


def table(out):
    """The rows of a table by its headings, which are at least two spaces apart; right-aligned ones end alike."""
    lines = out.splitlines()
    found = [[cell.strip() for cell in line.replace("  ", "\t").split("\t") if cell.strip()] for line in lines]
    return [dict(zip(found[0], cells)) for cells in found[1:] if len(cells) == len(found[0])]


def test_the_table_has_the_values_of_the_runs_the_best_first(runs, capsys):
    assert main(["compare", "runs/scratch", "runs/gru"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = table(out)
    assert [row["run"] for row in rows] == ["runs/gru", "runs/scratch"]
    for row in rows:
        history = load_run(row["run"]).history
        result = json.loads((runs.parent / row["run"] / "result.json").read_text())
        assert row["validation"] == f"{min(each['val_ppl'] for each in history):.3f}"
        assert row["parameters"] == f"{result['parameters']:,}"
        assert row["epochs"] == str(len(history))
        assert row["seconds"] == f"{sum(each['seconds'] for each in history):,.1f}"
        assert row["bits/char"] == f"{result['bits_per_char']:.3f}"
        assert row["text"] == "fox.txt"
    assert [row["model"] for row in rows] == ["GRU, 2 x 16", "tanh RNN from scratch, 2 x 8"]
    assert "test" not in rows[0]  # no run has a test perplexity
    assert "data" not in rows[0]
    assert len({line.index("fox.txt") for line in out.splitlines()[1:]}) == 1


@pytest.mark.parametrize(("setting", "value"), [("val_fraction", 0.1), ("val_from", ["fox.txt"])])
def test_runs_with_other_validation_data_of_the_same_text_are_marked(runs, capsys, setting, value):
    shutil.copytree("runs/book", "runs/other")
    config = json.loads(Path("runs/other/config.json").read_text())
    config["settings"][setting] = value
    Path("runs/other/config.json").write_text(json.dumps(config))
    assert main(["compare", "runs/book", "runs/other"]) == 0
    out = capsys.readouterr().out
    assert {row["data"] for row in table(out)} == {"A", "B"}
    assert "differ in validation data" in out.splitlines()[-1]
    shutil.rmtree("runs/other")


def test_runs_with_other_data_are_marked_and_a_line_says_why(runs, capsys):
    assert main(["compare", "runs/gru", "runs/scratch", "runs/book"]) == 0
    out = capsys.readouterr().out
    data = {row["run"]: row["data"] for row in table(out)}
    assert data["runs/gru"] == data["runs/scratch"] != data["runs/book"]
    assert out.splitlines()[-1] == ("Runs with different letters under data differ in validation data: their "
                                    "perplexities cannot be compared.")
    tests = {row["run"]: row["test"] for row in table(out)}
    assert tests["runs/gru"] == "-"
    assert float(tests["runs/book"]) > 1

    config = json.loads((runs / "scratch" / "config.json").read_text())
    config["texts"][0]["sha1"] = "0" * 40
    (runs / "scratch" / "config.json").write_text(json.dumps(config))
    assert main(["compare", "runs/gru", "runs/scratch"]) == 0
    assert "differ in text: their" in capsys.readouterr().out


def test_json_has_one_object_for_each_run(runs, capsys):
    assert main(["compare", "runs/gru", "runs/book", "--json", "--out", "runs.png"]) == 0
    out, err = capsys.readouterr()
    rows = {row["run"]: row for row in map(json.loads, out.splitlines())}
    assert rows.keys() == {"runs/gru", "runs/book"}
    assert rows["runs/gru"]["data"] != rows["runs/book"]["data"]
    assert rows["runs/gru"]["test_ppl"] is None
    result = json.loads((runs / "book" / "result.json").read_text())
    for name in ("parameters", "epochs", "seconds", "val_ppl", "test_ppl", "bits_per_char"):
        assert rows["runs/book"][name] == pytest.approx(result[name])
    assert err == "runs.png\n"


def test_the_picture_names_the_runs_without_what_all_have_in_common(runs, monkeypatch, capsys):
    drawn = []
    plot = compare.plot_runs
    monkeypatch.setattr(compare, "plot_runs", lambda *a, **k: drawn.append((a, k)) or plot(*a, **k))
    assert main(["compare", "runs/gru", "runs/scratch", "--out", "runs.png"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "runs.png"
    assert (runs.parent / "runs.png").read_bytes().startswith(b"\x89PNG")
    (histories, parameters), options = drawn[0]
    assert set(histories) == set(parameters) == {"gru", "scratch"}
    assert histories["gru"] == load_run("runs/gru").history
    assert options["title"] == ""
    for kind, begin in (("svg", b"<?xml"), ("pdf", b"%PDF")):
        assert main(["compare", "runs/scratch", "runs/gru", "runs/book", "--out", f"x.{kind}"]) == 0
        assert (runs.parent / f"x.{kind}").read_bytes().startswith(begin)
    letters = {row["run"]: row["data"] for row in table(capsys.readouterr().out) if "run" in row}
    (histories, _), options = drawn[-1]
    assert set(histories) == {f"{name} ({letters[f'runs/{name}']})" for name in RUNS}
    assert "cannot be compared" in options["title"]


def test_a_single_run_is_a_table_of_one_row(runs, capsys):
    assert main(["compare", "runs/gru", "--out", "gru.png"]) == 0
    assert [row["run"] for row in table(capsys.readouterr().out)] == ["runs/gru"]


def test_a_folder_that_is_given_twice_is_listed_once(runs, capsys):
    assert main(["compare", "runs/gru", "runs/scratch", "runs/../runs/gru/"]) == 0
    out, err = capsys.readouterr()
    assert len(table(out)) == 2
    assert err == "gluon-deeprnn: runs/../runs/gru/ is the same run as runs/gru\n"


def unfinished(folder):
    """Make a run one that was stopped in its first epoch."""
    for name in ("model.npz", "history.jsonl", "result.json", "curves.png", "sample.txt"):
        (folder / name).unlink()


def test_a_run_without_a_completed_epoch_is_listed_last_and_not_drawn(runs, capsys):
    unfinished(runs / "gru")
    assert main(["compare", "runs/gru", "runs/scratch", "--out", "runs.png"]) == 0
    row = table(capsys.readouterr().out)[-1]
    assert (row["run"], row["epochs"], row["validation"], row["parameters"]) == ("runs/gru", "0 of 3", "-", "-")
    assert main(["compare", "runs/gru", "runs/scratch", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["val_ppl"] is None


def test_a_run_that_was_interrupted_has_the_parameters_of_its_model(runs, capsys):
    assert main(["compare", "runs/gru"]) == 0
    whole = table(capsys.readouterr().out)[0]
    for change in ("resumed", "never finished"):
        if change == "resumed":  # for more epochs, and interrupted
            result = json.loads((runs / "gru" / "result.json").read_text())
            (runs / "gru" / "result.json").write_text(json.dumps({**result, "epochs": 2}))
        else:
            (runs / "gru" / "result.json").unlink()
        assert main(["compare", "runs/gru", "runs/scratch"]) == 0
        row = next(row for row in table(capsys.readouterr().out) if row["run"] == "runs/gru")
        assert (row["epochs"], row["bits/char"]) == ("3 of 3", "-")
        assert (row["parameters"], row["validation"]) == (whole["parameters"], whole["validation"])


@pytest.mark.parametrize(("arguments", "message"), [
    ([], "usage must be as `gluon-deeprnn compare --help` says; got the following arguments are required: RUN"),
    (["runs/gru", "nowhere"], "run must be a run folder (one with a config.json); got 'nowhere'"),
    (["runs"], "run must be a run folder (one with a config.json); got 'runs' (it contains the runs book, gru and 1 "
     "more: runs/*)"),
    (["runs/gru", "--out", "runs.gif"], "out must be a file that ends in .png, .svg, .pdf; got 'runs.gif'"),
    (["runs/gru", "--out", ""], "out must be a file that ends in .png, .svg, .pdf; got ''"),
    (["runs/gru", "--out", "no/runs.png"], "no/runs.png must be a file that can be written; got No such file or "
     "directory (the previous content is intact)"),
])
def test_bad_usage_is_one_line_and_status_2(arguments, message, runs, capsys):
    assert main(["compare", *arguments]) == 2
    assert capsys.readouterr().err == f"gluon-deeprnn: error: {message}\n"


def test_runs_none_of_which_has_a_completed_epoch_are_refused(runs, capsys):
    unfinished(runs / "gru")
    assert main(["compare", "runs/gru"]) == 2
    assert capsys.readouterr().err == (
        "gluon-deeprnn: error: run must be a run with at least one completed epoch; got 'runs/gru'\n")


@pytest.mark.parametrize(("content", "reason"), [
    ("[]", "a result that is not an object"), ("{}", "a result whose epochs is None"), ("{", "Expecting"),
    ('{"epochs": 3, "parameters": "many", "bits_per_char": 1.0, "test_ppl": null}', "a result whose parameters is"),
    ('{"epochs": 3, "parameters": 9, "bits_per_char": -1.0, "test_ppl": null}', "a result whose bits_per_char is -1.0"),
])
def test_a_damaged_result_is_refused_by_name(content, reason, runs, capsys):
    (runs / "gru" / "result.json").write_text(content)
    assert main(["compare", "runs/gru"]) == 2
    err = capsys.readouterr().err
    assert f"runs/gru/result.json must be a file that this package wrote; got {reason}" in err
    assert err.count("\n") == 1


def test_columns_are_aligned_with_wide_characters(runs, capsys):
    (runs / "gru").rename(runs / "한국어")
    assert main(["compare", "runs/한국어", "runs/scratch"]) == 0
    lines = capsys.readouterr().out.splitlines()
    wide = next(line for line in lines if "한국어" in line)
    narrow = next(line for line in lines if "runs/scratch" in line)
    assert wide.index("fox.txt") + 3 == narrow.index("fox.txt")  # three characters of two cells


def test_models_of_words_and_characters_are_comparable_in_bits_with_the_unknown_tokens_beside(runs, capsys, tmp_path):
    text = FOX + "Zebras yawned. " * 10  # the end of the text has words that the training part does not
    (tmp_path / "zebras.txt").write_text(text)
    for tokens in ("char", "word"):
        assert main(["train", "--text", str(tmp_path / "zebras.txt"), *SMALL[2:6], "--protocol", "book", "--cleaning",
                     "d2l", "--max-epochs", "1", "--num-hiddens", "8", "--batch-size", "4", "--tokens", tokens,
                     "--out", f"runs/{tokens}s"]) == 0
    assert "tokens unknown" in capsys.readouterr().out
    assert main(["compare", "runs/chars", "runs/words"]) == 0
    out = capsys.readouterr().out
    rows = {row["run"]: row for row in table(out)}
    result = json.loads((runs / "words" / "result.json").read_text())
    about = result["evaluated"]
    assert about["unit"] == "word"
    assert 0 < about["unknown"] < about["tokens"]
    assert rows["runs/words"]["unknown"] == f"{about['unknown'] / about['tokens']:.1%}"
    assert out.splitlines()[-1] == ("Runs with different letters under data differ in vocabulary: their perplexities "
                                    "cannot be compared, bits per character can.")


def test_bits_per_character_of_an_earlier_version_are_not_shown(runs, capsys):
    result = json.loads((runs / "gru" / "result.json").read_text())
    del result["evaluated"]
    (runs / "gru" / "result.json").write_text(json.dumps(result))
    assert main(["compare", "runs/gru", "runs/scratch"]) == 0
    out = capsys.readouterr().out
    rows = {row["run"]: row for row in table(out)}
    assert rows["runs/gru"]["bits/char"] == "-"
    assert rows["runs/scratch"]["bits/char"] != "-"
    assert out.splitlines()[-1] == ("Without bits per character: runs/gru, of an earlier version; evaluate --run "
                                    "computes them.")
