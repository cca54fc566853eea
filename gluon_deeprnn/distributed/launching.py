"""Runs the processes of a training that belong to this machine, until the training is over."""

import asyncio
import contextlib
import dataclasses
from pathlib import Path
import signal
from typing import List, Optional, Sequence, Tuple

from gluon_deeprnn.distributed.addresses import Root
from gluon_deeprnn.distributed.part import Outcome, Part
from gluon_deeprnn.distributed.watch import Group, Watch
from gluon_deeprnn.errors import ExitStatus


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is started on this machine.

    Attributes
    ----------
    parts : tuple of (str, int or None)
        Role and index of each process.
    root : Root
        Where the scheduler listens.
    address : str
        Where the processes of this machine listen.
    program : pathlib.Path
        The file that each process runs.
    command : tuple of str
        The command of the workers.
    logs : pathlib.Path
        The folder of the processes' output.
    group : Group
        All processes of the training; on a machine without the scheduler only ``patience`` is used.
    watches : bool
        Whether this machine watches all processes: that of the scheduler.
    num_threads : int or None
        Threads of each worker.
    """

    parts: Tuple[Tuple[str, Optional[int]], ...]
    root: Root
    address: str
    program: Path
    command: Tuple[str, ...]
    logs: Path
    group: Group
    watches: bool
    num_threads: Optional[int] = None


def launch(plan: Plan) -> Outcome:
    """Run the processes; all have ended when this returns, however the training ended.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C or a termination signal, unless the workers have agreed to stop.
    """
    return asyncio.run(_launch(plan))


async def _launch(plan: Plan) -> Outcome:
    watch = Watch(plan.root, plan.group) if plan.watches else None
    async with contextlib.AsyncExitStack() as stack:
        if watch is not None:
            await stack.enter_async_context(watch.listening())
        parts = [Part(role, index, plan.root, plan.address, plan.program, plan.command, plan.logs, plan.num_threads,
                      plan.group.patience) for role, index in plan.parts]
        tasks = [asyncio.ensure_future(part.run()) for part in parts]
        stopped = _on_signals(parts, tasks, watch)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        if stopped:
            raise KeyboardInterrupt
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
        found: List[Outcome] = [outcome for outcome in outcomes if isinstance(outcome, Outcome)]
        failed = [outcome for outcome in found if outcome.reason is not None]
        if failed and any(part.interrupted for part in parts) and failed[0].status == ExitStatus.INTERRUPTED:
            raise KeyboardInterrupt
        return failed[0] if failed else found[0]


def _on_signals(parts: Sequence[Part], tasks: Sequence["asyncio.Future[Outcome]"], watch: Optional[Watch],
                ) -> List[int]:
    """Pass the first signal on to the workers, and end everything at the second; return the list of the second ones.

    Before its workers have joined the others, and without workers, a machine ends its processes at the first: there is
    nothing to keep, and the others are stopped by the watch.
    """
    second: List[int] = []

    def handle(number: int) -> None:
        workers = [part for part in parts if part.name.startswith("worker")]
        if workers and all(part.joined and not part.interrupted for part in workers):
            for part in workers:
                part.interrupt()
            return
        second.append(number)
        if watch is not None:
            watch.fail("the launching process was stopped")
        for task in tasks:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, handle, number)
    return second
