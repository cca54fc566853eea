"""Tries one library.

Small layers of every cell go through the same functions that MXNet calls.  Outputs are compared with the equations in
double precision, gradients with the difference quotient of the equations along a random direction.
"""

from array import array
import ctypes
import math
import operator
from pathlib import Path
import random
import sys
from typing import Callable, List, Sequence, Tuple

# A folder that is run finds its own files, and no package.
from equations import (
    EPSILON,
    GATES,
    ROWS,
    SIZE,
    VOCAB,
    D,
    H,
    N,
    T,
    cross_entropy,
    dropped,
    normalized,
    penalty,
    recurrent,
)
from interface import Batch, Choice, Library, NetworkWeights, Numbers, Shape, Tokens, describe

_STEP = 1e-5
_FORCED = 100.0  # noise that decides which token is written


def check(name: str, equations: Callable[..., List[List[float]]], state: ctypes.c_void_p, library: Library,
          inputs: Sequence[Tuple[Numbers, Shape]], shapes: Sequence[Shape], draw: random.Random,
          constant: Sequence[int] = (), silent: int = 0) -> None:
    """Compare an operator's forward and backward pass with the equations.

    The inputs ``constant`` have no gradient, nor have the last ``silent`` elements of the first output.

    Raises
    ------
    ValueError
        Where they differ by more than rounding.
    """
    values = [numbers if isinstance(numbers, Tokens) else list(array("f", numbers)) for numbers, _ in inputs]
    outputs = library.compute(True, state, inputs, shapes)
    for found, exact in zip(outputs, equations(*values)):
        error = max(abs(a - b) for a, b in zip(found, exact))
        if not error <= 1e-5:  # NaN is an error too
            raise ValueError(f"{name}: outputs differ by {error:.1e}")
    slopes = [list(array("f", (draw.uniform(-1, 1) for _ in found))) for found in outputs]
    slopes[0][len(slopes[0]) - silent:] = [0.0] * silent
    given = [*zip(slopes, shapes), *inputs, *zip(outputs, shapes)]
    gradients = library.compute(False, state, given, [shape for _, shape in inputs])
    along = [[0 if i in constant else draw.choice((-1, 1)) for _ in numbers] for i, numbers in enumerate(values)]

    def total(step: float) -> float:
        moved = [numbers if i in constant else [x + step * d for x, d in zip(numbers, along[i])]
                 for i, numbers in enumerate(values)]
        return sum(sum(map(operator.mul, *pair)) for pair in zip(slopes, equations(*moved)))

    expected = (total(_STEP) - total(-_STEP)) / (2 * _STEP)
    difference = abs(sum(sum(map(operator.mul, *pair)) for i, pair in enumerate(zip(gradients, along))
                         if i not in constant) - expected)
    if not difference <= 1e-3 * (1 + abs(expected)):
        raise ValueError(f"{name}: gradients differ by {difference:.1e}")


def vectors(inputs: Numbers) -> Numbers:
    """Tokens as one-hot vectors; all else as it is."""
    return [float(k == index) for index in inputs for k in range(D)] if isinstance(inputs, Tokens) else inputs


def check_layers(library: Library) -> None:
    """All cells, with inputs that are full, inputs that are one-hot, and tokens."""
    draw = random.Random(1)  # noqa: S311
    for cell, gates in GATES.items():
        states = 2 if cell == "lstm" else 1
        chosen = Tokens(draw.randrange(D) for _ in range(T * N))
        dense = [draw.uniform(-1, 1) for _ in range(T * N * D)]
        hot = [float(k == index) for index in chosen for k in range(D)]
        size = gates * H * (D + H + 2)
        for first in (dense, hot, chosen):
            is_tokens = first is chosen
            inputs: List[Tuple[Numbers, Shape]] = [
                (first, (T, N) if is_tokens else (T, N, D)),
                ([draw.uniform(-0.3, 0.3) for _ in range(size)], (size,)),
                *(([draw.uniform(-1, 1) for _ in range(N * H)], (N, H)) for _ in range(states))]
            use = library.use(b"gluon_deeprnn_layer", {b"cell": cell.encode(), b"trains": b"1",
                                                       b"vocab_size": str(D * is_tokens).encode()})
            check(cell, lambda x, *rest, cell=cell: recurrent(cell, vectors(x), *rest), use, library, inputs,
                  [(T, N, H), *[(N, H)] * states], draw, constant=[0] if is_tokens else [])


