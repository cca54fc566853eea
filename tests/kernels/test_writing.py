"""The plain functions of the library that read and write tokens, against the equations in double precision."""

import os
import subprocess
import sys

from gluon_deeprnn import kernels
from gluon_deeprnn.kernels import writing
from gluon_deeprnn.kernels.writing import Choice, Network, Weights
import numpy
import pytest

pytestmark = pytest.mark.skipif(kernels.loaded() is None, reason="needs the compiled library")

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def weights_of(cells, size, num_tokens, *, embedding=0, norm=False, residual=False, skip=False, seed=0):
    """Random weights; float32."""
    draw = numpy.random.default_rng(seed)

    def some(*shape):
        return draw.uniform(-0.4, 0.4, shape).astype("float32")

    inputs = [embedding or num_tokens, *[size] * (len(cells) - 1)]
    layers = [some(GATES[cell] * size * (num_inputs + size + 2)) for cell, num_inputs in zip(cells, inputs)]
    norms = [some(size) + 1 - i % 2 for i in range(2 * len(cells) - 2)] if norm else []
    return Weights(cells, layers, norms, 1e-5, residual, some(num_tokens, embedding) if embedding else None,
                   some(num_tokens, size * (len(cells) if skip else 1)) * 3, some(num_tokens), skip)


def step(weights, tokens, state):
    """The logits, (N, V), after tokens, (N,), and the next state, by the equations; float64."""
    size, num_tokens, of_layers = weights.num_hiddens, len(weights.bias), []
    x = numpy.eye(num_tokens)[tokens] if weights.embedding is None else weights.embedding[tokens].astype("float64")
    after = state.copy()
    for i, (cell, flat) in enumerate(zip(weights.cells, weights.layers)):
        below = x
        if i and weights.norms:
            centred = x - x.mean(1, keepdims=True)
            x = centred / numpy.sqrt((centred**2).mean(1, keepdims=True) + weights.epsilon)
            x = x * weights.norms[2 * i - 2] + weights.norms[2 * i - 1]
        rows, h = GATES[cell] * size, state[0, i]
        ends = numpy.cumsum([rows * x.shape[1], rows * size, rows])
        w, u, b, c = numpy.split(flat.astype("float64"), ends)
        of_x, of_h = x @ w.reshape(rows, -1).T + b, h @ u.reshape(rows, -1).T + c
        if cell == "gru":
            (xr, xz, xn), (hr, hz, hn) = (numpy.split(part, 3, axis=1) for part in (of_x, of_h))
            z = sigmoid(xz + hz)
            h = (1 - z) * numpy.tanh(xn + sigmoid(xr + hr) * hn) + z * h
        elif cell == "lstm":
            gate_i, gate_f, gate_g, gate_o = numpy.split(of_x + of_h, 4, axis=1)
            after[1, i] = sigmoid(gate_f) * state[1, i] + sigmoid(gate_i) * numpy.tanh(gate_g)
            h = sigmoid(gate_o) * numpy.tanh(after[1, i])
        else:
            h = numpy.tanh(of_x + of_h) if cell == "rnn_tanh" else numpy.maximum(of_x + of_h, 0)
        after[0, i] = h
        x = below + h if i and weights.is_residual else h
        of_layers.append(x)
    x = numpy.concatenate(of_layers, axis=1) if weights.has_skip else x
    return x @ weights.output.T.astype("float64") + weights.bias, after


def state_of(weights, num_sequences, seed=1):
    states = 2 if "lstm" in weights.cells else 1
    shape = (states, len(weights.cells), num_sequences, weights.num_hiddens)
    return numpy.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


CASES = {
    "one unit": (("gru",), 1, 2, {}), "tanh": (("rnn_tanh",), 16, 16, {}), "relu": (("rnn_relu",) * 2, 33, 5, {}),
    "lstm": (("lstm",) * 2, 17, 40, {}), "gru": (("gru",) * 3, 31, 65, {}), "wide": (("gru",), 150, 7, {}),
    "mixed": (("rnn_tanh", "rnn_relu", "gru"), 24, 9, {"norm": True}), "wide lstm": (("lstm",), 130, 300, {}),
    "kit": (("lstm",) * 3, 20, 28, {"norm": True, "residual": True, "embedding": 11}),
    "embedding": (("gru",) * 2, 48, 50, {"embedding": 48}), "residual": (("rnn_tanh",) * 4, 9, 19, {"residual": True}),
    "skip": (("lstm",) * 3, 11, 28, {"skip": True}), "one layer": (("gru",), 20, 9, {"skip": True}),
    "skip and residual": (("gru",) * 2, 33, 40, {"skip": True, "residual": True, "norm": True, "embedding": 5}),
}


