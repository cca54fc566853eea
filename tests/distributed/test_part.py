"""What one process of a training is started with, and what it shows; a script stands in for the training."""

import argparse
import asyncio
import contextlib
import io
import os
from pathlib import Path
import signal
import sys
import textwrap
import time
import types

from gluon_deeprnn.cli.launch import _conclude as conclude
from gluon_deeprnn.distributed.addresses import free_root
from gluon_deeprnn.distributed.launching import Plan, launch
from gluon_deeprnn.distributed.part import Outcome
from gluon_deeprnn.distributed.watch import Group
from gluon_deeprnn.errors import StoppedError
import pytest

ALIVE = """
    import os, sys, threading, time
    def live():
        while True:
            os.write(int(sys.argv[1]), b"alive 0 busy\\n")
            time.sleep(0.2)
    threading.Thread(target=live, daemon=True).start()
    def done():
        os.write(int(sys.argv[1]), b"joined\\ndone\\n")
"""


def launched(script, tmp_path, timeout=3.0, alive=ALIVE, **settings):
    """The outcome of one worker that runs a script."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(alive) + textwrap.dedent(script))
    root = free_root()
    plan = Plan((("worker", 0),), root, root.host, program, ("train", "--text", "x"), tmp_path / "logs",
                Group(1, timeout=timeout, patience=10), True, **settings)
    return launch(plan)


def test_a_process_that_is_done_gives_its_status(tmp_path, capfd):
    assert launched("print('output'); print('error', file=sys.stderr); done()", tmp_path) == Outcome(status=0)
    assert capfd.readouterr() == ("output\n", "error\n")
    log = (tmp_path / "logs" / "worker-0.log").read_text()
    assert "output" in log
    assert "error" in log


@pytest.mark.parametrize(("number", "name"), [(9, " (SIGKILL)"), (11, " (SIGSEGV)"), (35, "")])
def test_a_process_that_is_killed_after_it_was_done_has_failed(number, name, tmp_path):
    outcome = launched(f"done(); time.sleep(0.3); os.kill(os.getpid(), {number})", tmp_path)
    assert outcome.reason == f"worker 0 (127.0.0.1) was killed by signal {number}{name}"


def test_a_process_that_ends_before_it_is_done_has_failed(tmp_path):
    reason = "worker 0 (127.0.0.1) exited with status 3"
    assert launched("sys.exit(3)", tmp_path) == Outcome(status=3, reason=reason, failed="worker 0")


def test_what_a_process_writes_is_not_how_it_has_ended(tmp_path):
    outcome = launched("print('worker 0 exited with status 2, exited with status 130'); sys.exit(1)", tmp_path)
    assert (outcome.status, outcome.failed) == (1, "worker 0")
    arguments = argparse.Namespace()
    plan = types.SimpleNamespace(parts=(("worker", 0),), command=(), watches=True)
    with pytest.raises(StoppedError, match=r"exited with status 1; its last line: worker 0 exited with status 2"):
        conclude(outcome, arguments, plan)
    with pytest.raises(SystemExit) as stopped:
        conclude(Outcome(status=2, reason="worker 0 (127.0.0.1) ended", failed="worker 0"), arguments, plan)
    assert stopped.value.code == 2


def test_a_process_without_a_sign_of_life_has_failed(tmp_path):
    started = time.monotonic()
    outcome = launched("import time; time.sleep(60)", tmp_path, timeout=1.5, alive="")
    assert outcome.reason == "worker 0 (127.0.0.1) has shown no sign of life for 1.5 s"
    assert time.monotonic() - started < 10


def test_a_process_that_computes_without_a_sign_of_life_is_alive(tmp_path):
    """As in one long call of C that keeps the threads of Python from running."""
    script = """
        import os, sys, time
        end = time.monotonic() + 5
        while time.monotonic() < end:
            pass
        os.write(int(sys.argv[1]), b"joined\\ndone\\n")
    """
    assert launched(script, tmp_path, timeout=2, alive="") == Outcome(status=0)


@pytest.mark.parametrize(("own", "expected"), [(None, "8"), ("1", "1")])
def test_the_number_of_threads_that_the_user_set_is_kept(own, expected, tmp_path, capfd, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if own:
        monkeypatch.setenv("OMP_NUM_THREADS", own)
    launched("print(os.environ['OMP_NUM_THREADS'], os.environ['DMLC_ROLE']); done()", tmp_path, num_threads=8)
    assert capfd.readouterr().out == f"{expected} worker\n"


def test_a_stream_that_nobody_reads_does_not_stop_the_watch(tmp_path, monkeypatch):
    """The output fills the pipe; the process then waits, and dies of what is sent to it a second later."""
    reader, writer = os.pipe()
    stream = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stdout", stream)
    outcome = launched("""
        threading.Timer(1, os.kill, [os.getpid(), 9]).start()
        print("x" * 300_000)
    """, tmp_path)
    assert outcome.reason == "worker 0 (127.0.0.1) was killed by signal 9 (SIGKILL)"
    assert len(os.read(reader, 1_000_000)) > 1000
    os.close(reader)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def test_a_stream_of_text_is_written_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    launched("print('x'); done()", tmp_path)
    assert sys.stdout.getvalue() == "x\n"


def test_a_launch_leaves_no_handlers_of_signals(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    launched("done()", tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_the_program_of_the_command_is_a_file_of_the_package():
    from gluon_deeprnn.cli import child
    assert Path(child.__file__).name == "child.py"
