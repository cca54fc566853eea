"""Starts one process of a training on this machine, watches it, and ends it when the training is over."""

import asyncio
import contextlib
import dataclasses
import os
from pathlib import Path
import re
import signal
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from gluon_deeprnn.distributed import messages
from gluon_deeprnn.distributed.addresses import Root
from gluon_deeprnn.distributed.output import Output
from gluon_deeprnn.distributed.watch import Silences
from gluon_deeprnn.errors import ExitStatus

_BUSY = 20  # hundredths of a second of the processor's time


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a training ended, for one of its processes.

    Attributes
    ----------
    status : int or None
        The exit status of worker 0 if all workers were done; otherwise that of the process that has failed, if it has
        ended.
    reason : str or None
        Why it was stopped; None if all workers were done.
    failed : str or None
        The name of the process that has failed, if one has.
    """

    status: Optional[int] = None
    reason: Optional[str] = None
    failed: Optional[str] = None


class Part:
    """One process of a training on this machine.

    Parameters
    ----------
    role : {"scheduler", "server", "worker"}
        What it does.
    index : int or None
        Its number among those of its role; None: the watch chooses.
    root : Root
        Where the scheduler listens.
    address : str
        Where the process listens.
    program : pathlib.Path
        The file that is run by Python: it writes the signs of life.
    command : sequence of str
        The command of a worker, such as ``["train", "--text", "story.txt"]``.
    logs : pathlib.Path
        The folder of its output.
    num_threads : int or None
        The number of threads of a worker; None: as many as it has cores.
    patience : float
        Seconds in which the scheduler must answer.
    """

    def __init__(self, role: str, index: Optional[int], root: Root, address: str, program: Path,
                 command: Sequence[str], logs: Path, num_threads: Optional[int], patience: float) -> None:
        self._role, self._index, self._root, self._address = role, index, root, address
        self._program = program
        self._command, self._logs, self._num_threads, self._patience = list(command), logs, num_threads, patience
        self._process: Any = None
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._clock = Silences()
        self._heard = self._lived = 0.0
        self._done = False
        self._used = 0.0
        self.name, self.log = role, logs / "log"
        self.interrupted = self.joined = False

    async def run(self) -> Outcome:
        """Run the process until the training is over; it has ended when this returns."""
        try:
            reader, writer = await self._connected()
        except (OSError, asyncio.TimeoutError) as error:
            return Outcome(reason=f"the scheduler at {self._root} does not answer: "
                                  f"{str(error) or 'no answer'}")
        try:
            messages.write(writer, role=self._role, index=self._index)
            welcome = await asyncio.wait_for(messages.read(reader), self._patience)
            if welcome is not None and "refused" in welcome:
                asked = self._role if self._index is None else f"{self._role} {self._index}"
                return Outcome(reason=f"the scheduler expects {welcome['refused']}, not {asked}")
            if welcome is None or "name" not in welcome:
                return Outcome(reason=f"the process at {self._root} does not watch a training")
            return await self._run(reader, writer, welcome)
        except asyncio.TimeoutError:
            return Outcome(reason=f"the scheduler at {self._root} does not answer")
        finally:
            writer.close()

    async def _connected(self) -> Any:
        """A connection to the watch, which may start later than this process."""
        end = time.monotonic() + self._patience
        while True:
            left = end - time.monotonic()
            try:
                return await asyncio.wait_for(asyncio.open_connection(self._root.host, self._root.port + 1),
                                              max(left, 0.1))
            except OSError:  # it has not started yet, or the network has not
                if left < 0:
                    raise
                await asyncio.sleep(0.2)

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, welcome: Dict[str, Any],
                   ) -> Outcome:
        self.name = str(welcome["name"])
        self.log = self._logs / f"{self.name.replace(' ', '-')}.log"
        self._heard = self._lived = self._clock.now()
        timeout = float(welcome["timeout"])
        async with self._started(welcome, writer):
            tasks = [asyncio.ensure_future(each) for each in (
                self._listen(reader), self._tick(writer, timeout), self._wait_for_end(writer))]
            for task in tasks:
                task.add_done_callback(self._task_ended)
            try:
                return await self._outcome
            finally:
                for task in tasks:
                    task.cancel()

    def _task_ended(self, task: "asyncio.Future[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._finish(Outcome(reason=f"{self.name} could not be watched: {task.exception()!r}"))

    def _finish(self, outcome: Outcome) -> None:
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def interrupt(self) -> None:
        """Send Ctrl-C to a worker: all workers stop after the same step."""
        self.interrupted = True
        if self._process is not None and self._process.returncode is None and self._role == "worker":
            self._process.send_signal(signal.SIGINT)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """What the watch says."""
        message = await messages.read(reader)
        while message is not None:
            self._heard = self._clock.now()
            if "stop" in message:
                status, failed = message.get("status"), message.get("name")
                self._finish(Outcome(status if isinstance(status, int) else None, str(message["stop"]),
                                     failed if isinstance(failed, str) else None))
            if "finished" in message:
                self._finish(Outcome(status=int(message["finished"])))
            message = await messages.read(reader)
        self._finish(Outcome(reason=f"the scheduler at {self._root} closed its connection"))

    async def _tick(self, writer: asyncio.StreamWriter, timeout: float) -> None:
        """Say that this process is alive, and notice if another is not."""
        while True:
            await asyncio.sleep(messages.SECONDS)
            now = self._clock.now()
            if now - self._heard > timeout:
                self._finish(Outcome(reason=f"the scheduler at {self._root} has not answered for {timeout:g} s"))
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._to_child, b".")
            if self._computes():
                self._lived = now
            if self._process.returncode is None and now - self._lived > timeout:
                messages.write(writer, failed=f"has shown no sign of life for {timeout:g} s")
            else:
                messages.write(writer, alive=True)

    def _computes(self) -> bool:
        """Whether the process has used the processor lately: a long call of C can keep its threads from running."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            return False
        before, self._used = self._used, int(fields[11]) + int(fields[12])  # in hundredths of a second
        return fields[0] not in "tT" and self._used - before >= _BUSY

    async def _wait_for_end(self, writer: asyncio.StreamWriter) -> None:
        """Report how the process has ended."""
        status = await self._process.wait()
        await asyncio.sleep(0.2)  # the rest of its output
        if self._done and status in (ExitStatus.DONE, ExitStatus.INTERRUPTED):
            messages.write(writer, done=status)
        else:
            messages.write(writer, failed=self._ended(status), status=status)

    def _ended(self, status: int) -> str:
        if status < 0:
            # What it wrote last is its progress, not its error.
            names = {each.value: f" ({each.name})" for each in signal.Signals}
            return f"was killed by signal {-status}{names.get(-status, '')}"
        last = _last_line(self.log)
        return f"exited with status {status}" + (f"; its last line: {last}" if last else "")

    def _lines(self, content: bytes, writer: asyncio.StreamWriter) -> None:
        """What the process writes to its pipe."""
        self._lived = self._clock.now()
        for line in content.decode(errors="replace").splitlines():
            first, *rest = line.split()
            if first == "alive" and len(rest) == 2:
                messages.write(writer, received=int(rest[0]), waiting=rest[1] == "waiting")
            self.joined = self.joined or first == "joined"
            self._done = self._done or first == "done"
        if self.joined:
            messages.write(writer, joined=True)

    @contextlib.asynccontextmanager
    async def _started(self, welcome: Dict[str, Any], writer: asyncio.StreamWriter) -> Any:
        """The process; it is killed at the end of the context, with all that it has started."""
        loop = asyncio.get_running_loop()
        self._logs.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self.log.open("wb", buffering=0))
            shown = self.name == "worker 0"
            outputs = [Output(stream, log) if shown else None for stream in (sys.stdout, sys.stderr)]
            life, child_end = os.pipe()
            child_in, self._to_child = os.pipe()
            os.set_blocking(self._to_child, False)
            stdout, stderr = (output.child_end if output else log for output in outputs)
            try:
                self._process = await asyncio.create_subprocess_exec(
                    sys.executable, str(self._program), str(child_end), str(child_in), str(welcome["timeout"]), "--",
                    *self._command, env=self._environment(welcome), start_new_session=True,
                    pass_fds=[child_end, child_in, *(self._streams() if shown else [])],
                    stdin=None if shown else asyncio.subprocess.DEVNULL, stdout=stdout, stderr=stderr)
            finally:
                os.close(child_end)
                os.close(child_in)
            for output in outputs:
                if output:
                    output.begin()
            loop.add_reader(life, _chunks, life, loop, lambda content: self._lines(content, writer))
            try:
                yield
            finally:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                await self._process.wait()
                loop.remove_reader(life)
                os.close(life)
                os.close(self._to_child)
                for output in outputs:
                    if output:
                        output.close()

    def _streams(self) -> List[int]:
        """The open files that the command names, as the shell's ``<(...)`` does."""
        found = [re.fullmatch(r"/(?:dev|proc/self)/fd/(\d+)", word) for word in self._command]
        return [int(match[1]) for match in found if match and int(match[1]) > 2]

    def _environment(self, welcome: Dict[str, Any]) -> Dict[str, str]:
        own = {
            "DMLC_ROLE": self._role, "DMLC_PS_ROOT_URI": self._root.host, "DMLC_PS_ROOT_PORT": str(self._root.port),
            "DMLC_NUM_WORKER": str(int(welcome["num_workers"])), "DMLC_NUM_SERVER": str(int(welcome["num_servers"])),
            "DMLC_NODE_HOST": self._root.host if self._role == "scheduler" else self._address,
            "PYTHONUNBUFFERED": "1"}
        if self._role == "worker":
            own["GLUON_DEEPRNN_WORKER"] = self.name.split()[1]
        threads = {"OMP_NUM_THREADS": str(self._num_threads)} if self._num_threads is not None else {}
        return {**threads, **os.environ, **own}


def _chunks(descriptor: int, loop: asyncio.AbstractEventLoop, use: Callable[[bytes], None]) -> None:
    """Read what has come; at the end, stop reading."""
    try:
        content = os.read(descriptor, 65536)
    except OSError:  # a terminal whose process has ended
        content = b""
    if content:
        use(content)
    else:
        loop.remove_reader(descriptor)


def _last_line(log: Path) -> str:
    try:
        content = log.read_bytes()[-4096:].decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines: List[str] = [line.strip() for line in content.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
