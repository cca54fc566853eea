"""How the texts of runs are read: in their encoding, and those of earlier runs by the rules of their time."""

import dataclasses
import json
import shutil

from gluon_deeprnn import evaluate, load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.runs import RunConfig, RunFolder
from gluon_deeprnn.runs.job import begin_run, resume_run
import numpy
import pytest

SMALL = {"protocol": "book", "cleaning": "none", "num_hiddens": 8, "num_layers": 1, "batch_size": 4, "num_steps": 8,
         "optimizer": "adam", "lr": 0.01, "sample_length": 5}
KOREAN = "새침하게 흐린 품이 눈이 올 듯하더니, 눈은 아니 오고 얼다가 만 비가 내리었다.\n"


def book(name):
    return (f"The Project Gutenberg eBook of {name}\n\n*** START OF THE PROJECT GUTENBERG EBOOK {name} ***\n\n"
            + f"A {name} ran across a bridge.\n" * 40 + f"*** END OF THE PROJECT GUTENBERG EBOOK {name} ***\n")


TEXTS = {"none": book("cat") + "\ufeff" + book("dog"),
         "line": "".join(f"\ta{i % 7}\tb{i}\t\n" for i in range(60)),
         "blank-line": "".join(f"    a verse {i}\nand {i * i}  \n\n" for i in range(60))}


@pytest.fixture(params=TEXTS)
def earlier(request, tmp_path, monkeypatch):
    """The folder of a run of an earlier version, which knew no settings ``encoding`` and ``reading``."""
    (tmp_path / "x.txt").write_text(TEXTS[request.param], encoding="utf-8")
    config = RunConfig(text=(str(tmp_path / "x.txt"),), records=request.param, reading=1, max_epochs=2, **SMALL,
                       **({"prefix": "a"} if request.param == "none" else {}))
    with monkeypatch.context() as patch:
        patch.setattr(RunConfig, "as_dict", lambda self: {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items() if name not in ("encoding", "reading")})
        begin_run(config, RunFolder(tmp_path / "run"), None, progress=False)
    return tmp_path / "run", config


def test_a_run_of_an_earlier_version_goes_on_with_the_same_tokens_and_bits(earlier, tmp_path):
    folder, config = earlier
    assert not {"encoding", "reading"} & json.loads((folder / "config.json").read_text())["settings"].keys()
    data = load_run(folder).data()
    records = {"none": 0, "line": 60, "blank-line": 60}[config.records]
    text = TEXTS[config.records]
    if records:  # each is without white space at both ends
        pieces = text.split("\n" if config.records == "line" else "\n\n")
        assert data.num_tokens == sum(len(piece.strip()) for piece in pieces)
        assert sum(data.num_records.values()) == records
    else:  # the first book
        assert data.num_tokens == len("A cat ran across a bridge.\n" * 40)
    resume_run(RunFolder(folder), 4, progress=False)
    begin_run(config.replace(max_epochs=4), RunFolder(tmp_path / "whole"), None, progress=False)
    resumed, whole = load_run(folder), load_run(tmp_path / "whole")
    assert resumed.vocab.idx_to_token == whole.vocab.idx_to_token
    for one, other in zip(*(run.model.collect_params().values() for run in (resumed, whole))):
        assert numpy.array_equal(one.data().asnumpy(), other.data().asnumpy())
    assert "reading" not in json.loads((folder / "config.json").read_text())["settings"]


def test_a_new_run_reads_all_that_stands_in_the_file(earlier, tmp_path):
    folder, config = earlier
    begin_run(config.replace(reading=2), RunFolder(tmp_path / "new"), None, progress=False)
    before, now = load_run(folder).data(), load_run(tmp_path / "new").data()
    text = TEXTS[config.records]
    expected = {"none": len("A cat ran across a bridge.\n" * 80), "line": len(text) - 60,
                "blank-line": len(text) - 2 * 60}[config.records]
    assert now.num_tokens == expected > before.num_tokens


def test_records_of_a_new_text_are_read_by_an_earlier_model_as_its_own_were(earlier, tmp_path):
    folder, config = earlier
    run = load_run(folder)
    source, = run.read_texts([tmp_path / "x.txt"])
    if config.records == "none":  # a text is read as a whole now
        assert source.text.count("ran across") == 80
    else:
        between = "\n" if config.records == "line" else "\n\n"
        pieces = TEXTS[config.records].split(between)
        (tmp_path / "stripped.txt").write_text(between.join(piece.strip() for piece in pieces))
        values = [evaluate(run.model, run.stream(run.read_texts([tmp_path / name]))).perplexity
                  for name in ("x.txt", "stripped.txt")]
        assert values[0] == values[1]


