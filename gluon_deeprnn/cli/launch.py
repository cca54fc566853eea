"""Train in several processes, on this machine or on several."""

import argparse
import contextlib
from pathlib import Path
import shlex
import sys
from typing import List, Optional, Sequence

from gluon_deeprnn import _checks, runtime
from gluon_deeprnn.cli import child
from gluon_deeprnn.cli.arguments import as_float, as_int
from gluon_deeprnn.distributed.addresses import (
    as_address,
    as_root,
    check_free,
    check_not_public,
    free_root,
    own_address,
)
from gluon_deeprnn.distributed.launching import Plan, launch
from gluon_deeprnn.distributed.part import Outcome
from gluon_deeprnn.distributed.watch import ROLES, Group
from gluon_deeprnn.errors import Described, ExitStatus, InputError, StoppedError

EXAMPLES = """\
examples:
  gluon-deeprnn launch --workers 2 -- train --text story.txt        all processes on this machine
  gluon-deeprnn launch --workers 2 -- train --resume --out runs/own-text

on several machines, one command each:
  gluon-deeprnn launch --role scheduler --root 10.0.0.1:9091 --workers 2
  gluon-deeprnn launch --role server --root 10.0.0.1:9091
  gluon-deeprnn launch --role worker --index 0 --root 10.0.0.1:9091 -- train --text story.txt
  gluon-deeprnn launch --role worker --index 1 --root 10.0.0.1:9091 -- train --text story.txt

Each worker computes the gradients of its share of every batch.  Worker 0 reads the text, sends it to the others, and
writes the files.  ps-lite has neither passwords nor encryption: whoever reaches its ports can read and change the
training.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this command."""
    parser.add_argument("--workers", metavar="N", help="number of workers; not for --role server and worker")
    parser.add_argument("--servers", metavar="N", default="1", help="number of servers, among which the parameters are "
                        "divided (default 1)")
    parser.add_argument("--role", metavar="ROLE", help=f"start one process only: {', '.join(ROLES)}")
    parser.add_argument("--index", metavar="I", help="with --role server and worker: its number, from 0 (default: the "
                        "next that is free); worker 0 writes the files")
    parser.add_argument("--root", metavar="HOST:PORT", help="where the scheduler listens, on this port and the next "
                        "(default: this machine only, two free ports)")
    parser.add_argument("--address", metavar="HOST", help="with --role: where this process listens (default: the "
                        "address by which it reaches the root)")
    parser.add_argument("--allow-public", action="store_true", help="listen on an address of the internet too")
    parser.add_argument("--timeout", metavar="SECONDS", default="10", help="a process without a sign of life for this "
                        "time counts as dead, and all are stopped (default 10)")
    parser.add_argument("--wait", metavar="SECONDS", default="60", help="within this time all processes must come "
                        "(default 60)")
    parser.add_argument("--logs", metavar="DIR", default="launch-logs", help="the folder of the output of each process "
                        "(default launch-logs)")
    parser.add_argument("train", nargs=argparse.REMAINDER, metavar="-- train ...", help="the training")


def run(arguments: argparse.Namespace) -> None:
    """Start the processes, and wait for their end."""
    with contextlib.ExitStack() as folders:
        _run(arguments, _plan(arguments, folders))


def _run(arguments: argparse.Namespace, plan: Plan) -> None:
    if plan.watches:
        workers, servers = (f"{count} {name}{'s' if count > 1 else ''}" for count, name in (
            (plan.group.num_workers, "worker"), (plan.group.num_servers, "server")))
        print(f"gluon-deeprnn: {workers}, {servers}, scheduler on {plan.root}; logs in {plan.logs}", file=sys.stderr,
              flush=True)
    try:
        outcome = launch(plan)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_how_to_resume(arguments, plan, "all processes were stopped")) from None
    _conclude(outcome, arguments, plan)


