"""generate --interactive: a model and a user write in turns."""

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
import types

from gluon_deeprnn import GRU, RNNLM, Vocab, generate, load_run
from gluon_deeprnn.cli import generate as command
from gluon_deeprnn.cli.main import main
from gluon_deeprnn.generation import Continuation, TrainingText
import mxnet
import pytest

SMALL = ["--num-hiddens", "16", "--max-epochs", "2", "--batch-size", "64", "--num-steps", "8", "--prefix", "the dog"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interactive")
    (folder / "fox.txt").write_text("The quick brown fox jumps over the lazy dog, and the dog does not care. " * 20)
    assert main(["train", "--text", str(folder / "fox.txt"), *SMALL, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def converse(run, capsys, monkeypatch):
    """A function that types lines, and returns what the command prints on both streams."""
    def typed(lines, *arguments, status=0):
        capsys.readouterr()
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        assert main(["generate", "--run", str(run), "--interactive", "--length", "30", *arguments]) == status
        return capsys.readouterr()
    return typed


def test_each_line_is_appended_to_the_text_and_the_model_goes_on(run, converse):
    trained = load_run(run)
    text = Continuation(trained.model, trained.vocab, seed=4)
    expected = []
    for line in ("the dog", "", " jumps", ""):
        if line:
            text.read(line)
        expected.append("".join(text.write(30)))
    out, err = converse("the dog\n\n jumps\n\n", "--seed", "4")
    assert out == "\n".join(expected) + "\n"
    assert err == ""
    first = "".join(generate(trained.model, trained.vocab, "the dog", 60, seed=4))
    assert expected[0] + expected[1] == first


def test_a_prefix_is_continued_first(run, converse):
    trained = load_run(run)
    out = converse("", "--prefix", "the dog").out
    assert out == "the dog" + "".join(generate(trained.model, trained.vocab, "the dog", 30)) + "\n"
    assert converse("\n", "--prefix", "the dog").out.replace("\n", "") == "the dog" + "".join(
        generate(trained.model, trained.vocab, "the dog", 60))


def test_a_line_with_unknown_tokens_is_noted_and_changes_nothing(run, converse):
    out, err = converse("Ω\nthe dog\nΩ the\n\n")
    assert out == converse("the dog\n\n").out
    assert err.count("gluon-deeprnn: prefix must be made of tokens in the vocabulary; got 'Ω'") == 2
    assert err.count("\n") == 2
    assert converse("the Ωdog\n", "--skip-unknown").out == converse("the dog\n").out


def test_an_empty_line_before_the_text_has_begun_is_noted(converse):
    out, err = converse("\n\nthe dog\n")
    assert out == converse("the dog\n").out
    assert err == "gluon-deeprnn: type the beginning of a text\n" * 2


def test_lines_may_end_as_on_windows_and_the_last_one_not_at_all(converse):
    assert converse("the\r\n dog").out == converse("the\n dog\n").out


def test_an_empty_line_after_a_stop_string_goes_on_after_it(run, converse):
    trained = load_run(run)
    whole = Continuation(trained.model, trained.vocab, seed=5)
    whole.read("the dog")
    stop = next(character for character in "".join(whole.write(30)) if character.isalpha())
    out = converse("the dog\n\n\n", "--stop", stop, "--seed", "5").out.split("\n")
    text = Continuation(trained.model, trained.vocab, seed=5)
    text.read("the dog")
    expected = ["".join(text.write(30, stop=stop))]
    for _ in range(2):
        before = ""
        if text.ended == "stop":
            text.read(stop)
            before = stop
        expected.append(before + "".join(text.write(30, stop=stop)))
    assert out == [*expected, ""]
    assert expected[1].startswith(stop)


def test_a_beam_search_and_a_limit_of_copies_work_in_turns(run, converse):
    trained = load_run(run)
    text = Continuation(trained.model, trained.vocab, beam=3)
    text.read("the dog")
    expected = ["".join(text.write(30)) for _ in range(2)]
    assert converse("the dog\n\n", "--beam", "3").out == "\n".join(expected) + "\n"
    err = converse("the dog\n\n", "--no-copy", "4", "--copied").err.splitlines()
    assert len(err) == 2
    assert all(int(line.split("longest copied sequence: ")[1].split()[0]) <= 4 for line in err)


def test_a_text_that_nothing_may_follow_is_noted(run, converse):
    trained = load_run(run)
    letters = trained.vocab.idx_to_token[1:]
    trained_on = "".join(f"g{letter}\0" for letter in letters)  # an unknown token between the pairs
    bias = mxnet.np.zeros(len(trained.vocab))
    bias[trained.vocab["g"]] = 99.0
    trained.model.dense.bias.set_data(bias)
    limit = TrainingText(trained.vocab.encode(list(trained_on)), trained.vocab).limit(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "load_run", lambda folder: trained)
        patch.setattr(command, "_training_text", lambda arguments, trained: (None, limit))
        out, err = converse("the do\n\nee\n")
    assert out == "g\n\ng\n"
    assert err == "gluon-deeprnn: the text ends: every next token would copy more of the training text\n" * 3


def test_a_line_after_the_end_of_a_record_begins_the_next_one(converse, monkeypatch):
    vocab = Vocab("abcdef", boundaries=True)
    mxnet.random.seed(1)
    model = RNNLM(GRU(8), len(vocab))
    for _, parameter in model.named_parameters():
        parameter.set_data(parameter.data() * 2)
    trained = types.SimpleNamespace(model=model, vocab=vocab, config=types.SimpleNamespace(records="line"))
    monkeypatch.setattr(command, "load_run", lambda folder: trained)
    model.dense.bias.set_data(model.dense.bias.data() - 2 * (mxnet.np.arange(len(vocab)) == vocab.end_index))
    text, expected = Continuation(model, vocab, temperature=1.0, seed=2), []
    for line in ("", "", "", "abc", ""):
        text.read(line)
        expected.append("".join(text.write(1000)))
        assert text.ended == "record"
        text.begin()
    assert len(set(expected)) > 2
    out = converse("\n\n\nabc\n\n", "--temperature", "1", "--seed", "2", "--length", "1000").out
    assert out == "\n".join(expected) + "\n"


@pytest.mark.parametrize(("arguments", "message"), [
    (["--num-samples", "2"], "num_samples must be 1 with --interactive; got 2"),
    (["--prefix", "Ω"], "prefix must be made of tokens in the vocabulary; got 'Ω'"),
    (["--prefix", ""], "prefix must be at least one token"),
    (["--prefix", "the", "--length", "-1"], "length must be a non-negative integer; got -1"),
    (["--prefix", "the", "--stop", ""], "stop must be strings, none of them empty"),
])
def test_bad_options_end_the_program(converse, arguments, message):
    out, err = converse("the dog\n", *arguments, status=2)
    assert out == ""
    assert err.startswith("gluon-deeprnn: error: " + message)
    assert err.count("\n") == 1


@pytest.mark.parametrize(("times", "status", "shown"), [(1, 0, "a\na\n"), (2, 130, "")])
def test_a_second_ctrl_c_ends_the_program(converse, monkeypatch, times, status, shown):
    def pieces(*arguments, **options):
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
        yield "a"
        yield "b"

    monkeypatch.setattr(Continuation, "write", pieces)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore SIGINT
    try:
        out = converse("the\nthe\n", status=status).out
        assert out == shown
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def begun(run, *arguments, **streams):
    """The command in a process of its own, in which Ctrl-C is not ignored."""
    return subprocess.Popen([sys.executable, "-m", "gluon_deeprnn", "generate", "--run", str(run), "--interactive",
                             *arguments], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **streams)


def test_ctrl_c_ends_a_text_that_is_written_and_asks_again(run):
    process = begun(run, "--length", "100000000", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        for line in (b"the dog\n", b"\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert len(process.stdout.read(2000)) == 2000
            process.send_signal(signal.SIGINT)
            left = b""
            while not left.endswith(b"\n"):
                left = process.stdout.readline()
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)  # while it waits for a line
        assert process.wait(30) == 130
        assert process.stderr.read() == b""
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def terminal(run):
    """The command on a terminal: its process, and functions to type and to read up to a text."""
    opened, process = pty.openpty(), None

    def begin(*arguments):
        nonlocal process
        process = begun(run, *arguments, stdin=opened[1], stdout=opened[1], stderr=opened[1])
        return process

    def read_to(text):
        shown = b""
        while not shown.endswith(text):
            assert select.select([opened[0]], [], [], 60)[0], shown
            shown += os.read(opened[0], 1)
        return shown

    yield begin, lambda text: os.write(opened[0], text), read_to
    process.kill()
    process.wait()
    for each in opened:
        os.close(each)


def test_a_terminal_is_asked_for_each_line_and_ctrl_d_ends_the_program(terminal, run):
    begin, type_in, read_to = terminal
    process = begin("--length", "20")
    read_to(b"> ")
    type_in(b"the dog\n")
    shown = read_to(b"> ").decode().replace("\r", "")
    trained = load_run(run)
    written = "".join(generate(trained.model, trained.vocab, "the dog", 20))
    assert f"the dog\n{written}\n> " in shown
    type_in(b"\x04")
    assert process.wait(30) == 0


def test_a_file_has_no_prompts(run, tmp_path):
    with open(tmp_path / "out", "wb") as file:
        process = begun(run, "--length", "5", stdin=subprocess.PIPE, stdout=file, stderr=subprocess.DEVNULL)
        process.communicate(b"the dog\n", timeout=60)
    assert process.returncode == 0
    assert b">" not in (tmp_path / "out").read_bytes()
    assert len((tmp_path / "out").read_text()) == 6
