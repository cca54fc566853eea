"""Sums and messages of workers; threads stand in for processes, and a sum in NumPy for the server."""

import threading

from gluon_deeprnn import GRU, RNNLM, TextData, Trainer
from gluon_deeprnn.data import Source
from gluon_deeprnn.distributed import ALONE, Workers, joined
from gluon_deeprnn.errors import StoppedError
from hypothesis import given, settings, strategies
from mxnet import np
import numpy
import pytest


class Server:
    """Adds the arrays of all workers, as ps-lite does."""

    def __init__(self, size):
        self.size, self._arrays = size, {}
        self._barrier, self._lock = threading.Barrier(size, timeout=20), threading.Lock()

    def store(self, rank):
        return Store(self, rank)

    def add(self, rank, key, array):
        with self._lock:
            self._arrays.setdefault(key, {})[rank] = array
        self._barrier.wait()
        total = sum(self._arrays[key][i] for i in range(self.size))
        self._barrier.wait()
        if rank == 0:
            del self._arrays[key]
        self._barrier.wait()
        return total


class Store:
    """The store of one worker."""

    def __init__(self, server, rank):
        self._server, self._rank, self._shapes = server, rank, {}

    def init(self, key, value):
        assert key not in self._shapes
        self._shapes[key] = value.shape

    def pushpull(self, key, value, out, priority):
        assert all(array.shape == self._shapes[key] for array in value)
        out[:] = np.array(self._server.add(self._rank, key, sum(array.asnumpy() for array in value)))


def together(size, work):
    """What ``work`` returns for each of several workers."""
    server, found, errors = Server(size), [None] * size, []

    def one(rank):
        try:
            found[rank] = work(Workers(rank, size, server.store(rank)))
        except BaseException as error:
            errors.append(error)
            server._barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    real = [error for error in errors if not isinstance(error, threading.BrokenBarrierError)]
    if real:
        raise real[0]
    return found


@settings(max_examples=20, deadline=None)
@given(strategies.binary(max_size=5000), strategies.integers(1, 4))
def test_every_worker_receives_the_message_of_the_first(message, size):
    assert together(size, lambda workers: workers.share(message if workers.rank == 0 else b"other")) == [message] * size


def test_a_long_message_arrives_in_pieces():
    message = numpy.random.default_rng(0).bytes(2 * 2**21 + 3)
    assert together(2, lambda workers: workers.share(message if workers.rank == 0 else None)) == [message] * 2


def test_arrays_arrive_bit_for_bit():
    sent = {"a": numpy.array([[1.5, -0.0, numpy.inf, 1e-42]], "<f4"), "b": numpy.arange(7, dtype="<i8"),
            "c": numpy.array([numpy.nan, 1e300])}
    for found in together(3, lambda workers: workers.share_arrays(sent if workers.rank == 0 else {})):
        assert list(found) == list(sent)
        for name, array in sent.items():
            assert found[name].dtype == array.dtype
            assert found[name].tobytes() == array.tobytes()


def test_json_arrives_with_exact_numbers():
    sent = {"ppl": 0.1 + 0.2, "name": "Zeitmaschine \u2026 \ud55c\uae00", "none": None, "inf": float("inf")}
    assert together(2, lambda workers: workers.share_json(sent if workers.rank == 0 else None)) == [sent] * 2


def test_a_worker_counts_what_it_has_waited_for():
    def work(workers):
        workers.share_json([1])
        assert not workers.is_waiting
        return workers.received

    counts = together(2, work)
    assert counts[0] == counts[1] > 2


def test_one_flag_counts_for_all():
    assert together(3, lambda workers: (workers.any(workers.rank == 2), workers.any(False))) == [(True, False)] * 3


def test_equal_parameters_are_kept_and_rounding_is_replaced_by_the_first_workers():
    own = {"w": numpy.array([1.0, -3.0], "float32"), "b": numpy.zeros(2, "float32")}
    assert together(2, lambda workers: workers.same(own, "now")) == [None, None]

    def work(workers):
        return workers.same({**own, "w": own["w"] + numpy.float32(3e-7) * workers.rank}, "now")

    for found in together(3, work):
        assert (found["w"] == own["w"]).all()


@pytest.mark.parametrize("wrong", [1.01, numpy.nan, numpy.inf])
def test_parameters_of_a_worker_that_differ_by_more_stop_the_training(wrong):
    def work(workers):
        return workers.same({"a": numpy.ones(3, "float32"),
                             "w": numpy.array([1.0 if workers.rank != 2 else wrong], "float32")}, "after epoch 3")

    with pytest.raises(StoppedError, match=r"^workers must be equal in their parameters after epoch 3; got a "
                                                    r"relative difference of .* of worker 2 from worker 0$"):
        together(3, work)


def test_without_others_nothing_is_sent():
    assert joined() is ALONE
    assert ALONE.share(b"x") == b"x"
    assert not ALONE.any(False)
    assert ALONE.same({}, "now") is None
    array = numpy.arange(3.0)
    assert ALONE.total("x", array) is array


@pytest.mark.parametrize("number", [None, "", "x", "2", "-1"])
def test_a_worker_without_its_number_is_refused(number, monkeypatch):
    monkeypatch.setenv("DMLC_ROLE", "worker")
    monkeypatch.setenv("DMLC_NUM_WORKER", "2")
    if number is not None:
        monkeypatch.setenv("GLUON_DEEPRNN_WORKER", number)
    joined.cache_clear()
    with pytest.raises(ValueError, match=r"^GLUON_DEEPRNN_WORKER must be the number of this worker, below "
                                         rf"DMLC_NUM_WORKER=2; got '{number or ''}'$"):
        joined()
    joined.cache_clear()


def test_a_trainer_refuses_what_are_no_workers():
    with pytest.raises(ValueError, match=r"^workers must be the workers of this process, as joined\(\) returns them"):
        Trainer(1, workers=2)


def test_other_initial_parameters_are_replaced_by_those_of_the_first_worker():
    data = TextData([Source("fox", "the quick brown fox " * 40, "")], batch_size=8, num_steps=8)
    models = [RNNLM(GRU(4), len(data.vocab)) for _ in range(2)]
    first = models[0].dense.weight.data().asnumpy()
    assert (models[1].dense.weight.data().asnumpy() != first).any()

    def work(workers):
        trainer = Trainer(1, progress=False, workers=workers)
        trainer._begin(models[workers.rank], data)

    together(2, work)
    assert (models[1].dense.weight.data().asnumpy() == first).all()
