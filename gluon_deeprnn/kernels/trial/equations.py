"""What a library computes, by the equations in double precision."""

import math
import operator
from typing import Callable, Dict, List, Sequence

T, N, D, H = 3, 9, 9, 17
"""Sizes of the layers: they leave a ragged end in every loop."""
ROWS, SIZE, EPSILON = 7, 19, 1e-5
"""Sizes of the layer normalization."""
VOCAB = 21
"""Tokens of the output layer, whose hidden states have ``SIZE`` elements."""
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "rnn_sigmoid": 1, "rnn_softsign": 1, "rnn_softrelu": 1, "lstm": 4, "gru": 3}
"""The cells of a library, and the number of their gates."""

Numbers = Sequence[float]


_WORD = 2**32 - 1


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


_ACTIVATIONS: Dict[str, Callable[[float], float]] = {
    "rnn_tanh": math.tanh, "rnn_relu": lambda x: max(0.0, x), "rnn_sigmoid": _sigmoid,
    "rnn_softsign": lambda x: x / (1 + abs(x)), "rnn_softrelu": lambda x: math.log1p(math.exp(x))}


def recurrent(cell: str, inputs: Numbers, weights: Numbers, *state: Numbers) -> List[List[float]]:
    """The outputs (T, N, H) of a layer and its last state, by the equations."""
    rows = GATES[cell] * H
    ends = [rows * D, rows * (D + H), rows * (D + H + 1)]
    i2h = [weights[r * D:(r + 1) * D] for r in range(rows)]
    h2h = [weights[ends[0] + r * H:ends[0] + (r + 1) * H] for r in range(rows)]
    hidden = [list(state[0][n * H:(n + 1) * H]) for n in range(N)]
    memory = [list(state[-1][n * H:(n + 1) * H]) for n in range(N)]
    outputs: List[float] = []
    for t in range(T):
        for n in range(N):
            x = inputs[(t * N + n) * D:(t * N + n + 1) * D]
            a = [sum(map(operator.mul, row, x)) + weights[ends[1] + r] for r, row in enumerate(i2h)]
            b = [sum(map(operator.mul, row, hidden[n])) + weights[ends[2] + r] for r, row in enumerate(h2h)]
            for u in range(H):
                if cell == "gru":
                    reset, update = _sigmoid(a[u] + b[u]), _sigmoid(a[H + u] + b[H + u])
                    fresh = math.tanh(a[2 * H + u] + reset * b[2 * H + u])
                    hidden[n][u] = (1 - update) * fresh + update * hidden[n][u]
                elif cell == "lstm":
                    i, f, g, o = (a[gate * H + u] + b[gate * H + u] for gate in range(4))
                    memory[n][u] = _sigmoid(f) * memory[n][u] + _sigmoid(i) * math.tanh(g)
                    hidden[n][u] = _sigmoid(o) * math.tanh(memory[n][u])
                else:
                    hidden[n][u] = _ACTIVATIONS[cell](a[u] + b[u])
            outputs += hidden[n]
    return [outputs, *([x for row in part for x in row] for part in (hidden, memory)[:len(state)])]


def normalized(x: Numbers, gamma: Numbers, beta: Numbers) -> List[List[float]]:
    """The rows of x with mean 0 and variance 1, times gamma, plus beta, by the equations."""
    found: List[float] = []
    for start in range(0, len(x), SIZE):
        row = x[start:start + SIZE]
        mean = sum(row) / SIZE
        deviation = math.sqrt(sum((element - mean) ** 2 for element in row) / SIZE + EPSILON)
        found += [g * (element - mean) / deviation + b for element, g, b in zip(row, gamma, beta)]
    return [found]


def cross_entropy(hidden: Numbers, weight: Numbers, bias: Numbers, targets: Numbers,
                  row_weights: Numbers, smoothing: float = 0.0) -> List[List[float]]:
    """The weighted sum of -log p(target) over the rows, by the equations; before it that with smoothing, if any."""
    loss = smoothed = 0.0
    for row, target in enumerate(targets):
        h = hidden[row * SIZE:(row + 1) * SIZE]
        logits = [sum(map(operator.mul, h, weight[v * SIZE:(v + 1) * SIZE])) + bias[v] for v in range(VOCAB)]
        total, expected = math.log(sum(map(math.exp, logits))), logits[int(target)]
        loss += row_weights[row] * (total - expected)
        expected += smoothing * (sum(logits) / VOCAB - expected)
        smoothed += row_weights[row] * (total - expected)
    return [[smoothed, loss] if smoothing else [loss]]


def penalty(outputs: Numbers, row_weights: Numbers, ar: float, tar: float) -> List[List[float]]:
    """Activation regularisation of outputs, (T, N, H), with weights of rows, (T, N)."""
    size, per_change = N * H, T / (T - 1)
    total = 0.0
    for row in range(T * N):
        here = range(row * H, (row + 1) * H)
        total += ar * row_weights[row] * sum(outputs[i]**2 for i in here) / H
        if row >= N:
            total += tar * per_change * row_weights[row] * sum((outputs[i] - outputs[i - size])**2 for i in here) / H
    return [[total]]


def dropped(weights: Numbers, coins: Numbers, probability: float, count: int, behind: int) -> List[float]:
    """Dropout of ``count`` weights, which ``behind`` others follow; coins that are not zero are the bits of a seed."""
    seed = sum((coin != 0) << i for i, coin in enumerate(coins))
    begin, results = len(weights) - behind - count, list(weights)
    for i in range(count):
        x = (i * 0x9E3779B9 + seed) & _WORD
        x = ((x ^ x >> 16) * 0x7FEB352D + (seed >> 32)) & _WORD
        x = (x ^ x >> 15) * 0x846CA68B & _WORD
        kept = (x ^ x >> 16) >= int(probability * 2**32)
        results[begin + i] *= kept / (1 - probability)
    return results
