"""Commands with standard streams that are closed or cannot be written: they complete without tracebacks."""

import contextlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
import time

from gluon_deeprnn.cli import streams
import pytest

TRAIN = ["train", "--max-epochs", "2", "--num-hiddens", "4", "--batch-size", "16", "--num-steps", "6",
         "--text", "fox.txt", "--cleaning", "d2l", "--prefix", "the"]
COMMANDS = {
    "train": [*TRAIN, "--out", "new"], "resume": ["train", "--resume", "--out", "run", "--max-epochs", "3"],
    "generate": ["generate", "--run", "run", "--prefix", "the", "--length", "20"],
    "evaluate": ["evaluate", "--run", "run"], "plot": ["plot", "--run", "run"], "recipes": ["recipes"],
    "info": ["info"], "help": ["train", "--help"], "version": ["--version"], "error": ["train", "--lr", "-1"],
}
NAMES = ("stdin", "stdout", "stderr")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A text, and a run on it."""
    made = tmp_path_factory.mktemp("streams")
    (made / "fox.txt").write_text("the quick brown fox jumps over the lazy dog. " * 30)
    done = run(made, [*TRAIN, "--out", "run"])
    assert done[0] == 0, done
    return made


def run(folder, arguments, stream=None, how=None):
    """Return status, standard output and standard error; closed or full streams are empty."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    prepare, opened = None, None
    if how == "closed":
        prepare = lambda: os.close(NAMES.index(stream))  # noqa: E731
    elif how == "full":
        opened = streams[stream] = open("/dev/full", "rb+", buffering=0)  # noqa: SIM115
    elif how == "pipe":
        reader, writer = os.pipe()
        os.close(reader)
        opened = streams[stream] = os.fdopen(writer, "wb")
    process = subprocess.Popen([sys.executable, "-m", "gluon_deeprnn", *arguments], cwd=folder, text=True,
                               preexec_fn=prepare, **streams)
    if opened:
        opened.close()
    output, notes = process.communicate(timeout=120)
    return process.returncode, output or "", notes or ""


def check(folder, command, stream, how):
    status, _, notes = run(folder, COMMANDS[command], stream, how)
    assert "Traceback" not in notes
    assert "Exception ignored" not in notes
    errors = [line for line in notes.splitlines() if line.startswith("gluon-deeprnn: error")]
    expected = 2 if command == "error" else 0
    silent = command == "error"  # it prints nothing on standard output
    if stream == "stdout" and how == "full" and not silent:
        assert status == 2
        assert errors == ["gluon-deeprnn: error: standard output must be writable; "
                          "got No space left on device"]
    elif stream == "stdout" and how == "pipe" and not silent:
        assert (status, errors) == (0 if command in ("help", "version") else 141, [])  # argparse ignores it
    else:
        assert status == expected
        assert len(errors) == (command == "error" and stream != "stderr")
    if command == "train":  # it trained, even if its output could not be written
        result = json.loads((folder / "new" / "result.json").read_text())
        assert result["epochs"] == 2
        (folder / "new").rename(folder / f"trained-{time.monotonic_ns()}")


@pytest.mark.parametrize(("command", "stream", "how"), [
    pytest.param(command, stream, how, marks=[] if (command, stream) == ("generate", "stdout") else pytest.mark.slow)
    for command in COMMANDS for stream in NAMES for how in ("closed", "full", "pipe")
    if stream != "stdin" or (command, how) == ("train", "closed")])  # no other command reads standard input
def test_every_command_with_each_stream_closed_full_or_broken(command, stream, how, folder):
    check(folder, command, stream, how)