@pytest.mark.parametrize("num_sequences", [1, 3, 21])
@pytest.mark.parametrize("case", CASES)
def test_reading_and_writing_follow_the_equations(case, num_sequences):
    """Noise decides the tokens; the largest logits before each of them are compared, and the states."""
    cells, size, num_tokens, options = CASES[case]
    weights, num_steps = weights_of(cells, size, num_tokens, **options), 7
    network, state = Network(weights), state_of(weights, num_sequences)
    draw = numpy.random.default_rng(3)
    tokens = draw.integers(0, num_tokens, (num_steps + 1, num_sequences)).astype("int32")
    exact, largest = state.astype("float64"), []
    for row in tokens[:-1]:
        logits, exact = step(weights, row, exact)
        largest.append(logits.max(1))
    assert abs(network.read(tokens[:-1], state) - exact).max() < 1e-5
    noise = 1000 * numpy.eye(num_tokens, dtype="float32")[tokens[1:]]
    written, found, last, _ = network.write(num_steps, Choice(), tokens[0], state, noise,
                                            numpy.zeros(num_tokens, "float32"), None)
    assert (written == tokens[1:]).all()
    assert abs(found - numpy.array(largest)).max() < 3e-5
    assert abs(last - exact).max() < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_scores_are_those_of_the_equations(case):
    cells, size, num_tokens, options = CASES[case]
    weights = weights_of(cells, size, num_tokens, **options)
    state, tokens = state_of(weights, 1), numpy.random.default_rng(5).integers(0, num_tokens, 70).astype("int32")
    exact, expected = state.astype("float64"), []
    for i in range(69):
        (logits,), exact = step(weights, tokens[i:i + 1], exact)
        expected.append(logits[tokens[i + 1]] - logits.max() - numpy.log(numpy.exp(logits - logits.max()).sum()))
    found, last = Network(weights).score(tokens[:-1], tokens[1:], state)
    assert abs(found - numpy.array(expected)).max() < 1e-5 * max(1, -min(expected) / 10)
    assert abs(last - exact).max() < 1e-5


def test_the_result_does_not_depend_on_the_number_of_threads(monkeypatch):
    weights = weights_of(("lstm",) * 2, 40, 30)
    network, state = Network(weights), state_of(weights, 45)
    draw = numpy.random.default_rng(0)
    token, noise = draw.integers(0, 30, 45).astype("int32"), draw.gumbel(size=(9, 45, 30)).astype("float32")
    masks, seen = numpy.zeros((45, 30), "float32"), numpy.zeros((45, 30), "float32")
    masks[:, 3], masks[7, 5] = -numpy.inf, -numpy.inf
    results, begun = [], []
    pool = writing.ThreadPoolExecutor
    monkeypatch.setattr(writing, "ThreadPoolExecutor", lambda threads: begun.append(threads) or pool(threads))
    monkeypatch.setattr(writing, "_FOR_A_THREAD", 1)
    for threads in (1, 2, 3, 100):
        monkeypatch.setattr("gluon_deeprnn.runtime.threads", lambda threads=threads: threads)
        results.append(network.write(9, Choice(penalty=1.5, top_k=9), token, state, noise, masks, seen))
    assert begun == [1, 2, 5]
    for found in results[1:]:
        assert all((one == other).all() for one, other in zip(found, results[0]))
    assert (seen == 0).all()
    assert results[0][3].sum() == sum(len({*column}) for column in results[0][0].T.tolist())


@pytest.mark.parametrize(("bias", "expected"), [
    ([1.0, numpy.nan, 0.0], numpy.nan), ([1.0, numpy.inf, 0.0], numpy.inf), ([-numpy.inf] * 3, -numpy.inf),
    ([0.5, -numpy.inf, 0.0], 0.5)])
