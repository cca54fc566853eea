"""One model called from many threads, as in a web server."""

from concurrent.futures import ThreadPoolExecutor
import os
import random
import subprocess
import sys
import threading

from gluon_deeprnn import GRU, LSTM, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab, evaluate, generate
from gluon_deeprnn.data import Windows
from mxnet import np, npx, util
from mxnet.util import is_np_array, is_np_shape
import numpy
import pytest

LETTERS = "abcdefgh"
SHAPES = [(1, 1), (5, 3), (8, 2), (20, 4)]


def models():
    vocab = Vocab(LETTERS)
    return {
        "gru": RNNLM(GRU(16, 2), len(vocab)), "lstm": RNNLM(LSTM(16, 2), len(vocab), embedding=8),
        "scratch": RNNLMScratch(StackedRNNScratch(len(vocab), 16, 2, sigma=0.3), len(vocab)),
    }, vocab


def work(model, vocab, kind):
    """One request: the logits of some tokens, a generated text, or a perplexity."""
    if isinstance(kind, tuple):
        tokens = numpy.random.default_rng(kind).integers(0, len(vocab), kind)
        return model(np.array(tokens, dtype="int32"))[0].asnumpy()
    if kind == "text":
        return "".join(generate(model, vocab, "abc", 12, seed=3))
    windows = Windows(numpy.arange(60, dtype="int32") % len(vocab), 0, 30, batch_size=8, num_steps=5)
    return evaluate(model, windows).perplexity


def in_threads(jobs, num_threads, call):
    errors, done = [], []

    def one(job):
        try:
            done.append(call(job))
        except BaseException as error:
            errors.append(repr(error))

    with ThreadPoolExecutor(num_threads) as pool:
        list(pool.map(one, jobs))
    return done, errors


@pytest.mark.parametrize(("hybridized", "count"), [
    (True, 1_000), (False, 300), pytest.param(True, 10_000, marks=pytest.mark.slow)])
def test_eight_threads_get_the_same_results_as_one(hybridized, count):
    made, vocab = models()
    for model in made.values():
        model.hybridize(hybridized)
    kinds = [*SHAPES, "text", "perplexity"]
    expected = {(name, kind): work(model, vocab, kind) for name, model in made.items() for kind in kinds}
    fresh, _ = models()  # graphs are compiled in the threads
    for name, model in fresh.items():
        for (_, target), (_, source) in zip(model.named_parameters(), made[name].named_parameters()):
            target.set_data(source.data())
        model.hybridize(hybridized)
    draw = random.Random(1)
    jobs = [(name, kind) for name in fresh for kind in kinds] + [
        (draw.choice(list(fresh)), draw.choice(kinds if draw.random() < 0.05 else SHAPES)) for _ in range(count)]
    draw.shuffle(jobs)
    wrong = []

    def call(job):
        found = work(fresh[job[0]], vocab, job[1])
        same = found == expected[job] if isinstance(found, str) else numpy.allclose(found, expected[job], atol=1e-6)
        if not same:
            wrong.append(job)

    done, errors = in_threads(jobs, 8, call)
    assert (errors[:3], wrong[:3], len(done)) == ([], [], len(jobs))


def test_a_model_whose_sizes_are_not_known_yet_can_be_called_first_from_many_threads():
    for _ in range(5):
        core = GRU(8, 2)
        core.initialize()
        core.hybridize()
        x = np.array(numpy.random.default_rng(0).normal(size=(4, 3, 5)), dtype="float32")
        done, errors = in_threads(range(8), 8, lambda _, core=core, x=x: core(x)[0].asnumpy())
        assert errors == []
        assert all((found == done[0]).all() for found in done)


def test_a_new_thread_is_in_numpy_mode():
    found = []
    thread = threading.Thread(target=lambda: found.append((is_np_array(), is_np_shape(), np.ones((0, 2)).shape)))
    thread.start()
    thread.join()
    assert found == [(True, True, (0, 2))]


def test_a_scope_without_numpy_mode_does_not_last():
    with util.np_array(False), util.np_shape(False):
        assert not is_np_array()
    test_a_new_thread_is_in_numpy_mode()


def test_leaving_numpy_mode_applies_to_new_threads_too():
    code = ("import gluon_deeprnn, threading\nfrom mxnet import npx, util\nnpx.reset_np()\n"
            "t = threading.Thread(target=lambda: print(util.is_np_array(), util.is_np_shape()))\nt.start()\nt.join()")
    assert npx.is_np_array()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "False False\n"


def test_a_process_forked_next_to_idle_threads_can_call_a_block():
    made, _ = models()
    x = np.zeros((5, 3), dtype="int32")
    expected = made["gru"](x)[0].asnumpy()
    done, errors = in_threads(range(100), 4, lambda _: made["gru"](x)[0].asnumpy())
    assert (errors, len(done)) == ([], 100)
    child = os.fork()  # the threads are idle: a fork during calls of MXNet is not supported
    if child == 0:
        os._exit(0 if (made["gru"](x)[0].asnumpy() == expected).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
