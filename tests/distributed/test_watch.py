"""The watch stops all processes when one fails; clients of the tests stand in for the processes."""

import asyncio
import contextlib
import time

from gluon_deeprnn.distributed import messages
from gluon_deeprnn.distributed.addresses import free_root
from gluon_deeprnn.distributed.watch import Group, Silences, Watch
import pytest

GROUP = Group(2, 1, timeout=1.5, patience=1.5)


@pytest.fixture(autouse=True)
def fast(monkeypatch):
    monkeypatch.setattr(messages, "SECONDS", 0.05)


class Client:
    """A process that speaks with the watch."""

    def __init__(self, root):
        self._root = root

    async def come(self, role, index=None):
        self.reader, self.writer = await asyncio.open_connection(self._root.host, self._root.port + 1)
        self.say(role=role, index=index)
        self.welcome = await messages.read(self.reader)
        return self

    def say(self, **message):
        messages.write(self.writer, **message)

    async def end(self):
        """The first message that ends the training."""
        while True:
            message = await messages.read(self.reader)
            if message != {"alive": True}:
                return message


def watched(scenario, group=GROUP):
    """Run a scenario with a watch, and return the watch."""
    async def run():
        watch, clients = Watch(free_root(), group), []

        def client():
            clients.append(Client(watch._root))
            return clients[-1]

        async with watch.listening():
            await asyncio.wait_for(scenario(watch, client), 20)
            for each in clients:
                each.writer.close()
                with contextlib.suppress(ConnectionError):
                    await each.writer.wait_closed()
        return watch

    return asyncio.run(run())


async def all_of(client, *, joined=True):
    """All processes of the group."""
    found = [await client().come(role, index) for role, index in (
        ("scheduler", None), ("server", None), ("worker", 1), ("worker", None))]
    assert [each.welcome["name"] for each in found] == ["scheduler", "server 0", "worker 1", "worker 0"]
    if joined:
        for each in found:
            each.say(joined=True)
    return found


def test_it_is_over_when_all_workers_are_done_and_the_status_is_that_of_the_first():
    async def scenario(watch, client):
        found = await all_of(client)
        found[2].say(done=0)
        await asyncio.sleep(0.2)
        assert not watch.over.is_set()
        found[3].say(done=130)
        assert [await each.end() for each in found] == [{"finished": 130}] * 4

    assert watched(scenario).reason is None


@pytest.mark.parametrize("who", range(4))
def test_a_failure_of_any_process_is_told_to_all(who):
    async def scenario(watch, client):
        found = await all_of(client)
        found[who].say(failed="was killed by signal 9 (SIGKILL)", status=-9)
        name = found[who].welcome["name"]
        expected = {"stop": f"{name} (127.0.0.1) was killed by signal 9 (SIGKILL)", "name": name, "status": -9}
        assert [await each.end() for each in found] == [expected] * 4

    watched(scenario)


def test_a_process_that_says_nothing_any_more_stops_all():
    async def scenario(watch, client):
        found = await all_of(client)

        async def alive(each):
            while not watch.over.is_set():
                each.say(alive=True)
                await asyncio.sleep(0.1)

        await asyncio.gather(*(alive(each) for each in found if each is not found[2]))

    assert watched(scenario).reason == "worker 1 (127.0.0.1) has not answered for 1.5 s"


def test_a_connection_that_closes_stops_all():
    async def scenario(watch, client):
        found = await all_of(client)
        found[1].writer.close()
        await watch.over.wait()

    assert watched(scenario).reason == "server 0 (127.0.0.1) closed its connection"


def test_processes_that_do_not_come_stop_those_that_have():
    async def scenario(watch, client):
        one = await client().come("worker", 0)
        while not watch.over.is_set():
            one.say(alive=True)
            await asyncio.sleep(0.1)
        assert (await one.end())["stop"].startswith("scheduler, server 0, worker 1 has not come")

    assert watched(scenario).reason == "scheduler, server 0, worker 1 has not come within 1.5 s"


def test_workers_that_do_not_reach_each_other_stop_all():
    async def scenario(watch, client):
        found = await all_of(client, joined=False)
        found[3].say(joined=True)
        while not watch.over.is_set():
            for each in found:
                each.say(alive=True)
            await asyncio.sleep(0.1)

    assert watched(scenario).reason == "worker 1 could not reach the others over ps-lite within 1.5 s"


@pytest.mark.parametrize("progresses", [False, True])
def test_workers_that_wait_for_each_other_without_progress_stop_all(progresses):
    async def scenario(watch, client):
        found = await all_of(client)
        for second in range(60):
            for i, each in enumerate(found):
                each.say(alive=True, received=7 + second * progresses * (i == 3), waiting=True)
            await asyncio.sleep(0.05)

        assert watch.reason == (None if progresses else "all workers have waited for each other for 1.5 s")

    watched(scenario)


def test_a_worker_that_computes_alone_may_take_its_time():
    async def scenario(watch, client):
        found = await all_of(client)
        for _ in range(60):
            for i, each in enumerate(found):
                each.say(alive=True, received=7, waiting=i != 3)
            await asyncio.sleep(0.05)
        assert watch.reason is None

    watched(scenario)


@pytest.mark.parametrize(("role", "index"), [("worker", 1), ("worker", 2), ("server", 1), ("scheduler", None), ("x", 0),
                                             (None, None)])
def test_a_process_that_is_not_expected_is_refused(role, index):
    async def scenario(watch, client):
        await client().come("scheduler")
        await client().come("worker", 1)
        other = await client().come(role, index)
        assert other.welcome == {"refused": "one of scheduler, server 0, worker 0, worker 1 that has not come yet"}
        assert not watch.over.is_set()

    watched(scenario)


@pytest.mark.parametrize("content", [
    b"GET / HTTP/1.1\r\n\r\n", b"\n", b"[1]\n", b"{\n", b"x" * 100_000 + b"\n", b"[" * 60_000 + b"\n", b""])
def test_what_is_no_message_is_refused_and_stops_nothing(content):
    async def scenario(watch, client):
        reader, writer = await asyncio.open_connection(watch._root.host, watch._root.port + 1)
        writer.write(content)
        writer.write_eof()
        assert await reader.read() == b""
        writer.close()
        await all_of(client)
        assert not watch.over.is_set()

    watched(scenario)


def test_the_time_in_which_a_process_stands_still_is_no_silence_of_others(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    clock = Silences()
    now[0] += 0.05
    assert clock.now() == pytest.approx(100.05)
    now[0] += 3600
    assert clock.now() == pytest.approx(100.05)
    now[0] += 0.05
    assert clock.now() == pytest.approx(100.1)


def test_one_worker_needs_no_store():
    assert Group(1).names == ["worker 0"]
    assert Group(2, 2).names == ["scheduler", "server 0", "server 1", "worker 0", "worker 1"]