def test_the_largest_logit_shows_what_is_not_finite(bias, expected):
    weights = weights_of(("gru",), 4, 3)
    weights = weights._replace(output=weights.output * 0, bias=numpy.array(bias, dtype="float32"))
    for options in ({}, {"top_k": 2}, {"top_p": 0.5}, {"log_min_p": -1.0}):
        tokens, largest, _, _ = Network(weights).write(3, Choice(**options), numpy.zeros(1, "int32"),
                                                       state_of(weights, 1), None, numpy.zeros(3, "float32"), None)
        numpy.testing.assert_array_equal(largest, numpy.full((3, 1), expected, dtype="float32"))
        assert ((tokens >= 0) & (tokens < 3)).all()


def small():
    weights = weights_of(("gru",) * 2, 8, 5)
    return weights, Network(weights), state_of(weights, 2)


@pytest.mark.parametrize("token", [-1, 5, 2**31 - 1, -2**31])
def test_tokens_that_are_not_in_the_vocabulary_are_refused(token):
    _, network, state = small()
    rule = r"^tokens must be indices of the vocabulary; got others$"
    tokens = numpy.array([[0, 1], [2, token]], dtype="int32")
    with pytest.raises(ValueError, match=rule):
        network.read(tokens, state)
    with pytest.raises(ValueError, match=rule):
        network.write(1, Choice(), tokens[1], state, None, numpy.zeros(5, "float32"), None)
    for one, other in ((tokens[:, 1], tokens[:, 0]), (tokens[:, 0], tokens[:, 1])):
        with pytest.raises(ValueError, match=rule):
            network.score(one, other, state[:, :, :1])


def test_arrays_of_other_sizes_are_refused():
    weights, network, state = small()
    token, masks = numpy.zeros(2, "int32"), numpy.zeros(5, "float32")
    for name, call in {
        "state": lambda: network.read(token[None], state[:, :, :1]),
        "masks": lambda: network.write(1, Choice(), token, state, None, masks[:4], None),
        "noise": lambda: network.write(2, Choice(), token, state, numpy.zeros((1, 2, 5)), masks, None),
        "seen": lambda: network.write(1, Choice(), token, state, None, masks, numpy.zeros((2, 4))),
        "targets": lambda: network.score(token, token[:1], state[:, :, :1]),
        r"layers\[1\]": lambda: Network(weights._replace(layers=[weights.layers[0]] * 2)),
        "bias": lambda: Network(weights._replace(bias=masks[:4])),
        "output": lambda: Network(weights._replace(output=numpy.zeros((5, 17), "float32"), has_skip=True)),
        "cells": lambda: Network(weights._replace(cells=("gru", "mgu"))),
        "norms": lambda: Network(weights._replace(norms=[masks])),
        "embedding": lambda: Network(weights._replace(embedding=numpy.zeros((4, 8)))),
    }.items():
        with pytest.raises(ValueError, match=f"^{name} must be "):
            call()
    with pytest.raises(ValueError, match=r"^cells must be known, with the same number of states"):
        Network(weights_of(("gru", "lstm"), 8, 5))


def run(program):
    """What a program of its own prints."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_memory_that_cannot_be_had_is_an_error():
    """In a process of its own, with little more memory than it has."""
    assert run("""
import resource
import test_writing
import numpy
weights, network, state = test_writing.small()
many = 3_000_000
tokens, state = numpy.zeros((1, many), "int32"), numpy.zeros((1, 2, many, 8), "float32")
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 250_000_000,) * 2)
try:
    network.read(tokens, state)
except ValueError as error:
    print(error)
""") == "memory must be available for the layers' weights and states; got none\n"


def test_a_process_that_was_forked_from_one_with_threads_writes():
    assert run("""
import os
import test_writing
from gluon_deeprnn import runtime
from gluon_deeprnn.kernels import writing
import numpy
runtime.threads, writing._FOR_A_THREAD = lambda: 3, 1
weights, network, _ = test_writing.small()
token, state = numpy.zeros(40, "int32"), test_writing.state_of(weights, 40)

def write():
    return network.write(20, writing.Choice(), token, state, None, numpy.zeros(5, "float32"), None)[0]

expected = write()
child = os.fork()
if child == 0:
    os._exit(0 if (write() == expected).all() else 1)
print(os.waitpid(child, 0)[1])
""") == "0\n"


def test_a_network_is_given_back():
    """The memory of those that are not used any more: 100 of 3 MB each."""
    weights = weights_of(("gru",), 512, 8)

    def used():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    Network(weights)
    before = used()
    for _ in range(100):
        Network(weights)
    assert used() - before < 50e6