@pytest.mark.slow
def test_the_same_command_resumes_and_another_one_is_refused_with_both_values(folder, tmp_path):
    command = [*COMMANDS["train"][:-1], str(tmp_path / "run")]
    assert run(folder, command)[0] == 0
    assert run(folder, [*command, "--resume"])[0] == 0
    assert run(folder, [*command, "--resume", "--max-epochs", "3"])[0] == 0
    assert run(folder, [*command, "--resume", "--recipe", "own-text"])[0] == 0
    for flag, value, was in (("--lr", "3", "0.005"), ("--num-hiddens", "5", "4"), ("--recipe", "chapter-lstm", "book"),
                             ("--corpus", "python-docs", "None")):
        extra = [part for part in command if part not in ("--text", "fox.txt")] if flag == "--corpus" else command
        status, _, notes = run(folder, [*extra, "--resume", flag, value])
        assert status == 2, notes
        assert notes.count("\n") == 1
        assert was in notes
        assert "with --resume must be that of the run" in notes


@contextlib.contextmanager
def training(folder, arguments, hangup=signal.SIG_DFL):
    """A training in the background, which is killed at the end."""
    def prepare():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # background jobs of a shell ignore SIGINT
        signal.signal(signal.SIGHUP, hangup)

    process = subprocess.Popen([sys.executable, "-m", "gluon_deeprnn", *map(str, arguments)], cwd=folder, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, preexec_fn=prepare)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(file, process):
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("request_to_end", [signal.SIGHUP, signal.SIGINT])
def test_signals_write_a_checkpoint_and_print_the_command_to_resume(request_to_end, folder, tmp_path):
    run_folder = tmp_path / "run"
    with training(folder, [*COMMANDS["train"][:-1], run_folder, "--max-epochs", "100000"]) as process:
        wait_for(run_folder / "history.jsonl", process)
        process.send_signal(request_to_end)
        _, notes = process.communicate(timeout=60)
        assert process.returncode == 130, notes
    assert f"To resume:  gluon-deeprnn train --resume --out {run_folder}" in notes
    assert (run_folder / "checkpoint" / "checkpoint.npz").exists()


@pytest.mark.slow
def test_a_training_under_nohup_ignores_sighup(folder, tmp_path):
    run_folder = tmp_path / "run"
    arguments = [*COMMANDS["train"][:-1], run_folder, "--max-epochs", "60"]
    with training(folder, arguments, hangup=signal.SIG_IGN) as process:  # as under nohup
        wait_for(run_folder / "history.jsonl", process)
        process.send_signal(signal.SIGHUP)
        process.communicate(timeout=120)
        assert process.returncode == 0
    assert json.loads((run_folder / "result.json").read_text())["epochs"] == 60


@pytest.mark.slow
def test_a_signal_is_handled_while_graphs_are_compiled(folder, tmp_path):
    # In a cell without an operator, every layer and step has operators of its own: the graph takes long to compile.
    run_folder, before = tmp_path / "run", resource.getrusage(resource.RUSAGE_CHILDREN)
    with training(folder, [*COMMANDS["train"][:-1], run_folder, "--implementation", "scratch", "--model", "mgu",
                           "--num-layers", "60", "--num-steps", "32"]) as process:
        wait_for(run_folder / "config.json", process)
        time.sleep(2)
        process.terminate()
        _, notes = process.communicate(timeout=120)
        assert process.returncode == 130, notes
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 20  # CPU time: other processes do not count
    assert "Traceback" not in notes


def test_the_version_is_printed_without_importing_mxnet(folder):
    code = "import sys; from gluon_deeprnn_command import main; print(main(['--version']), 'mxnet' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "0 False"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_no_control_characters_and_a_file_gets_the_text_unchanged(monkeypatch):
    text = "red \x1b[31m bell \x07 C1 \x9b31m tab\t \u00e9\n"
    on_terminal = "red \ufffd[31m bell \ufffd C1 \ufffd31m tab\t \u00e9\n"
    for stream, shown in ((Terminal(), on_terminal), (io.StringIO(), text)):
        monkeypatch.setattr(sys, "stdout", stream)
        with streams.forgiving():
            sys.stdout.write(text)
        assert stream.getvalue() == shown
