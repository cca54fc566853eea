"""Runs of earlier releases can be loaded, evaluated, used for generation, and resumed.

Their ``config.json`` is as the release wrote it, with the absolute path of a text that is not there any more: the path
is part of the hash that the other files contain, and no test reads it.
"""

import dataclasses
import hashlib
import json
from pathlib import Path
import shutil

from gluon_deeprnn import evaluate, generate, load_run
from gluon_deeprnn.plotting import plot_history
from gluon_deeprnn.runs import RunConfig, RunFolder, config, stored
from gluon_deeprnn.runs.job import Job, resume_run
import pytest

GOLDEN = Path(__file__).parents[1] / "golden" / "runs"
RUNS = sorted(path.parent.relative_to(GOLDEN) for path in GOLDEN.glob("*/*/config.json"))


@pytest.fixture(params=RUNS, ids=str)
def golden(request, tmp_path):
    """A copy of a run folder, the text that was moved since, and what the run's release gave for it."""
    released = GOLDEN / request.param.parent
    shutil.copytree(GOLDEN / request.param, tmp_path / "run")
    expected = json.loads((released / "expected.json").read_text())[request.param.name]
    return tmp_path / "run", str(released / "text.txt"), expected


def test_there_is_a_run_of_every_format():
    assert {path.parent.name for path in RUNS} == {"format-1"}
    assert len(RUNS) == 3


def test_a_run_of_an_earlier_release_has_the_same_perplexity_and_text(golden):
    folder, text, expected = golden
    run = load_run(folder)
    _, batches = run.data([text]).held_out()
    assert str(evaluate(run.model, batches)) == expected["evaluated"]
    for written, options in ((expected["greedy"], {"temperature": 0}), (expected["sampled"], {"seed": 3})):
        assert "the old" + "".join(generate(run.model, run.vocab, "the old", 30, **options)) == written


def test_a_run_of_an_earlier_release_resumes_to_the_same_result(golden):
    folder, text, expected = golden
    before = json.loads((folder / "config.json").read_text())["settings"]
    result = resume_run(RunFolder(folder), expected["resume_to"], text=[text], progress=False)
    assert result["last_train_ppl"] == pytest.approx(expected["train_ppl"], rel=1e-4)
    assert result["last_val_ppl"] == pytest.approx(expected["val_ppl"], rel=1e-4)
    after = json.loads((folder / "config.json").read_text())["settings"]
    assert after == {**before, "max_epochs": expected["resume_to"]}
    run = load_run(folder)
    run.data()  # where the text is now was recorded
    old, new = run.history[0], run.history[-1]
    assert "ngram_ppl" not in old  # what simple models reach was not recorded
    assert 1 < new["ngram_ppl"] <= new["unigram_ppl"] < len(run.vocab)


def test_the_curves_of_a_run_of_an_earlier_release_have_no_lines_of_simple_models(golden):
    ax = plot_history(load_run(golden[0]).history)
    assert (len(ax.lines), len(ax.texts)) == (2, 1)


@dataclasses.dataclass(frozen=True)
class NextRelease(RunConfig):
    """The settings of a release with one additional setting."""

    later: int = config._training(3, "added later", lambda name, value: value)


def test_a_release_with_one_more_setting_reads_and_resumes_the_runs_of_the_one_before(golden, monkeypatch):
    folder, text, expected = golden
    monkeypatch.setattr(stored, "RunConfig", NextRelease)
    run = load_run(folder)
    assert run.config.later == 3
    assert "later" not in run.stored.settings
    result = resume_run(RunFolder(folder), expected["resume_to"], text=[text], progress=False)
    assert result["last_val_ppl"] == pytest.approx(expected["val_ppl"], rel=1e-4)
    assert "later" not in json.loads((folder / "config.json").read_text())["settings"]


WORDS = GOLDEN.parent / "words"
"""A run of an uncleaned text in English and Hindi, whose words end at combining marks: those of earlier versions."""


@pytest.fixture
def words(tmp_path):
    shutil.copytree(WORDS / "run", tmp_path / "run")
    return tmp_path / "run", str(WORDS / "text.txt"), json.loads((WORDS / "expected.json").read_text(encoding="utf-8"))


def test_a_run_of_words_that_ended_at_marks_has_the_same_tokens_perplexity_and_text(words):
    folder, text, expected = words
    run = load_run(folder)
    assert (run.config.tokens, run.config.cleaning, run.vocab.kind) == ("word", "none", "word-exact")
    data = run.data([text])
    tokens = data.indices("train")
    assert (len(tokens), hashlib.sha1(tokens.astype("<i4").tobytes()).hexdigest()) == (
        expected["training_tokens"], expected["sha1"])
    _, batches = data.held_out()
    assert str(evaluate(run.model, batches)) == expected["evaluated"]
    for written, options in ((expected["greedy"], {"temperature": 0}), (expected["sampled"], {"seed": 3})):
        assert "the old" + "".join(generate(run.model, run.vocab, "the old", 30, **options)) == written


def test_a_run_of_words_that_ended_at_marks_resumes_to_the_same_result(words):
    folder, text, expected = words
    result = resume_run(RunFolder(folder), expected["resume_to"], text=[text], progress=False)
    assert result["last_train_ppl"] == pytest.approx(expected["train_ppl"], rel=1e-4)
    assert result["last_val_ppl"] == pytest.approx(expected["val_ppl"], rel=1e-4)


def test_a_run_that_begins_with_one_of_words_that_ended_at_marks_has_its_tokens(words, tmp_path):
    folder, _, _ = words
    start, more = load_run(folder), tmp_path / "more.txt"
    more.write_text("the old नदी बहुत सुन्दर है। " * 40, encoding="utf-8")
    with Job.begin(start.config.replace(text=(str(more),)), RunFolder(tmp_path / "new"), None, start=start) as job:
        vocab = job.data.vocab
    assert vocab.kind == "word-exact"
    assert set(vocab.idx_to_token) - set(start.vocab.idx_to_token) == {" बह", " स"}
    assert load_run(folder).vocab.split("नदी") == ["नद", "ी"]
    assert vocab.unknown_index not in job.data.indices("train")
