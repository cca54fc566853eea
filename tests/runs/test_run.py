import contextlib
import functools
import json
import re
import shutil
import subprocess
import sys
import threading

from gluon_deeprnn import evaluate, load_run
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import Source, read_texts
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.plotting import plot_architecture
from gluon_deeprnn.runs import RunConfig, RunFolder, build
from gluon_deeprnn.runs.job import begin_run, new_folder, resume_run
import mxnet
import numpy
import pytest


def config(file, **settings):
    return RunConfig(**{"text": (str(file),), "num_hiddens": 16, "max_epochs": 3, "batch_size": 64, "num_steps": 8,
                        "optimizer": "adam", "lr": 0.01, "prefix": "the dog", **settings})


FOX = "The quick brown fox jumps over the lazy dog, and the dog does not care at all. "


@pytest.fixture(params=["d2l", "book"])
def protocol(request):
    return request.param


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A function that returns a folder with a text and a run on it, and the run's result; it is trained once."""
    @functools.cache
    def train(protocol):
        top = tmp_path_factory.mktemp(protocol)
        (top / "fox.txt").write_text(FOX * 20, encoding="utf-8")
        mxnet.random.seed(1)
        return top, begin_run(config(top / "fox.txt", protocol=protocol), RunFolder(top / "run"), None, progress=False)

    return train


@pytest.fixture
def finished(trained, tmp_path, protocol):
    """A copy of a finished run, and its result."""
    top, result = trained(protocol)
    shutil.copytree(top / "run", tmp_path / "run")
    return RunFolder(tmp_path / "run"), result


