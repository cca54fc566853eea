import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
import time

from gluon_deeprnn import kernels
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.data import corpora
from gluon_deeprnn.runs import read_recipe
from gluon_deeprnn.runs.config import settings
import numpy
import pytest

SMALL = ["--num-hiddens", "16", "--max-epochs", "2", "--batch-size", "64", "--num-steps", "8", "--prefix", "the dog"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that no test changes."""
    top = tmp_path_factory.mktemp("run")
    (top / "fox.txt").write_text("The quick brown fox jumps over the lazy dog, and the dog does not care. " * 20)
    assert main(["train", "--text", str(top / "fox.txt"), *SMALL, "--out", str(top / "run")]) == 0
    return top / "run"


def command(*arguments):
    return [sys.executable, "-m", "gluon_deeprnn", *map(str, arguments)]


def test_train_prints_its_results(fox_file, tmp_path, capsys):
    assert main(["train", "--text", str(fox_file), *SMALL, "--out", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    lines = (r"^perplexity \d+\.\d\d training, \d+\.\d\d validation after 2 epochs \(\d+ s, [\d,]+ tokens/s\)$",
             r"^best model: epoch [12], perplexity \d+\.\d\d validation, \d+\.\d\d test, \d\.\d{3} bits "
             r"per character$")
    assert all(re.search(line, out, re.M) for line in lines)
    assert "greedy decoding: the dog" in out
    assert out.rstrip().endswith(f"curves: {tmp_path / 'run' / 'curves.png'}")
    assert len(re.findall(r"^epoch [12]/2: perplexity ", err, re.M)) == 2


def test_generate_prints_prefix_and_text_and_is_reproducible_with_the_seed(run, capsys):
    texts = []
    for seed in ("1", "1", "2"):
        assert main(["generate", "--run", str(run), "--prefix", "the dog", "--length", "40", "--seed", seed]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] != texts[2]
    assert all(text.startswith("the dog") and len(text) == len("the dog") + 40 + 1 for text in texts)


def test_generate_with_length_zero_prints_the_prefix(run, capsys):
    assert main(["generate", "--run", str(run), "--prefix", "the dog", "--length", "0"]) == 0
    assert capsys.readouterr().out == "the dog\n"


def test_evaluate_prints_perplexity_and_bits_per_character(run, fox_file, capsys):
    line = re.compile(r"^perplexity \d+\.\d{3}, \d\.\d{3} bits per character \((\d+) characters\)\n$")
    assert main(["evaluate", "--run", str(run)]) == 0
    assert line.match(capsys.readouterr().out)
    assert main(["evaluate", "--run", str(run), "--text", str(fox_file)]) == 0
    out, err = capsys.readouterr()
    assert int(line.match(out)[1]) == len(fox_file.read_text())  # without --recipe nothing is cleaned
    assert "evaluated on fox.txt (cleaning none keeps 100.0%)" in err


def test_evaluate_reports_the_number_of_unknown_tokens(fox_file, tmp_path, capsys):
    (tmp_path / "x.txt").write_text("abc 한글", encoding="utf-8")
    out = str(tmp_path / "run")
    assert main(["train", "--text", str(fox_file), *SMALL, "--cleaning", "unicode", "--out", out]) == 0
    assert main(["evaluate", "--run", out, "--text", str(tmp_path / "x.txt")]) == 0
    assert capsys.readouterr().out.endswith(" bits per character (6 characters; 2 of 6 tokens unknown, 33.3%)\n")


def test_recipes_and_info_print_their_lists(capsys, monkeypatch):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    for name in ("chapter-gru", "chapter-lstm", "chapter-scratch"):
        assert re.search(rf"^{name}: ", out, re.M)
        assert f"gluon-deeprnn train --recipe {name}" in out
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert "mxnet: 1.9.1" in out
    assert re.search(r"^contexts: cpu", out, re.M)
    assert re.search(r"^threads: \d+ ", out, re.M)
    assert re.search(r"^spin count of a waiting thread: 1000 \(GOMP_SPINCOUNT, set by gluon_deeprnn\)$", out, re.M)
    few = float(re.search(r"kFewProducts = ([\de]+);", (Path(kernels.__file__).parent / "parallel.h").read_text())[1])
    said = re.search(r"^one thread only: calls of our operators of up to ([\d,]+) multiplications$", out, re.M)
    if kernels.loaded() is None:
        assert said is None
    else:
        assert int(said[1].replace(",", "")) == few


@pytest.mark.parametrize(("arguments", "message"), [
    (["tran"], "command must be one of train, launch, generate, score, evaluate, compare, plot, export, import, "
     "recipes, info; got 'tran' (did you mean 'train'?)"),
    (["train", "--num-hidden", "3"], "option must be one that `gluon-deeprnn train --help` lists; got '--num-hidden' "
     "(did you mean '--num-hiddens'?)"),
    (["train", "--lr", "fast"], "lr must be a number above 0; got 'fast'"),
    (["train", "--num-layers", "0"], "num_layers must be a positive integer; got 0"),
    (["train", "--model", "gruu"], "model must be one of rnn, lstm, gru, mgu; got 'gruu' (did you mean 'gru'?)"),
    (["train", "--recipe", "chapter-gruu"], "recipe must be one of book-gru, book-lstm, chapter-gru, chapter-lstm, "
     "chapter-scratch, depth-1, depth-2, depth-4, depth-8, own-text, shakespeare, shakespeare-large; "
     "got 'chapter-gruu' (did you mean 'chapter-gru'?)"),
    (["train", "--text", "missing"], "text must be a file that can be read; got 'missing': No such file or directory"),
    (["train", "--ctx", "gpu(99)"], None), (["train", "--resume"], "out must be given with --resume; got None"),
    (["train", "--resume", "--out", "nowhere"], "run must be a run folder (one with a config.json); got 'nowhere'"),
    (["generate", "--run", "nowhere", "--prefix", "x"],
     "run must be a run folder (one with a config.json); got 'nowhere'"),
    (["generate", "--prefix", "x"], "usage must be as `gluon-deeprnn generate --help` says; "
     "got the following arguments are required: --run"),
    (["evaluate"],
     "usage must be as `gluon-deeprnn evaluate --help` says; got the following arguments are required: --run"),
    (["train", "--lr"], "usage must be as `gluon-deeprnn train --help` says; got argument --lr: expected one argument"),
])
def test_bad_usage_is_one_line_and_status_2(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("gluon-deeprnn: error: ")
    assert message is None or err == f"gluon-deeprnn: error: {message}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [
    ["--length", "-1"], ["--length", "x"], ["--temperature", "-1"], ["--temperature", "nan"], ["--top-k", "-2"],
    ["--seed", "1.5"], ["--prefix", "Ω"], ["--prefix", ""],
])
def test_bad_values_for_generate_are_one_line_and_status_2(run, arguments, capsys):
    assert main(["generate", "--run", str(run), "--prefix", "the", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert " must be " in err


def test_a_learning_rate_that_diverges_is_one_line(fox_file, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "--text", str(fox_file), *SMALL, "--max-epochs", "9", "--lr", "1e18", "--clip", "0", "--out",
                 str(out)]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("gluon-deeprnn: error: lr must be small enough")


def test_an_unavailable_corpus_is_logged_before_another_is_used(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("GLUON_DEEPRNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(corpora, "TIME_MACHINE_URL", "http://127.0.0.1:9/nothing-listens-here")
    out = tmp_path / "run"
    assert main(["train", *SMALL, "--prefix", "it has", "--max-epochs", "1", "--num-train", "100", "--num-val", "50",
                 "--out", str(out)]) == 0
    err = capsys.readouterr().err.splitlines()
    assert err[0].startswith("gluon-deeprnn: training on python-docs instead: time-machine must be in the cache")
    assert json.loads((out / "config.json").read_text())["settings"]["corpus"] == "python-docs"
    assert main(["train", "--corpus", "time-machine", "--out", str(tmp_path / "other")]) == 2


def test_no_command_shows_the_help(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    assert "train a model" in capsys.readouterr().out


def test_a_closed_pipe_is_not_an_error(run):
    shell = " ".join(command("generate", "--run", run, "--prefix", "the", "--length", "20000")) + " | head -c 10"
    done = subprocess.run(["bash", "-c", "set -o pipefail; " + shell], capture_output=True, text=True, check=False)
    assert (len(done.stdout), done.stderr) == (10, "")


@pytest.mark.slow
def test_ctrl_c_writes_a_checkpoint_and_prints_the_command_to_resume(fox_file, tmp_path):
    out = tmp_path / "my run"
    settings = ["--text", fox_file, *SMALL, "--max-epochs", "100000", "--dropout", "0.2", "--schedule", "constant"]
    going = subprocess.Popen(command("train", *settings, "--out", out), stderr=subprocess.PIPE, text=True,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # not as a background job
    while not (out / "history.jsonl").exists():
        assert going.poll() is None
        time.sleep(0.05)
    time.sleep(0.3)
    going.send_signal(signal.SIGINT)
    err = going.communicate(timeout=60)[1]
    assert going.returncode == 130
    assert "Traceback" not in err
    assert "gluon-deeprnn: stopping after a few more steps (Ctrl-C again stops immediately)" in err.splitlines()
    assert err.splitlines()[-1] == f"stopped. To resume:  gluon-deeprnn train --resume --out '{out}'"
    reached = len((out / "history.jsonl").read_text().splitlines()) + 2
    assert main(["train", "--resume", "--out", str(out), "--max-epochs", str(reached)]) == 0
    whole = tmp_path / "whole"
    assert main(["train", *map(str, settings), "--max-epochs", str(reached), "--out", str(whole)]) == 0
    name = "checkpoint/checkpoint.npz"
    with numpy.load(out / name) as a, numpy.load(whole / name) as b:
        parameters = [name for name in a.files if name.startswith("parameters/")]
        assert len(parameters) == 10
        for name in parameters:
            assert (a[name] == b[name]).all()


def test_a_terminal_that_cannot_show_a_character_is_not_an_error(tmp_path):
    (tmp_path / "k.txt").write_text("운수 좋은 날 " * 60, encoding="utf-8")
    settings = ["--text", tmp_path / "k.txt", "--cleaning", "unicode", *SMALL, "--out", tmp_path / "run"]
    done = subprocess.run(command("train", *settings), capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert "greedy decoding: ?? ??" in done.stdout


def test_a_folder_that_cannot_be_written_is_one_line(fox_file, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["train", "--text", str(fox_file), *SMALL, "--out", str(tmp_path / "file" / "run")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("gluon-deeprnn: error: out must be a folder that can be written; got ")
    assert err.count("\n") == 1


def test_ctrl_c_before_anything_was_trained_is_quiet(tmp_path):
    code = ("import sys\nfrom gluon_deeprnn.cli import main, train\n"
            "def stop(*a, **b): raise KeyboardInterrupt\n"
            "train.begin_run = stop\nsys.exit(main.main(['train', '--out', sys.argv[1]]))")
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stderr, done.returncode) == ("", 130)


def test_the_installed_command_is_the_same():
    script = os.path.join(os.path.dirname(sys.executable), "gluon-deeprnn")
    if not os.path.exists(script):
        pytest.skip("the package is not installed here")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("gluon_deeprnn 0.")


def test_the_help_of_train_shows_every_default_and_they_are_those_of_the_default_recipe(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = " ".join(capsys.readouterr().out.split("examples:")[0].split())
    defaults = read_recipe("chapter-gru").config.as_dict()
    seen = 0
    for setting in settings():
        name, default = setting.name, setting.default
        assert (list(default) if isinstance(default, tuple) else default) == defaults[name]
        if default not in (None, (), ""):
            text = ("on" if default else "off") if isinstance(default, bool) else default
            *_, option = re.finditer(rf"--{name.replace('_', '-')}[ ,]", shown)
            assert f"(default {text})" in shown[option.start():option.start() + 300], name
            seen += 1
    assert seen > 40


def test_generate_writes_several_samples_that_end_before_a_stop_string(run, capsys):
    command = ["generate", "--run", str(run), "--prefix", "the dog", "--length", "60", "--temperature", "1", "--top-p",
               "0.95", "--min-p", "0.01", "--repetition-penalty", "1.1", "--stop", "e", "--stop", "a"]
    assert main([*command, "--num-samples", "3"]) == 0
    texts = capsys.readouterr().out[:-1].split("\n----\n")
    assert len(texts) == 3
    for seed, text in enumerate(texts):
        assert text.startswith("the dog")
        assert not set("ea") & set(text[len("the dog"):])
        assert main([*command, "--seed", str(seed)]) == 0
        assert capsys.readouterr().out == text + "\n"


@pytest.mark.parametrize(("option", "value", "message"), [
    ("--top-p", "2", "top_p must be a number in (0, 1]; got 2.0"),
    ("--min-p", "x", "min_p must be a number in [0, 1); got 'x'"),
    ("--stop", "", "stop must be strings, none of them empty; got ['']"),
    ("--num-samples", "0", "num_samples must be a positive integer; got 0"),
    ("--repetition-penalty", "-1", "repetition_penalty must be a number above 0; got -1.0")])
def test_a_bad_option_of_generate_is_refused_in_one_line(run, capsys, option, value, message):
    assert main(["generate", "--run", str(run), "--prefix", "the", option, value]) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert len(err) == 1
    assert err[0].startswith("gluon-deeprnn: error: " + message)
