"""Real processes of ps-lite on this machine: equal results, and an end whatever fails."""

import contextlib
import os
import re
import shutil
import signal
import socket
import time

from gluon_deeprnn.distributed.addresses import free_root
import launches
from launches import TRAIN
import pytest

pytestmark = pytest.mark.slow
EPOCHS = "8"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a text."""
    path = tmp_path_factory.mktemp("launch")
    launches.write_text(path)
    return path


@pytest.fixture(scope="module")
def never_killed(folder):
    """The folder of a run of two workers that was not disturbed."""
    done = launches.launched(*TRAIN, "--max-epochs", EPOCHS, "--out", "whole", folder=folder)
    assert done.returncode == 0, done.stderr
    assert f"epoch {EPOCHS}/{EPOCHS}: " in done.stderr
    assert "best model: " in done.stdout
    logs = {path.name: path.read_text() for path in (folder / "launch-logs").iterdir()}
    assert logs["worker-0.log"].splitlines()[-1].startswith("curves: ")
    assert [logs[name] for name in ("scheduler.log", "server-0.log", "worker-1.log")] == [""] * 3
    return folder / "whole"


def test_workers_reach_the_parameters_of_one_process_and_again_after_a_resume(folder):
    """50 steps of 10 columns, which 4 workers share unequally, with clipping; then a second epoch."""
    options = [*(each if each != "0.2" else "0" for each in TRAIN), "--max-epochs"]
    again = ["train", "--resume", "--max-epochs", "2", "--out"]
    for arguments in ([*options, "1", "--out", "one"], [*again, "one"]):
        assert launches.run(*arguments, folder=folder).returncode == 0
        name = f"after-{launches.epochs(folder / 'one')}"
        shutil.copytree(folder / "one", folder / name)
    for workers, servers in ((2, 1), (4, 2)):
        many, launch = f"many-{workers}", ["launch", "--workers", workers, "--servers", servers, "--"]
        for epoch, arguments in enumerate(([*options, "1", "--out", many], [*again, many]), 1):
            done = launches.run(*launch, *arguments, folder=folder)
            assert done.returncode == 0, done.stderr
            assert launches.perplexities(folder / many) == pytest.approx(
                launches.perplexities(folder / f"after-{epoch}"), rel=1e-5)
            assert 0 < launches.difference(folder / f"after-{epoch}", folder / many) < 1e-5
    alone = ["train", "--resume", "--max-epochs", "3", "--out", "many-4"]
    assert launches.run(*alone, folder=folder).returncode == 0


def assert_one_line_says(log, reason, folder):
    """The last line of a launch, after the progress of worker 0, and no process is left."""
    lines = log.read_text().splitlines()
    assert re.fullmatch(rf"gluon-deeprnn: error: launch must be a group of processes that all run until the end; got "
                        rf"{reason} \(.*\)", lines[-1]), lines
    assert not any("Traceback" in line for line in lines)
    launches.wait_for(lambda: not launches.children(folder), 5)


@pytest.mark.parametrize(("who", "number", "reason", "seconds"), [
    ("worker 1", signal.SIGKILL, r"worker 1 \(127\.0\.0\.1\) was killed by signal 9 \(SIGKILL\).*", 10),
    ("worker 0", signal.SIGKILL, r"worker 0 \(127\.0\.0\.1\) was killed by signal 9 \(SIGKILL\).*", 10),
    ("server", signal.SIGKILL, r"server 0 \(127\.0\.0\.1\) was killed by signal 9 \(SIGKILL\).*", 10),
    ("scheduler", signal.SIGKILL, r"scheduler \(127\.0\.0\.1\) was killed by signal 9 \(SIGKILL\).*", 10),
    ("worker 1", signal.SIGSTOP, r"worker 1 \(127\.0\.0\.1\) has shown no sign of life for 10 s", 30)])
def test_a_process_that_dies_or_stops_ends_all(who, number, reason, seconds, folder):
    out = folder / "run"
    shutil.rmtree(out, ignore_errors=True)
    with launches.begun("launch", "--workers", "2", "--", *TRAIN, "--max-epochs", EPOCHS, "--out", "run",
                        folder=folder) as process:
        launches.wait_for(lambda: launches.epochs(out) >= 2)
        started = time.monotonic()
        os.kill(launches.children(folder)[who], number)
        assert process.wait(seconds) == 2
        assert time.monotonic() - started < seconds
        assert_one_line_says(folder / "log", reason, folder)
    assert launches.epochs(out) < int(EPOCHS)


def test_a_resume_after_a_worker_was_killed_repeats_the_run_that_was_not(folder, never_killed):
    out = folder / "killed"
    with launches.begun("launch", "--workers", "2", "--", *TRAIN, "--max-epochs", EPOCHS, "--out", "killed",
                        folder=folder) as process:
        launches.wait_for(lambda: launches.epochs(out) >= 2)
        os.kill(launches.children(folder)["worker 0"], signal.SIGKILL)
        assert process.wait(10) == 2
        command = "gluon-deeprnn launch --workers 2 -- train --resume --out killed"
        assert f"(all were stopped. To resume: {command})" in (folder / "log").read_text().splitlines()[-1]
    assert launches.epochs(out) < int(EPOCHS)
    done = launches.launched("train", "--resume", "--out", "killed", folder=folder)
    assert done.returncode == 0, done.stderr
    assert launches.difference(out, never_killed) == 0
    assert launches.perplexities(out) == launches.perplexities(never_killed)


def test_ctrl_c_writes_a_checkpoint_and_a_resume_repeats_the_run(folder, never_killed):
    out = folder / "interrupted"
    with launches.begun("launch", "--workers", "2", "--", *TRAIN, "--max-epochs", EPOCHS, "--out", "interrupted",
                        folder=folder) as process:
        launches.wait_for(lambda: launches.epochs(out) >= 3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
        assert (folder / "log").read_text().splitlines()[-1] == (
            "all workers have stopped. To resume:  "
            "gluon-deeprnn launch --workers 2 -- train --resume --out interrupted")
        launches.wait_for(lambda: not launches.children(folder), 5)
    assert launches.epochs(out) < int(EPOCHS)
    assert launches.launched("train", "--resume", "--out", "interrupted", folder=folder).returncode == 0
    assert launches.difference(out, never_killed) == 0


@pytest.mark.parametrize(("number", "seconds"), [(signal.SIGKILL, 10), (signal.SIGSTOP, 20)])
def test_the_launcher_that_is_killed_or_stopped_leaves_no_process(number, seconds, folder):
    out = f"orphans-{number}"
    with launches.begun("launch", "--workers", "2", "--", *TRAIN, "--max-epochs", "1000", "--out", out,
                        folder=folder) as process:
        launches.wait_for(lambda: launches.epochs(folder / out) >= 1)
        assert len(launches.children(folder)) == 4
        process.send_signal(number)
        launches.wait_for(lambda: not launches.children(folder), seconds)


def test_a_signal_before_the_workers_have_joined_ends_the_command(folder):
    with launches.begun("launch", "--role", "worker", "--root", free_root(), "--", *TRAIN, "--out", "never",
                        folder=folder) as process:
        time.sleep(4)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 130


def test_a_training_that_diverges_ends_as_it_does_in_one_process(folder):
    """Every checkpoint is due at once: worker 0 waits for the pending steps where the others do."""
    options = ["train", "--text", "fox.txt", "--recipe", "chapter-gru", "--cleaning", "none", "--protocol", "book",
               "--batch-size", "10", "--num-steps", "16", "--lr", "1e30", "--clip", "0", "--checkpoint-seconds", "0",
               "--max-epochs", "2", "--out"]
    alone = launches.run(*options, "nan-1", folder=folder)
    done = launches.launched(*options, "nan-2", folder=folder)
    assert alone.returncode == done.returncode == 2
    assert alone.stderr.splitlines()[-1].startswith("gluon-deeprnn: error: lr must be small enough for a finite loss")
    assert done.stderr.splitlines()[-1] == alone.stderr.splitlines()[-1]


def test_an_error_of_the_training_is_one_line_and_ends_all(folder):
    done = launches.launched("train", "--text", "no.txt", folder=folder)
    assert done.returncode == 2
    assert re.fullmatch("gluon-deeprnn: 2 workers.*\ngluon-deeprnn: error: text must be a file that can be read; got "
                        "'no.txt': No such file or directory\n", done.stderr), done.stderr
    assert not launches.children(folder)


def test_a_port_that_is_taken_is_one_line(folder):
    root = free_root()
    with socket.socket() as taken:
        taken.bind((root.host, root.port))
        taken.listen()
        done = launches.run("launch", "--workers", "2", "--root", root, "--", *TRAIN, folder=folder)
    assert done.returncode == 2
    assert done.stderr == ("gluon-deeprnn: error: root must be an address of this machine with two free ports; got "
                           f"port {root.port} of 127.0.0.1: Address already in use\n")


def test_a_scheduler_that_does_not_answer_is_one_line(folder):
    done = launches.run("launch", "--role", "worker", "--root", free_root(), "--wait", "2", "--", *TRAIN, "--out", "x",
                        folder=folder)
    assert done.returncode == 2
    assert re.fullmatch(r"gluon-deeprnn: error: launch must be .*; got the scheduler at 127\.0\.0\.1:\d+ does not "
                        r"answer: .* \(all were stopped\)\n", done.stderr), done.stderr


def test_workers_that_do_not_come_are_one_line(folder):
    done = launches.run("launch", "--role", "scheduler", "--workers", "2", "--root", free_root(), "--wait", "3",
                        folder=folder)
    assert done.returncode == 2
    assert re.fullmatch(r"gluon-deeprnn: error: launch must be .*; got server 0, worker 0, worker 1 has not come "
                        r"within 3 s \(all were stopped\)", done.stderr.splitlines()[-1]), done.stderr


def test_parts_that_are_started_one_by_one_are_one_training(folder, never_killed):
    root, out = free_root(), folder / "parts"
    roles = {"worker-1": ["worker", "--index", "1"], "worker-0": ["worker", "--index", "0"], "server": ["server"]}
    worker = ["--", *TRAIN, "--max-epochs", EPOCHS, "--out", "parts"]
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(launches.begun(
            "launch", "--role", *role, "--root", root, *(worker if role[0] == "worker" else []), folder=folder,
            log=f"{name}.txt")) for name, role in roles.items()]
        done = launches.run("launch", "--role", "scheduler", "--workers", "2", "--root", root, folder=folder)
        assert done.returncode == 0, done.stderr
        assert [process.wait(10) for process in started] == [0, 0, 0]
    assert launches.difference(out, never_killed) == 0
    assert "epoch 8/8" in (folder / "worker-0.txt").read_text()
    assert not (folder / "worker-1.txt").read_text()


@pytest.fixture
def network():
    """Two network namespaces, each with an address of its own, that reach each other."""
    if os.geteuid() != 0 or not shutil.which("ip"):
        pytest.skip("needs root and the command ip, for network namespaces")
    names = [f"deeprnn-{os.getpid()}-{i}" for i in (1, 2)]
    commands = [f"ip netns add {name}" for name in names]
    commands += [f"ip link add v1 netns {names[0]} type veth peer name v2 netns {names[1]}"]
    commands += [f"ip -n {name} {what}" for i, name in enumerate(names, 1) for what in (
        f"addr add 10.213.0.{i}/24 dev v{i}", f"link set v{i} up", "link set lo up")]
    try:
        for command in commands:
            if os.system(f"{command} > /dev/null 2>&1"):
                pytest.skip(f"cannot make network namespaces here: {command}")
        yield names
    finally:
        for name in names:
            os.system(f"ip netns del {name} > /dev/null 2>&1")


def test_a_worker_that_is_cut_off_from_the_network_ends_all_on_both_sides(network, folder, never_killed):
    root, out = "10.213.0.1:9091", folder / "cut"
    inside = [["ip", "netns", "exec", name] for name in network]
    worker = ["--", *TRAIN, "--max-epochs", EPOCHS, "--out", "cut"]
    with contextlib.ExitStack() as stack:
        here = [stack.enter_context(launches.begun("launch", "--role", *role, "--root", root, folder=folder,
                                                   prefix=inside[0], log=f"cut-{role[0]}.txt"))
                for role in (["scheduler", "--workers", "2"], ["server"])]
        here.append(stack.enter_context(launches.begun("launch", "--role", "worker", "--index", "0", "--root", root,
                                                       *worker, folder=folder, prefix=inside[0], log="cut-worker.txt")))
        there = stack.enter_context(launches.begun("launch", "--role", "worker", "--index", "1", "--root", root,
                                                   *worker, folder=folder, prefix=inside[1], log="cut-there.txt"))
        launches.wait_for(lambda: launches.epochs(out) >= 2)
        os.system(f"ip -n {network[1]} link set v2 down")
        started = time.monotonic()
        assert [process.wait(30) for process in [*here, there]] == [2, 2, 2, 2]
        assert time.monotonic() - started < 30
        assert_one_line_says(folder / "cut-scheduler.txt", r"worker 1 \(10\.213\.0\.2\) has not answered for 10 s",
                             folder)
        assert_one_line_says(folder / "cut-there.txt",
                             r"the scheduler at 10\.213\.0\.1:9091 has not answered for 10 s", folder)
    done = launches.launched("train", "--resume", "--out", "cut", folder=folder)
    assert done.returncode == 0, done.stderr
    assert launches.difference(out, never_killed) == 0
