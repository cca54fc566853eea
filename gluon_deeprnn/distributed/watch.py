"""Watches all processes of a training from the machine of the scheduler: if one fails, all are stopped."""

import asyncio
import contextlib
import dataclasses
import time
from typing import Any, AsyncIterator, Dict, List, Optional

from gluon_deeprnn.distributed import messages
from gluon_deeprnn.distributed.addresses import Root
from gluon_deeprnn.errors import Described, InputError

ROLES = ("scheduler", "server", "worker")


@dataclasses.dataclass(frozen=True)
class Group:
    """The processes of a training.

    Attributes
    ----------
    num_workers, num_servers : int
        Their numbers; one worker needs neither servers nor a scheduler.
    timeout : float
        Seconds without a sign of life after which a process counts as dead.
    patience : float
        Seconds in which all processes must have come, and in which workers that wait for each other must go on.
    """

    num_workers: int
    num_servers: int = 1
    timeout: float = 10.0
    patience: float = 60.0

    @property
    def names(self) -> List[str]:
        """The names of the processes."""
        workers = [f"worker {i}" for i in range(self.num_workers)]
        if self.num_workers == 1:
            return workers
        return ["scheduler", *(f"server {i}" for i in range(self.num_servers)), *workers]


@dataclasses.dataclass
class _Member:
    host: str
    writer: asyncio.StreamWriter
    heard: float
    joined: bool = False
    status: Optional[int] = None
    received: int = 0
    is_waiting: bool = False


class Silences:
    """Measures silence, without the time in which this process itself did not run."""

    def __init__(self) -> None:
        self._now = time.monotonic()
        self._stood_still = 0.0

    def now(self) -> float:
        """The seconds that this process has run; call it at least every two seconds."""
        before, self._now = self._now, time.monotonic()
        if self._now - before > 2 * messages.SECONDS:
            self._stood_still += self._now - before
        return self._now - self._stood_still


class Watch:
    """What the processes of a training report, and whether it is over.

    Parameters
    ----------
    root : Root
        It listens on the port after that of ps-lite.
    group : Group
        The processes that must come.

    Attributes
    ----------
    reason : str or None
        Why all processes were stopped.
    over : asyncio.Event
        Set when all workers are done, or all processes were stopped.
    """

    def __init__(self, root: Root, group: Group) -> None:
        self._root, self._group = root, group
        self._members: Dict[str, _Member] = {}
        self._clock = Silences()
        self._progress: Any = None
        self._progressed = 0.0
        self.reason: Optional[str] = None
        self.over = asyncio.Event()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Accept connections and watch, inside the context.

        Raises
        ------
        ValueError
            If the port was taken in the meantime.
        """
        try:
            server = await asyncio.start_server(self._serve, self._root.host, self._root.port + 1)
        except OSError as error:
            raise InputError("root", "an address of this machine with two free ports", Described(
                f"port {self._root.port + 1} of {self._root.host}: {error.strerror}")) from None
        watching = asyncio.ensure_future(self._watch())
        watching.add_done_callback(self._stopped_watching)
        try:
            yield
        finally:
            watching.cancel()
            server.close()
            for member in self._members.values():
                member.writer.close()

    def _stopped_watching(self, watching: "asyncio.Future[None]") -> None:
        if not watching.cancelled() and watching.exception() is not None:
            self.fail(f"the watch failed: {watching.exception()!r}")

    def fail(self, reason: str, name: Optional[str] = None, status: Optional[int] = None) -> None:
        """Stop all processes, unless the training is over; the name is that of the process that has failed, if one has.

        The status is the one with which it has ended, if it has.
        """
        if not self.over.is_set():
            self.reason = reason
            self._end(stop=reason, name=name, status=status)

    def _end(self, **message: Any) -> None:
        for member in self._members.values():
            messages.write(member.writer, **message)
        self.over.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("peername")[0]
        try:
            hello = await asyncio.wait_for(messages.read(reader), self._group.timeout)
            if hello is None:
                return
            name = self._name_of(hello)
            if name is None:
                expected = f"one of {', '.join(self._group.names)} that has not come yet"
                messages.write(writer, refused=expected)
                return
            self._members[name] = _Member(host, writer, self._clock.now())
            messages.write(writer, name=name, num_workers=self._group.num_workers,
                           num_servers=self._group.num_servers, timeout=self._group.timeout)
            message = await messages.read(reader)
            while message is not None:
                self._heard(name, message)
                message = await messages.read(reader)
            self.fail(f"{name} ({host}) closed its connection")
        except asyncio.TimeoutError:
            pass  # what has come is none of the processes
        except asyncio.CancelledError:
            pass  # the training is over; asyncio would print a traceback
        finally:
            writer.close()

    def _name_of(self, hello: Dict[str, Any]) -> Optional[str]:
        """The name of a process that has come: the one that it asks for, or the first of its role that is free."""
        free = [name for name in self._group.names if name not in self._members]
        wanted = [name for name in free if name.split()[0] == hello.get("role")]
        if hello.get("index") is not None:
            wanted = [name for name in wanted if name in ("scheduler", f"{hello.get('role')} {hello['index']}")]
        return wanted[0] if wanted and not self.over.is_set() else None

    def _heard(self, name: str, message: Dict[str, Any]) -> None:
        member = self._members[name]
        member.heard = self._clock.now()
        member.joined = member.joined or bool(message.get("joined"))
        if "received" in message:
            member.received, member.is_waiting = int(message["received"]), bool(message.get("waiting"))
        if "failed" in message:
            self.fail(f"{name} ({member.host}) {message['failed']}", name, message.get("status"))
        if isinstance(message.get("done"), int):
            member.status = message["done"]
            statuses = [each.status for each_name, each in self._members.items() if each_name.startswith("worker")]
            if len(statuses) == self._group.num_workers and None not in statuses and not self.over.is_set():
                self._end(finished=self._members["worker 0"].status)

    async def _watch(self) -> None:
        began, complete = self._clock.now(), None
        while not self.over.is_set():
            await asyncio.sleep(messages.SECONDS)
            now = self._clock.now()
            for name, member in self._members.items():
                messages.write(member.writer, alive=True)
                if now - member.heard > self._group.timeout:
                    self.fail(f"{name} ({member.host}) has not answered for {self._group.timeout:g} s")
            missing = [name for name in self._group.names if name not in self._members]
            if not missing and complete is None:
                complete = now
            self._notice_waiting(now)
            if missing and now - began > self._group.patience:
                self.fail(f"{', '.join(missing)} has not come within {self._group.patience:g} s")
            late = [name for name, member in self._members.items() if name.startswith("worker") and not member.joined]
            if complete is not None and late and now - complete > self._group.patience:
                self.fail(f"{', '.join(late)} could not reach the others over ps-lite within "
                          f"{self._group.patience:g} s")

    def _notice_waiting(self, now: float) -> None:
        """Fail if all workers wait for each other for long: a message was lost, or a server cannot be reached."""
        workers = [each for name, each in self._members.items() if name.startswith("worker")]
        progress = [each.received for each in workers]
        if progress != self._progress or not all(each.is_waiting and each.joined for each in workers):
            self._progress, self._progressed = progress, now
        elif now - self._progressed > self._group.patience:
            self.fail(f"all workers have waited for each other for {self._group.patience:g} s")
