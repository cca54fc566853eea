"""Training that begins with the parameters of another run (``train --from``)."""

from gluon_deeprnn import evaluate, load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.runs import RunFolder
from gluon_deeprnn.runs.build import build_model
from gluon_deeprnn.runs.job import Job, begin_run, resume_run
import pytest

SMALL = ["--num-hiddens", "16", "--batch-size", "16", "--num-steps", "8", "--lr", "0.02", "--dropout", "0"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two texts, of which the second has other characters too, and a run on the first."""
    made = tmp_path_factory.mktemp("start")
    (made / "fox.txt").write_text("the quick brown fox jumps over the lazy dog. " * 40, encoding="utf-8")
    (made / "more.txt").write_text("The Quick brown fox jumps over 12 lazy dogs!\n" * 40, encoding="utf-8")
    command = ["train", "--text", str(made / "fox.txt"), *SMALL, "--max-epochs", "8", "--out", str(made / "fox")]
    assert main(command) == 0
    return made


@pytest.fixture
def config(folder):
    own = load_run(folder / "fox").config
    return own.replace(text=(str(folder / "more.txt"),), max_epochs=2, lr=0.01)


def test_what_was_known_stays_known_when_the_vocabulary_is_extended(folder, config, tmp_path):
    start = load_run(folder / "fox")
    with Job.begin(config, RunFolder(tmp_path / "run"), None, start=start) as job:
        new = [token for token in job.data.vocab.idx_to_token if token not in start.vocab]
        assert sorted(new) == ["\n", "!", "1", "2", "Q", "T"]
        assert job.data.vocab.idx_to_token[:len(start.vocab)] == start.vocab.idx_to_token
        _, batches = start.data().held_out()
        before, after = evaluate(start.model, batches), evaluate(job.model, batches)
    assert after.nll == pytest.approx(before.nll, rel=1e-5)


def test_it_learns_the_new_text_faster_than_from_random_parameters(folder, config, tmp_path):
    on = begin_run(config, RunFolder(tmp_path / "on"), None, start=load_run(folder / "fox"), progress=False)
    anew = begin_run(config, RunFolder(tmp_path / "anew"), None, progress=False)
    assert on["val_ppl"] < 0.5 * anew["val_ppl"]


def test_a_training_that_was_killed_before_its_first_checkpoint_is_resumed_exactly(folder, config, tmp_path):
    start = load_run(folder / "fox")
    with Job.begin(config, RunFolder(tmp_path / "killed"), None, start=start):
        pass
    resumed = resume_run(RunFolder(tmp_path / "killed"), progress=False)
    whole = begin_run(config, RunFolder(tmp_path / "whole"), None, start=start, progress=False)
    assert resumed["val_ppl"] == whole["val_ppl"]
    one, other = (parameter_arrays(load_run(tmp_path / name).model) for name in ("killed", "whole"))
    assert all((one[name] == other[name]).all() for name in one)


def test_the_initial_parameters_are_in_the_run_folder_and_belong_to_it(folder, config, tmp_path):
    run = RunFolder(tmp_path / "run")
    with Job.begin(config, run, None, start=load_run(folder / "fox")) as job:
        arrays, _ = run.initial()
        model = build_model(job.stored.config, len(job.data.vocab))
    set_parameters(model, arrays)
    assert all((array == arrays[name]).all() for name, array in parameter_arrays(model).items())
    (run.path / "initial.npz").write_bytes((folder / "fox" / "model.npz").read_bytes())
    with pytest.raises(ValueError, match=r"initial\.npz must be a file of the same run"):
        resume_run(run, progress=False)


def test_the_command_begins_with_a_run(folder, tmp_path, capsys):
    command = ["train", "--from", str(folder / "fox"), "--text", str(folder / "more.txt"), "--max-epochs", "1"]
    assert main([*command, "--lr", "0.01", "--out", str(tmp_path / "run")]) == 0
    assert "perplexity" in capsys.readouterr().out
    run = load_run(tmp_path / "run")
    assert (run.config.num_hiddens, run.config.max_epochs) == (16, 1)
    assert run.stored.began_from == load_run(folder / "fox").stored.fingerprint
    assert main([*command[:-1], "2", "--lr", "0.01", "--out", str(tmp_path / "run"), "--resume"]) == 0
    assert len(load_run(tmp_path / "run").history) == 2


@pytest.mark.parametrize(("arguments", "message"), [
    (["--from", "none", "--text", "more.txt"], "from must be a run folder (one with a config.json); got 'none'"),
    (["--from", "fox"], "text must be given with --from; got None"),
    (["--from", "fox", "--text", "more.txt", "--num-hiddens", "32"],
     "num_hiddens must be that of fox, with which the training begins, 16; got 32 (omit it)"),
    (["--from", "fox", "--text", "more.txt", "--tokens", "word"],
     "tokens must be that of fox, with which the training begins, 'char'; got 'word' (omit it)"),
    (["--from", "fox", "--resume", "--out", "fox"],
     "from with --resume must be the run with which this one began; got 'fox' (omit it)"),
    (["--text", "fox.txt", "--records", "line", "--prefix", "a"],
     "prefix must be omitted for records line, whose samples are whole records; got 'a'"),
    (["--from", "fox", "--text", "none.txt"], "text must be a file that can be read; got 'none.txt': No such file"),
])
def test_bad_input_is_one_line(arguments, message, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["train", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gluon-deeprnn: error: {message}")
    assert error.count("\n") == 1


def test_the_initial_parameters_are_needed_until_there_is_a_checkpoint(folder, config, tmp_path):
    run = RunFolder(tmp_path / "run")
    with Job.begin(config, run, None, start=load_run(folder / "fox")):
        pass
    (run.path / "initial.npz").rename(tmp_path / "initial.npz")
    with pytest.raises(ValueError, match=r"initial\.npz must be in the folder of a run that began with another one"):
        resume_run(run, progress=False)
    (tmp_path / "initial.npz").rename(run.path / "initial.npz")
    resume_run(run, progress=False)
    (run.path / "initial.npz").unlink()
    assert resume_run(run, 3, progress=False)["epochs"] == 3


def test_a_file_that_a_killed_start_left_does_not_concern_another_run(folder, config, tmp_path):
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    (run.path / "initial.npz").write_bytes(b"left over")
    assert begin_run(config, run, None, progress=False)["epochs"] == 2


def test_other_tokens_than_those_of_the_start_are_refused_in_python_too(folder, config, tmp_path):
    with pytest.raises(ValueError, match=r"^tokens must be that of .*fox, .*, 'char'; got 'word'"):
        begin_run(config.replace(tokens="word"), RunFolder(tmp_path / "run"), None, start=load_run(folder / "fox"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("option", "value"), [("--recurrent-initializer", "orthogonal"), ("--num-train", "50")])
def test_a_setting_without_effect_beside_a_start_is_one_line(option, value, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["train", "--from", "fox", "--text", "more.txt", option, value]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"gluon-deeprnn: error: {option[2:].replace('-', '_')} must be omitted ")
    assert error.count("\n") == 1
    assert not (folder / "runs").exists()


def test_a_run_of_an_earlier_version_that_has_a_setting_without_effect_can_begin_another(folder, tmp_path, capsys):
    start = RunFolder(tmp_path / "old")
    config = load_run(folder / "fox").config.with_settings({"num_layers": 1, "residual": True, "lr_factor": 0.3})
    begin_run(config, start, None, progress=False)
    assert load_run(start.path).config.residual
    assert main(["train", "--from", str(start), "--text", str(folder / "more.txt"), "--max-epochs", "1", "--out",
                 str(tmp_path / "new")]) == 0
    assert main(["train", "--resume", "--out", str(start), "--max-epochs", "9"]) == 0