def check_cross_entropy(library: Library) -> None:
    """Rows and a vocabulary whose numbers are no multiple of a tile's or a vector's."""
    draw = random.Random(3)  # noqa: S311
    steps, batch = 13, 10  # three parts, whose gradients are added up
    inputs: List[Tuple[Numbers, Shape]] = [
        ([draw.uniform(-1, 1) for _ in range(math.prod(shape))], shape)
        for shape in ((steps, batch, SIZE), (VOCAB, SIZE), (VOCAB,))]
    inputs += [(Tokens(draw.randrange(VOCAB) for _ in range(steps * batch)), (steps, batch)),
               ([draw.uniform(0, 1) for _ in range(steps * batch)], (steps, batch))]
    use = library.use(b"gluon_deeprnn_cross_entropy", {b"trains": b"1", b"weighted": b"1", b"smoothing": b"0"})
    check("cross_entropy", cross_entropy, use, library, inputs, [(1,)], draw, constant=[3, 4])
    use = library.use(b"gluon_deeprnn_cross_entropy", {b"trains": b"1", b"weighted": b"1", b"smoothing": b"0.25"})
    check("smoothed cross_entropy", lambda *values: cross_entropy(*values, smoothing=0.25), use, library, inputs,
          [(2,)], draw, constant=[3, 4], silent=1)
    rows, = library.compute(True, library.use(b"gluon_deeprnn_log_probs", {}), inputs[:4], [(steps, batch)])
    summed = -sum(map(operator.mul, rows, inputs[4][0]))
    if not abs(summed - cross_entropy(*(numbers for numbers, _ in inputs))[0][0]) <= 1e-5:
        raise ValueError("log_probs: outputs differ")


def check_layer_norm(library: Library) -> None:
    """Rows whose size is no multiple of a vector's."""
    draw = random.Random(2)  # noqa: S311
    inputs = [([draw.uniform(-1, 1) for _ in range(math.prod(shape))], shape)
              for shape in ((ROWS, SIZE), (SIZE,), (SIZE,))]
    use = library.use(b"gluon_deeprnn_layer_norm", {b"epsilon": str(EPSILON).encode()})
    check("layer_norm", normalized, use, library, inputs, [(ROWS, SIZE)], draw)


def check_activity(library: Library) -> None:
    """Penalties of outputs with equal and other weights of their rows."""
    draw = random.Random(5)  # noqa: S311
    outputs = [draw.uniform(-1, 1) for _ in range(T * N * H)], (T, N, H)
    weights = [draw.uniform(0, 0.2) for _ in range(T * N)], (T, N)
    for given in ([outputs, weights], [outputs]):
        use = library.use(b"gluon_deeprnn_activity", {b"ar": b"1.5", b"tar": b"2.5",
                                                      b"weighted": str(len(given) - 1).encode()})
        check("activity", lambda x, w=[1 / T / N] * (T * N): penalty(x, w, 1.5, 2.5), use, library, given, [(1,)], draw,
              constant=[1])