def _conclude(outcome: Outcome, arguments: argparse.Namespace, plan: Plan) -> None:
    if outcome.reason is None:
        if outcome.status == ExitStatus.INTERRUPTED:
            raise KeyboardInterrupt(_how_to_resume(arguments, plan, "all workers have stopped"))
        return
    if ("worker", 0) in plan.parts and outcome.failed == "worker 0" and outcome.status == ExitStatus.INVALID:
        sys.exit(ExitStatus.INVALID)  # its error is already shown
    raise StoppedError("launch", "a group of processes that all run until the end", Described(outcome.reason),
                       _how_to_resume(arguments, plan, "all were stopped"))


def _how_to_resume(arguments: argparse.Namespace, plan: Plan, what: str) -> str:
    folder = _folder(plan.command)
    if folder is None or not (folder / "checkpoint").exists():
        return what
    command = f"gluon-deeprnn launch --workers {plan.group.num_workers}" if plan.watches else "the same commands with"
    return f"{what}. To resume:  {command} -- train --resume --out {shlex.quote(str(folder))}"


def _folder(command: Sequence[str]) -> Optional[Path]:
    """The run folder that the command names."""
    from gluon_deeprnn.cli.main import parse

    out = parse(command).out if command else None
    return Path(out) if out else None


def _plan(arguments: argparse.Namespace, folders: contextlib.ExitStack) -> Plan:
    role = arguments.role
    if role is not None:
        _checks.one_of("role", role, ROLES)
    here = role in (None, "scheduler")
    if here and arguments.workers is None:
        raise InputError("workers", "given", None)
    num_workers = _checks.integer("workers", as_int(arguments.workers or "1"), at_least=1)
    if role == "scheduler" and num_workers == 1:
        raise InputError("workers", "at least 2 with --role scheduler", num_workers,
                         "one worker needs no others: gluon-deeprnn train")
    group = Group(num_workers, _checks.integer("servers", as_int(arguments.servers), at_least=1),
                  _checks.positive("timeout", as_float(arguments.timeout)),
                  _checks.positive("wait", as_float(arguments.wait)))
    index = None if arguments.index is None else _checks.integer("index", as_int(arguments.index), at_least=0)
    if index is not None and role not in ("server", "worker"):
        raise InputError("index", "given with --role server or worker only", index)
    if role is not None and arguments.root is None:
        raise InputError("root", "given with --role", None)
    root = free_root() if arguments.root is None else as_root(arguments.root, 0 if here else group.patience)
    address = as_address(arguments.address) if arguments.address else root.host if here else \
        own_address(root, group.patience)
    for each in {address, *([root.host] if here else [])}:
        check_not_public(each, allowed=arguments.allow_public)
    if here:
        check_free(root)
    command = _command(arguments.train, folders, needed=role in (None, "worker"))
    logs = Path(arguments.logs)
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("logs", "a folder that can be written", Described(f"{arguments.logs!r}: {error.strerror}"),
                         ) from None
    if role is None:
        parts = tuple((name.split()[0], int(name.split()[1]) if " " in name else None) for name in group.names)
    else:
        parts = ((role, index),)
    num_threads = max(1, runtime.usable_cores() // num_workers) if role is None else None
    return Plan(parts, root, address, Path(child.__file__), tuple(command), logs, group, here,
                num_threads)


def _command(given: List[str], folders: contextlib.ExitStack, *, needed: bool) -> List[str]:
    """The command of the workers, with the folder of the run; its options are checked."""
    from gluon_deeprnn.cli import train  # they import this module
    from gluon_deeprnn.cli.main import parse

    command = given[1:] if given[:1] == ["--"] else given
    if not needed:
        if command:
            raise InputError("command", "given to workers only", " ".join(command))
        return []
    if command[:1] != ["train"]:
        raise InputError("command", "one that begins with train, after --", " ".join(command) or None)
    known = parse(command)
    if not (known.out or known.resume):
        command = [*command, "--out", str(folders.enter_context(train.run_folder(known)))]
    return command