@pytest.fixture(scope="module")
def korean_run(tmp_path_factory):
    """A run on a text in CP949, which was started by the command line."""
    folder = tmp_path_factory.mktemp("korean")
    (folder / "old.txt").write_bytes((KOREAN * 30).encode("cp949"))
    options = ["--protocol", "book", "--num-hiddens", "8", "--num-layers", "1", "--batch-size", "4", "--num-steps", "8",
               "--max-epochs", "1", "--prefix", "눈", "--sample-length", "5", "--cleaning", "none"]
    assert main(["train", "--recipe", "chapter-gru", "--text", str(folder / "old.txt"), "--encoding", "CP949",
                 *options, "--out", str(folder / "run")]) == 0
    return folder


def test_the_encoding_is_recorded_and_read_again(korean_run, tmp_path, capsys):
    folder = shutil.copytree(korean_run / "run", tmp_path / "run")
    assert json.loads((folder / "config.json").read_text())["settings"]["encoding"] == "cp949"
    run = load_run(folder)
    assert run.data().sources[0].text == KOREAN * 30
    resume = ["train", "--resume", "--recipe", "chapter-gru", "--out", str(folder)]
    assert main(["evaluate", "--run", str(folder)]) == 0
    assert main([*resume, "--protocol", "book", "--cleaning", "none"]) == 2  # of the recipe, not the encoding
    assert "num_hiddens with --resume must be" in capsys.readouterr().err
    assert main(["train", "--resume", "--out", str(folder), "--max-epochs", "2", "--encoding", "Cp949"]) == 0
    assert main(["train", "--resume", "--out", str(folder), "--encoding", "euc_jp"]) == 2
    assert "encoding with --resume must be that of the run, 'cp949'; got 'euc_jp'" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["evaluate"], ["evaluate", "--mixture"], ["score", "--top", "1"],
                                     ["plot", "--of", "units", "--out", "{}/x.png"]])
def test_every_command_that_takes_a_text_takes_its_encoding(korean_run, tmp_path, capsys, command):
    (tmp_path / "new.txt").write_bytes((KOREAN * 9).encode("cp949"))
    command = [part.format(tmp_path) for part in command]
    given = [*command, "--run", str(korean_run / "run")]
    assert main([*given, "--text", str(tmp_path / "new.txt")]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert err[0].startswith("gluon-deeprnn: error: text must be UTF-8; got ")
    assert "(--encoding CP949 would read '" in err[0]
    assert main([*given, "--text", str(tmp_path / "new.txt"), "--encoding", "cp949"]) == 0
    captured = capsys.readouterr()
    assert "not in the vocabulary" not in captured.err
    assert main([*given, "--encoding", "cp949"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "gluon-deeprnn: error: encoding must be omitted without --text; got 'cp949'")
    assert main([*given, "--text", str(tmp_path / "new.txt"), "--encoding", "cp94"]) == 2
    assert "encoding must be an encoding that Python knows" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "message"), [
    (["--encoding", "cp949"], "encoding must be omitted without a text; got 'cp949'"),
    (["--corpus", "python-docs", "--encoding", "cp949"], "encoding must be omitted without a text; got 'cp949'"),
    (["--text", "x.txt", "--tokens", "byte", "--encoding", "cp949"], "encoding must be omitted for tokens byte; got"),
    (["--text", "x.txt", "--encoding", "cp94"], "encoding must be an encoding that Python knows, such as CP949 or "),
    (["--text", "x.txt", "--reading", "1"], "option must be one that `gluon-deeprnn train --help` lists; got "),
])
def test_an_encoding_that_would_have_no_effect_is_refused(options, message, capsys):
    assert main(["train", *options]) == 2
    err = capsys.readouterr().err.splitlines()
    assert len(err) == 1
    assert err[0].startswith("gluon-deeprnn: error: " + message)


def test_what_is_left_out_and_kept_is_said_in_a_true_sum(tmp_path, capsys):
    text = book("cat") + "Words of my own, between the books.\n" + book("dog")
    (tmp_path / "x.txt").write_text(text)
    options = ["--num-hiddens", "8", "--num-layers", "1", "--batch-size", "4", "--max-epochs", "1"]
    assert main(["train", "--text", str(tmp_path / "x.txt"), *options, "--out", str(tmp_path / "run")]) == 0
    err = capsys.readouterr().err
    data = load_run(tmp_path / "run").data()
    rest = len(text) - data.num_tokens
    assert f"gluon-deeprnn: left out {rest:,} of {len(text):,} characters: header and licence of Project Gutenberg, " \
           "in x.txt\n" in err
    visible = len("".join(data.sources[0].text.split())) / len("".join(text.split()))
    assert visible < 0.95
    assert f"cleaning none keeps {visible:.1%} of x.txt" in err
    assert data.sources[0].text.count("ran across") == 80
    assert "Words of my own, between the books.\n" in data.sources[0].text