def check_weight_dropout(library: Library) -> None:
    """Masks in the middle of weights, for coins of MXNet's dropout; none for coins that it has left as they were."""
    draw = random.Random(4)  # noqa: S311
    weights, count, behind = [draw.uniform(-1, 1) for _ in range(SIZE * SIZE)], SIZE * 5, SIZE + 1
    use = library.use(b"gluon_deeprnn_weight_dropout", {b"probability": b"0.25", b"count": str(count).encode(),
                                                        b"behind": str(behind).encode()})
    for coins in ([2.0 * draw.randrange(2) for _ in range(64)], [1.0] * 64):
        expected = dropped(weights, coins, 0.25, count, behind) if 1 not in coins else weights
        arrays: List[Tuple[Numbers, Shape]] = [(weights, (len(weights),)), (coins, (64,))]
        found, = library.compute(True, use, arrays, [(len(weights),)])
        gradient, none = library.compute(False, use, [arrays[0], *arrays], [(len(weights),), (64,)])
        error = max(abs(a - b) for each in (found, gradient) for a, b in zip(each, expected))
        if not error <= 1e-6 or any(none):
            raise ValueError(f"weight_dropout: outputs or gradients differ by {error:.1e}")


def check_writing(library: Library) -> None:
    """Tokens that the noise decides, the largest logits before them, and the state that is left, for all cells."""
    draw = random.Random(3)  # noqa: S311
    functions, batch = library.functions, Batch(0, N, N)
    choice = Choice(0.5, 1, 1, -math.inf, 0)
    for cell, gates in GATES.items():
        weights, output, bias, state = (
            array("f", (draw.uniform(-0.5, 0.5) for _ in range(size)))
            for size in (gates * H * (D + H + 2), D * H, D, (1 + (cell == "lstm")) * N * H))
        forced = [draw.randrange(D) for _ in range((T + 1) * N)]
        noise = array("f", (_FORCED * (k == token) for token in forced[N:] for k in range(D)))
        token, masks = array("i", forced[:N]), array("f", [0.0] * D)
        tokens, largest = array("i", [-1]) * (T * N), array("f", [math.nan]) * (T * N)
        last, network = array("f", [math.nan]) * len(state), ctypes.c_void_p()
        given = NetworkWeights(D, 0, 1, H, 0, 0, 0, (ctypes.c_char_p * 1)(cell.encode()),
                               (ctypes.c_void_p * 1)(_place(weights)), None, None, _place(output), _place(bias))
        if functions.gluon_deeprnn_network_new(ctypes.byref(given), ctypes.byref(network)):
            raise ValueError(f"{cell}: a network cannot be made")
        failed = functions.gluon_deeprnn_network_write(
            network, ctypes.byref(batch), T, ctypes.byref(choice), _place(token), _place(state), _place(noise),
            _place(masks), 0, None, _place(tokens), _place(largest), _place(last))
        functions.gluon_deeprnn_network_delete(network)
        if failed or tokens.tolist() != forced[N:]:
            raise ValueError(f"{cell}: the tokens that are written differ by some")
        hot = [float(k == index) for index in forced[:T * N] for k in range(D)]
        outputs, *after = recurrent(cell, hot, weights, *(state[i:i + N * H] for i in range(0, len(state), N * H)))
        rows = [outputs[start:start + H] for start in range(0, len(outputs), H)]
        best = [max(sum(map(operator.mul, row, output[k * H:(k + 1) * H])) + bias[k] for k in range(D))
                for row in rows]
        error = max(abs(a - b) for a, b in zip([*largest, *last], [*best, *(x for part in after for x in part)]))
        if not error <= 1e-5:
            raise ValueError(f"{cell}: logits and states of writing differ by {error:.1e}")


def _place(numbers: array) -> int:
    return numbers.buffer_info()[0]


def main(path: str) -> None:
    """Try one library."""
    if Path(path).name.startswith("processor."):
        describe(path)
        return
    library = Library(path)
    check_layers(library)
    check_cross_entropy(library)
    check_layer_norm(library)
    check_weight_dropout(library)
    check_activity(library)
    check_writing(library)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, AttributeError, KeyError, ValueError) as error:
        sys.exit(f"{error}")
