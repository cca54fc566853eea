"""Runs on several texts, each read by itself."""

import json
import re
import shutil

from gluon_deeprnn import evaluate, load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import MixedStreams, Source, Stream, read_texts
from gluon_deeprnn.runs import RunConfig, RunFolder
from gluon_deeprnn.runs.build import with_streams
from gluon_deeprnn.runs.job import begin_run, resume_run
import numpy
import pytest

FOX = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. "
SHEEP = "Many white sheep slept in a meadow; one was awake, it ate green grass and grew. "


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    top = tmp_path_factory.mktemp("texts")
    (top / "fox.txt").write_text(FOX * 30, encoding="utf-8")
    (top / "sheep.txt").write_text(SHEEP * 40, encoding="utf-8")
    return top / "fox.txt", top / "sheep.txt"


def config(files, **settings):
    return RunConfig(text=tuple(map(str, files)), **{
        "protocol": "book", "cleaning": "none", "streams": "separate", "num_hiddens": 24, "max_epochs": 3,
        "batch_size": 4, "num_steps": 8, "optimizer": "adam", "lr": 0.02, "prefix": "the", **settings})


@pytest.fixture(scope="module")
def trained(files, tmp_path_factory):
    """A run with tokens of sources, and its result; tests only read it."""
    folder = tmp_path_factory.mktemp("run") / "run"
    result = begin_run(config(files, source_token=True, source_weights="1,0.5", max_epochs=8), RunFolder(folder), None,
                       progress=False)
    return folder, result


def test_every_epoch_and_the_result_have_the_perplexity_of_each_text(trained):
    folder, result = trained
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    for row in rows:
        assert row["val_ppl_by_source"].keys() == {"fox.txt", "sheep.txt"}
        assert min(row["val_ppl_by_source"].values()) < row["val_ppl"] < max(row["val_ppl_by_source"].values())
    assert result["val_ppl_by_source"] == rows[result["best_epoch"] - 1]["val_ppl_by_source"]
    data = load_run(folder).data()
    alone = {name: evaluate(load_run(folder).model, each)
             for name, each in data.test_dataloader().streams.items()}
    for name, each in alone.items():
        assert result["test_ppl_by_source"][name] == pytest.approx(each.perplexity, rel=1e-6)
        assert result["bits_per_char_by_source"][name] == pytest.approx(each.bits_per_character, rel=1e-6)
    assert result["test_ppl"] == pytest.approx(numpy.exp(
        sum(each.nll for each in alone.values()) / sum(each.num_tokens for each in alone.values())), rel=1e-6)


def test_a_run_without_separate_texts_has_no_perplexity_of_each(files, tmp_path):
    result = begin_run(config(files, streams="joined", max_epochs=1), RunFolder(tmp_path / "run"), None, progress=False)
    assert not [name for name in result if "by_source" in name]
    assert "by_source" not in (tmp_path / "run" / "history.jsonl").read_text()


def test_evaluate_prints_a_line_for_each_text_and_score_agrees(trained, capsys):
    folder, result = trained
    assert main(["evaluate", "--run", str(folder)]) == 0
    shown = capsys.readouterr()
    for name in ("fox.txt", "sheep.txt"):
        assert f"gluon-deeprnn: {name}: perplexity {result['test_ppl_by_source'][name]:.3f}, " in shown.err
    assert shown.out.startswith(f"perplexity {result['test_ppl']:.3f}, ")
    assert main(["score", "--run", str(folder), "--top", "0"]) == 0
    assert capsys.readouterr().out.strip().split("; ")[1] == shown.out.strip()


def test_a_text_of_the_run_is_evaluated_after_its_token_and_any_other_only_if_told(trained, files, tmp_path, capsys):
    folder, run = trained[0], load_run(trained[0])
    (tmp_path / "new.txt").write_text(SHEEP * 3, encoding="utf-8")
    copy = shutil.copy(files[1], tmp_path / "moved.txt")
    tokens = {name: run.vocab.source_index(name) for name in run.vocab.sources}

    def first(paths, source=None):
        batches = run.stream(read_texts(paths), source)
        return [next(each.batches())[0][0].item() for each in batches.streams.values()]

    assert first(files) == [tokens["fox.txt"], tokens["sheep.txt"]]
    assert first([copy]) == [tokens["sheep.txt"]]  # known by its SHA-1, not by its name
    assert first([tmp_path / "new.txt"]) == [run.vocab["M"]]
    assert first([tmp_path / "new.txt"], "fox.txt") == [tokens["fox.txt"]]
    lines = []
    for source in ([], ["--source", "sheep.txt"]):
        assert main(["evaluate", "--run", str(folder), "--text", str(tmp_path / "new.txt"), *source]) == 0
        lines.append(capsys.readouterr().out)
        assert main(["score", "--run", str(folder), "--text", str(tmp_path / "new.txt"), "--top", "0", *source]) == 0
        assert capsys.readouterr().out.strip().split("; ")[1] == lines[-1].strip()
    assert [re.search(r"\((\d+) characters", line)[1] for line in lines] == [str(3 * len(SHEEP)),
                                                                              str(3 * len(SHEEP))]


def test_a_source_generates_a_text_like_its_own(trained, capsys):
    folder, words = trained[0], {}
    for name in ("fox.txt", "sheep.txt"):
        assert main(["generate", "--run", str(folder), "--source", name, "--length", "20", "--num-samples", "50"]) == 0
        shown = capsys.readouterr().out
        assert "<" not in shown
        words[name] = [len(re.findall(pattern, shown)) for pattern in ("quick|brown|fox", "Many|white|sheep")]
    assert words["fox.txt"][0] > 2 * words["sheep.txt"][0]
    assert words["sheep.txt"][1] > 2 * words["fox.txt"][1]
    sample = (folder / "sample.txt").read_text()
    assert re.findall("^(.*), greedy decoding: ", sample, re.M) == ["fox.txt", "sheep.txt"]