def test_a_run_writes_the_documented_files(finished, protocol):
    folder, result = finished
    assert {path.name for path in folder.path.iterdir()} == {
        "config.json", "vocab.json", "history.jsonl", "model.npz", "checkpoint", "curves.png", "sample.txt",
        "result.json"}
    assert json.loads((folder.path / "result.json").read_text()) == result
    rows = [json.loads(line) for line in (folder.path / "history.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert result["val_ppl"] == min(row["val_ppl"] for row in rows)
    assert (result["test_ppl"] is None) == (protocol == "d2l")
    assert (result["epochs"], result["last_val_ppl"]) == (3, rows[-1]["val_ppl"])
    stored = json.loads((folder.path / "config.json").read_text())
    assert stored["texts"][0]["name"] == "fox.txt"
    assert len(stored["texts"][0]["sha1"]) == 40
    assert stored["versions"]["mxnet"] == "1.9.1"
    assert "the dog" in (folder.path / "sample.txt").read_text()
    assert (folder.path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not any("pickle" in path.name for path in folder.path.rglob("*"))


def test_a_loaded_run_evaluates_to_the_same_result(finished, protocol):
    folder, result = finished
    run = load_run(folder.path)
    part, batches = run.data().held_out()
    found = evaluate(run.model, batches)
    assert found.perplexity == pytest.approx(result["test_ppl"] if part == "test" else result["val_ppl"], rel=1e-6)
    assert found.bits_per_character == pytest.approx(result["bits_per_char"], rel=1e-6)
    assert sum(array.size for array in parameter_arrays(run.model).values()) == result["parameters"]


def test_another_text_is_read_as_one_stream(finished, fox_file):
    run = load_run(finished[0].path)
    other = fox_file.parent / "other.txt"
    other.write_text("A dog, lazy: Ωmega jumps! " * 5, encoding="utf-8")
    stream, length = run.stream(read_texts([other])), len("a dog lazy mega jumps " * 5)
    assert (stream.num_tokens, stream.text.num_tokens, stream.text.num_characters) == (length - 1, length, length)
    assert (stream.text.num_words, stream.text.num_unknown) == (25, 0)


def test_the_best_parameters_are_stored_not_the_last(fox_file, tmp_path):
    folder = RunFolder(tmp_path / "run")
    settings = config(fox_file).replace(optimizer="sgd", lr=30.0, clip=5.0, max_epochs=12)  # the loss oscillates
    result = begin_run(settings, folder, None, progress=False)
    assert result["best_epoch"] < 12
    assert result["val_ppl"] < result["last_val_ppl"]
    run = load_run(folder.path)
    assert evaluate(run.model, run.data().val_dataloader()).perplexity == pytest.approx(result["val_ppl"], rel=1e-6)


def test_a_run_resumed_for_more_epochs_equals_the_longer_run(fox_file, tmp_path, protocol):
    settings = config(fox_file, protocol=protocol, dropout=0.3)
    short, long = RunFolder(tmp_path / "short"), RunFolder(tmp_path / "long")
    begin_run(settings, short, None, progress=False)
    mxnet.random.seed(99)
    resumed = resume_run(short, 5, progress=False)
    whole = begin_run(settings.replace(max_epochs=5), long, None, progress=False)
    keys = ("train_ppl", "val_ppl", "test_ppl", "epochs", "best_epoch", "last_val_ppl")
    assert [resumed[key] for key in keys] == [whole[key] for key in keys]
    for name in ("model.npz", "checkpoint/checkpoint.npz"):
        with numpy.load(short.path / name) as a, numpy.load(long.path / name) as b:
            arrays = [key for key in a.files if not key.endswith(".json")]
            assert arrays
            assert all((a[key] == b[key]).all() for key in arrays)
    assert load_run(short.path).config.max_epochs == 5


def test_a_run_with_a_changed_text_is_not_resumed(fox_file, tmp_path, protocol):
    folder = RunFolder(tmp_path / "run")
    begin_run(config(fox_file, protocol=protocol).replace(max_epochs=1), folder, None, progress=False)
    fox_file.write_text("another text " * 100, encoding="utf-8")
    with pytest.raises(ValueError, match=r"^text must be unchanged since the run was started, fox.*got fox"):
        resume_run(folder, 5, progress=False)
    with pytest.raises(ValueError, match=r"^text must be unchanged since the run was started"):
        load_run(folder.path).data()


def test_a_second_run_does_not_overwrite_the_first(finished, fox_file):
    with pytest.raises(ValueError, match=r"^out must be a folder without a run; got '.*' \(resume_run continues"):
        begin_run(config(fox_file), finished[0], None, progress=False)
    with new_folder(str(finished[0].path)) as folder:
        assert folder.path.name == "run-2"
        assert folder.path.is_dir()
    assert not folder.path.exists()  # since nothing was written


def test_nothing_is_written_for_settings_that_cannot_work(fox_file, tmp_path):
    for settings in (config(fox_file).replace(ctx="gpu(99)"), config(fox_file).replace(num_steps=5000),
                     config(tmp_path / "missing.txt")):
        with pytest.raises(ValueError, match=" must be "):
            begin_run(settings, RunFolder(tmp_path / "out"), None, progress=False)
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "content", "message"), [
    ("config.json", b"{", r"config\.json must be a file that this package wrote; got Expecting"),
    ("config.json", b"[]", r"config\.json must be of format 'gluon_deeprnn run 1'; got \[\]"),
    ("config.json", b'{"format": "gluon_deeprnn run 0"}',
     r"config\.json must be of format .*; got 'gluon_deeprnn run 0'"),
    ("config.json", b"\xff", r"config\.json must be a file that this package wrote; got 'utf-8' codec"),
    ("config.json", b"[" * 100000, r"config\.json must be .*; got nested too deeply"),
    ("config.json", b"1" * 5000, r"config\.json must be .*; got a number of 5000 digits"),
    ("vocab.json", b"{}", r"vocab\.json must be"),
    ("model.npz", b"PK", r"model\.npz must be a complete file"),
    ("history.jsonl", b"{", r"history\.jsonl must be a file that this package wrote"),
])
def test_damaged_files_are_refused_by_name(finished, name, content, message):
    (finished[0].path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_run(finished[0].path)


def test_a_model_of_another_size_is_refused(finished):
    path = finished[0].path / "config.json"
    for size in (15, 17, 100000000):
        path.write_text(re.sub(r'"num_hiddens": \d+', f'"num_hiddens": {size}', path.read_text()))
        with pytest.raises(ValueError, match=r"model\.npz must be a file of the same run as config\.json and vocab"):
            load_run(finished[0].path)


KOREAN = "설렁탕을 사다 놓았는데 왜 먹지를 못하니, 괴상하게도 오늘은 운수가 좋더니만. "


def test_a_korean_text_trains_and_generates_hangul(tmp_path):
    (tmp_path / "k.txt").write_text(KOREAN * 30, encoding="utf-8")
    folder = RunFolder(tmp_path / "run")
    settings = config(tmp_path / "k.txt").replace(cleaning="unicode", prefix="it has", max_epochs=25)
    begin_run(settings, folder, None, progress=False)
    sample = (folder.path / "sample.txt").read_text(encoding="utf-8")
    # the default prefix is not in this vocabulary, so the beginning of the text is the prefix
    assert "greedy decoding: 설렁탕을 사" in sample
    run = load_run(folder.path)
    generated = run.model.predict("설렁탕을", 20, run.vocab)
    assert all("가" <= character <= "힣" or character == " " for character in generated)
    assert len(set(generated)) > 8


@pytest.mark.slow
def test_a_real_korean_story_trains_and_generates_hangul(real_text, tmp_path):
    folder = RunFolder(tmp_path / "run")
    settings = config(real_text("korean/hyun_jingeon_lucky_day.txt")).replace(
        cleaning="unicode", protocol="book", batch_size=8, num_steps=32, num_hiddens=64, max_epochs=20,
        prefix="김첨지는")
    result = begin_run(settings, folder, None, progress=False)
    assert result["val_ppl"] < 0.4 * len(load_run(folder.path).vocab)
    generated = (folder.path / "sample.txt").read_text(encoding="utf-8").splitlines()[-1].split(": ")[1]
    assert sum("가" <= character <= "힣" for character in generated) > 100


def test_a_cell_without_a_fused_operator_is_trained_plotted_and_loaded(fox_file, tmp_path):
    folder = RunFolder(tmp_path / "run")
    result = begin_run(config(fox_file, model="mgu", implementation="scratch"), folder, None, progress=False)
    assert result["val_ppl"] < 15  # of 27 tokens
    run = load_run(folder.path)
    assert plot_architecture(run.model).get_title(loc="left") == "MGU, 2 layers of 16 hidden units"
    assert run.title.startswith("MGU from scratch, 2 x 16 hidden units")
    assert evaluate(run.model, run.data().val_dataloader()).perplexity == pytest.approx(result["val_ppl"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("given", ["-", "/dev/stdin", "<(cat {file})"])
def test_a_run_on_a_text_from_a_stream_stores_it_and_is_resumed_even_where_it_was_moved(fox_file, tmp_path, given):
    command = f"'{sys.executable}' -m gluon_deeprnn train --batch-size 64 --num-steps 8 --num-hiddens 8 " \
              f"--max-epochs 1 --out '{tmp_path}/run' --text {given.format(file=fox_file)} < '{fox_file}'"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cleaning none keeps 100.0% of stream" in done.stderr
    assert (tmp_path / "run" / "texts" / "stream").read_bytes() == fox_file.read_bytes()
    moved = (tmp_path / "run").rename(tmp_path / "elsewhere")
    assert resume_run(RunFolder(moved), 2, progress=False)["epochs"] == 2


def test_a_stream_without_text_is_refused_in_one_line(tmp_path):
    command = [sys.executable, "-m", "gluon_deeprnn", "train", "--text", "-", "--out", str(tmp_path / "run")]
    done = subprocess.run(command, input="", capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["gluon-deeprnn: error: text must be a non-empty text; got '-'"]
    assert not (tmp_path / "run").exists()


def test_a_run_whose_text_was_moved_is_resumed_with_its_new_place_and_remembers_it(fox_file, tmp_path, capsys):
    folder = tmp_path / "run"
    begin_run(config(fox_file), RunFolder(folder), None, progress=False)
    moved = fox_file.rename(tmp_path / "moved.txt")
    command = ["train", "--resume", "--out", str(folder), "--max-epochs"]
    assert main([*command, "4"]) == 2
    assert "fox.txt" in capsys.readouterr().err
    assert main([*command, "4", "--text", str(moved)]) == 0
    assert main([*command, "5"]) == 0
    assert load_run(folder).data().num_tokens > 0
    moved.write_text("another text, of other words " * 40)
    assert main([*command, "6", "--text", str(moved)]) == 2
    assert "text must be unchanged since the run was started" in capsys.readouterr().err


@pytest.fixture
def names_file(tmp_path):
    names = [first + second for first in ("An", "Bo", "Chi", "Da", "Eli") for second in ("na", "ra", "mi", "sol", "to")]
    path = tmp_path / "names.txt"
    path.write_text("\r\n".join(sorted(names * 2)) + "\r\n", encoding="utf-8")
    return path


def config_of_names(file, **settings):
    return config(file, **{"protocol": "book", "records": "line", "cleaning": "none", "prefix": RunConfig.prefix,
                           "batch_size": 8, "num_steps": 4, **settings})


def test_a_run_on_records_reads_texts_as_records(names_file, tmp_path, capsys):
    folder = RunFolder(tmp_path / "run")
    result = begin_run(config_of_names(names_file), folder, None, progress=False)
    assert json.loads((folder.path / "config.json").read_text())["settings"]["records"] == "line"
    run = load_run(folder.path)
    assert run.data().num_records == {"train": 44, "val": 2, "test": 4}  # each name twice
    part, batches = run.data().held_out()
    found = evaluate(run.model, batches)
    assert (part, found.perplexity) == ("test", pytest.approx(result["test_ppl"], rel=1e-6))
    assert found.bits_per_character == pytest.approx(result["bits_per_char"], rel=1e-6)

    other = tmp_path / "other.txt"
    other.write_text("Anna\n\nBozo\n", encoding="utf-8")
    records = run.stream(read_texts([other]))
    assert (records.num_records, records.num_tokens) == (2, 10)
    assert (records.text.num_tokens, records.text.num_characters, records.text.num_unknown) == (10, 10, 1)  # z
    main(["evaluate", "--run", str(folder), "--text", str(other)])
    shown = capsys.readouterr()
    assert shown.out == f"{evaluate(run.model, records)}\n"
    assert shown.out.endswith("(10 characters; 1 of 10 tokens unknown, 10.0%)\n")

    with pytest.raises(ValueError, match=r"^text must be at least one record of kind line, after cleaning; got none$"):
        run.stream([Source("other", "\n \n", "")])
    main(["plot", "--run", str(folder), "--of", "flow", "--out", str(tmp_path / "flow.png")])
    assert (tmp_path / "flow.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_on_records_resumed_for_more_epochs_equals_the_longer_run(names_file, tmp_path):
    settings = config_of_names(names_file, dropout=0.3)
    short, long = RunFolder(tmp_path / "short"), RunFolder(tmp_path / "long")
    begin_run(settings, short, None, progress=False)
    resumed = resume_run(short, 5, progress=False)
    whole = begin_run(settings.replace(max_epochs=5), long, None, progress=False)
    assert [resumed[key] for key in ("train_ppl", "val_ppl", "test_ppl")] == [
        whole[key] for key in ("train_ppl", "val_ppl", "test_ppl")]
    with numpy.load(short.path / "checkpoint/checkpoint.npz") as a, numpy.load(
            long.path / "checkpoint/checkpoint.npz") as b:
        assert all((a[key] == b[key]).all() for key in a.files if not key.endswith(".json"))


def test_nothing_is_written_for_records_that_are_too_few(names_file, tmp_path):
    with pytest.raises(ValueError, match=r"^text must be at least 20 different records of kind paragraph; got 1 "):
        begin_run(config_of_names(names_file, records="paragraph"), RunFolder(tmp_path / "out"), None, progress=False)
    assert not (tmp_path / "out").exists()


def test_the_memory_estimate_of_records_counts_a_graph_for_each_length(monkeypatch):
    settings = RunConfig(protocol="book", num_hiddens=256, batch_size=256, num_steps=64)
    monkeypatch.setattr(build.runtime, "memory_bytes", lambda: 600_000_000)
    build.check_memory(settings, 28)  # 0.3 GB
    # measured: 1.15 GB for eight lengths, 0.48 GB for one
    with pytest.raises(ValueError, match=r"must be small enough for this machine's 0\.6 GB .*: about 1\.1 GB"):
        build.check_memory(settings.replace(records="line"), 28)


def test_a_prefix_that_the_model_does_not_know_is_replaced_with_a_note(fox_file, tmp_path, caplog):
    folder = RunFolder(tmp_path / "run")
    with caplog.at_level("INFO", "gluon_deeprnn"):
        begin_run(config(fox_file, cleaning="none").replace(prefix="\u03a9mega"), folder, None, progress=False)
    note = "the samples begin with 'The qu', since '\u03a9mega' has tokens that are not in the vocabulary"
    assert note in caplog.messages
    assert "greedy decoding: The qu" in (folder.path / "sample.txt").read_text()


def test_threads_that_choose_a_folder_at_once_get_different_ones(tmp_path):
    chosen, kept, start = [], contextlib.ExitStack(), threading.Barrier(8)

    def choose():
        start.wait()
        for _ in range(10):
            chosen.append(kept.enter_context(new_folder(str(tmp_path / "runs" / "own-text"))).path)

    threads = [threading.Thread(target=choose) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {path.name for path in chosen} == {"own-text", *(f"own-text-{i}" for i in range(2, 81))}
    assert len(chosen) == 80
    kept.close()
    assert not (tmp_path / "runs").exists()


def test_threads_that_choose_and_give_up_at_once_neither_fail_nor_meet(tmp_path):
    inside, errors, start = [], [], threading.Barrier(8)

    def choose():
        start.wait()
        try:
            for _ in range(50):
                with new_folder(str(tmp_path / "runs" / "x")) as folder:
                    inside.append(folder.path)
                    assert inside.count(folder.path) == 1
                    inside.remove(folder.path)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=choose) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("above", "reason"), [
    (lambda path: path.write_text(""), "Not a directory"), (lambda path: path.symlink_to("none"), "No such file")])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, above, reason):
    above(tmp_path / "runs")
    message = f"^out must be a folder that can be written; got '.*': {reason}"
    with pytest.raises(ValueError, match=message), new_folder(str(tmp_path / "runs" / "x")):
        pass


@pytest.mark.slow
def test_trainings_that_are_started_at_once_have_folders_of_their_own(fox_file, tmp_path):
    command = [sys.executable, "-m", "gluon_deeprnn", "train", "--text", str(fox_file), "--num-hiddens", "8",
               "--max-epochs", "1", "--batch-size", "64", "--num-steps", "8"]
    going = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
             for _ in range(3)]
    for each in going:
        _, err = each.communicate(timeout=120)
        assert each.returncode == 0, err
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["own-text", "own-text-2", "own-text-3"]
    assert all((path / "result.json").exists() for path in (tmp_path / "runs").iterdir())


def test_a_training_without_out_begins_in_a_new_folder_and_a_failed_one_leaves_none(
        fox_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["train", "--text", str(fox_file), "--num-hiddens", "4", "--max-epochs", "1", "--num-steps", "8"]
    (tmp_path / "runs" / "own-text").mkdir(parents=True)  # of a training that another process has just begun
    assert main(command) == 0
    assert (tmp_path / "runs" / "own-text-2" / "result.json").exists()
    assert main([*command, "--val-fraction", "0.001"]) == 2  # of a short text
    assert not (tmp_path / "runs" / "own-text-3").exists()
    assert main(command) == 0
    assert "curves: runs/own-text-3/curves.png" in capsys.readouterr().out