@pytest.mark.parametrize(("command", "message"), [
    (["generate", "--source", "fx.txt", "--prefix", "the"], r"source must be one of fox.txt, sheep.txt; got 'fx.txt' "),
    (["evaluate", "--source", "fox.txt"], "source must be omitted without --text; got 'fox.txt'"),
    (["score", "--source", "fox.txt"], "source must be omitted without --text and --line; got 'fox.txt'"),
    (["score", "--source", "dog", "--line", "the dog"], "source must be one of fox.txt, sheep.txt; got 'dog'"),
])
def test_a_wrong_source_is_refused_in_one_line(trained, capsys, command, message):
    assert main([command[0], "--run", str(trained[0]), *command[1:]]) == 2
    assert re.fullmatch(f"gluon-deeprnn: error: {message}.*\n", capsys.readouterr().err)


@pytest.mark.parametrize("settings", [{}, {"source_token": True, "source_weights": "1,0.5"}])
def test_a_run_resumed_for_more_epochs_equals_the_longer_run(files, tmp_path, settings):
    short, long = RunFolder(tmp_path / "short"), RunFolder(tmp_path / "long")
    begin_run(config(files, dropout=0.2, **settings), short, None, progress=False)
    resumed = resume_run(short, 5, progress=False)
    whole = begin_run(config(files, dropout=0.2, max_epochs=5, **settings), long, None, progress=False)
    for key in ("train_ppl", "val_ppl_by_source", "test_ppl_by_source"):
        assert resumed[key] == whole[key]
    with numpy.load(short.path / "checkpoint/checkpoint.npz") as a, numpy.load(
            long.path / "checkpoint/checkpoint.npz") as b:
        assert all((a[key] == b[key]).all() for key in a.files if not key.endswith(".json"))


def test_the_whole_of_other_texts_is_for_training_with_val_from(files, tmp_path):
    folder = RunFolder(tmp_path / "run")
    result = begin_run(config(files, val_from=("fox.txt",), max_epochs=1), folder, None, progress=False)
    assert result["test_ppl_by_source"] == {"fox.txt": result["test_ppl"]}
    size = 30 * len(FOX)
    trained = size - round(0.1 * size) - round(0.05 * size)
    assert len(load_run(folder.path).data().indices("train")) == trained + 40 * len(SHEEP)


def test_streams_are_chosen_by_the_number_and_the_length_of_the_texts():
    long, short = "x" * 20_000, "x" * 19_999
    settings = RunConfig(protocol="book", streams="auto")

    def chosen(texts, **changed):
        sources = [Source(f"{i}", text, "") for i, text in enumerate(texts)]
        return with_streams(settings.replace(**changed), sources).streams

    assert [chosen(texts) for texts in ([long], [long] * 2, [long] * 20, [long] * 21, [long, short])] == [
        "joined", "separate", "separate", "joined", "joined"]
    assert chosen([short] * 2, source_token=True) == chosen([short] * 2, source_weights="1,2") == "separate"
    assert chosen([long] * 2, protocol="d2l") == chosen([long] * 2, records="line") == "joined"
    assert chosen([long] * 2, streams="joined") == "joined"


def test_a_run_records_what_was_chosen_and_repeated_options_resume_it(files, tmp_path, capsys):
    command = ["train", "--text", *map(str, files), "--num-hiddens", "8", "--max-epochs", "1", "--batch-size", "4",
               "--num-steps", "8", "--source-weights", "1,2", "--source-token", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    shown = capsys.readouterr()
    assert "each of the 2 texts is read by itself" in shown.err
    numbers = r"perplexity [\d.]+ validation, [\d.]+ test, [\d.]+ bits per character"
    assert re.findall(f"^(.*): {numbers}$", shown.out, re.M) == ["fox.txt", "sheep.txt"]
    run = load_run(tmp_path / "run")
    assert (run.config.streams, run.config.source_weights) == ("separate", "1,2")
    assert isinstance(run.data().train_dataloader(), MixedStreams)
    assert main([*command, "--resume", "--streams", "auto", "--max-epochs", "2"]) == 0
    assert main([*command, "--resume", "--source-weights", "1,3"]) == 2
    assert "source_weights with --resume must be that of the run, '1,2'; got '1,3'" in capsys.readouterr().err


def test_fine_tuning_adds_the_token_of_the_new_text(trained, tmp_path):
    (tmp_path / "new.txt").write_text("A new dog, a new fox; no sheep. " * 60, encoding="utf-8")
    command = ["train", "--from", str(trained[0]), "--text", str(tmp_path / "new.txt"), "--source-token",
               "--max-epochs", "2", "--batch-size", "4", "--num-steps", "8", "--out", str(tmp_path / "run")]
    assert main(command) == 0
    run = load_run(tmp_path / "run")
    assert run.vocab.sources == ["fox.txt", "sheep.txt", "new.txt"]
    assert run.history[-1]["val_ppl"] < 8
    assert main(["generate", "--run", str(tmp_path / "run"), "--source", "sheep.txt", "--length", "20"]) == 0


def test_one_text_is_trained_as_before_whatever_streams_is(files, tmp_path):
    results = [begin_run(config(files[:1], streams=streams), RunFolder(tmp_path / streams), None, progress=False)
               for streams in ("joined", "separate")]
    assert [results[0][key] for key in ("train_ppl", "val_ppl", "test_ppl")] == [
        results[1][key] for key in ("train_ppl", "val_ppl", "test_ppl")]
    assert isinstance(load_run(tmp_path / "separate").data().train_dataloader(), Stream)
