"""Try a compiled library: ``python trial.py LIBRARY`` ends with status 0 where it computes what it should.

`gluon_deeprnn.kernels.libraries` runs this file as a program, in a process of its own: a library that was built for
another processor, or is damaged, may end that process in any way it likes.  It therefore needs nothing but Python's
standard library.

Small layers of every cell, whose sizes leave a ragged end in every loop, go through the same functions that MXNet
calls.  Outputs are compared with the equations in double precision, gradients with the difference quotient of the
equations along a random direction.  Networks of one layer of every cell read and write tokens by the plain functions.
"""

from array import array
import ctypes
import math
import operator
from pathlib import Path
import random
import sys
from typing import Any, Callable, Dict, List, Sequence, Tuple

_T, _N, _D, _H = 3, 9, 9, 17
_ROWS, _SIZE, _EPSILON = 7, 19, 1e-5  # of the layer normalization
_STEP = 1e-5
_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}

_FORCED = 100.0  # noise that decides which token is written

Numbers = Sequence[float]
Shape = Tuple[int, ...]


class NetworkWeights(ctypes.Structure):
    """As in ``writing.h``."""

    _fields_ = (*((name, ctypes.c_int32) for name in ("vocab_size", "embedding_size", "num_layers", "num_hiddens",
                                                      "is_residual")),
                ("epsilon", ctypes.c_float), ("cells", ctypes.POINTER(ctypes.c_char_p)),
                ("layers", ctypes.POINTER(ctypes.c_void_p)), ("norms", ctypes.POINTER(ctypes.c_void_p)),
                *((name, ctypes.c_void_p) for name in ("embedding", "output", "bias")))


class Choice(ctypes.Structure):
    """As in ``writing.h``."""

    _fields_ = (*((name, ctypes.c_float) for name in ("scale", "penalty", "top_p", "log_min_p")),
                ("top_k", ctypes.c_int32))


class Batch(ctypes.Structure):
    """As in ``writing.h``."""

    _fields_ = (("first", ctypes.c_int32), ("count", ctypes.c_int32), ("batch_size", ctypes.c_int32))


def with_types(library: ctypes.CDLL) -> ctypes.CDLL:
    """The library, with the types of its functions for reading and writing tokens."""
    whole, place = ctypes.c_int, ctypes.c_void_p
    library.gluon_deeprnn_network_new.argtypes = [place, place]
    library.gluon_deeprnn_network_delete.argtypes = [place]
    library.gluon_deeprnn_network_read.argtypes = [place, place, whole, place, place, place]
    library.gluon_deeprnn_network_write.argtypes = [place, place, whole, *[place] * 5, whole, *[place] * 4]
    library.gluon_deeprnn_network_score.argtypes = [place, whole, *[place] * 5]
    return library


class Library:
    """The operators of a library, called as MXNet calls them.

    Parameters
    ----------
    path : str
        The library's file.
    """

    def __init__(self, path: str) -> None:
        self._library = self.functions = with_types(ctypes.CDLL(path))
        if not self._library.initialize(10901):
            raise ValueError("it is not made for MXNet 1.9.1")
        self._operators: Dict[bytes, Any] = {}
        for index in range(self._library._opRegSize()):
            name, found = ctypes.c_char_p(), ctypes.c_void_p()
            others = [ctypes.byref(ctypes.c_void_p()) for _ in range(14)]
            self._library._opRegGet(index, ctypes.byref(name), *others[:10], ctypes.byref(found), *others[10:])
            self._operators[name.value or b""] = found

    def use(self, name: bytes, attributes: Dict[bytes, bytes]) -> ctypes.c_void_p:
        """One use of an operator; it is not given back."""
        count, state = len(attributes), ctypes.c_void_p()
        texts = ctypes.c_char_p * count
        self._must(self._library._opCallCreateOpState(
            self._operators[name], texts(*attributes), texts(*attributes.values()), count, b"cpu", 0, None, None, 0,
            None, ctypes.byref(state)))
        return state

    def compute(self, forward: bool, state: ctypes.c_void_p, inputs: Sequence[Tuple[Numbers, Shape]],
                outputs: Sequence[Shape]) -> List[array]:
        """The forward or the backward pass of a use."""
        results = [array("f", [math.nan]) * math.prod(shape) for shape in outputs]
        given = [(array("f", numbers), shape) for numbers, shape in inputs]
        unused: List[None] = [None] * 17
        self._must(self._library._opCallFStatefulCompute(
            int(forward), state, *_passed(given), *unused[:4], len(given), *_passed(list(zip(results, outputs))),
            *unused[:4], len(outputs), *unused))
        return results

    def _must(self, done: int) -> None:
        if not done:
            text = ctypes.c_char_p()
            self._library._msgGet(0, ctypes.byref(text))
            raise ValueError((text.value or b"an operator failed").decode())


def _passed(arrays: Sequence[Tuple[array, Shape]]) -> Tuple[Any, Any, Any]:
    """Shapes, numbers of axes and addresses, as the interface takes them."""
    count = len(arrays)
    shapes = [(ctypes.c_int64 * len(shape))(*shape) for _, shape in arrays]
    pointers = (ctypes.POINTER(ctypes.c_int64) * count)(
        *(ctypes.cast(shape, ctypes.POINTER(ctypes.c_int64)) for shape in shapes))
    return (pointers, (ctypes.c_int * count)(*(len(shape) for _, shape in arrays)),
            (ctypes.c_void_p * count)(*(numbers.buffer_info()[0] for numbers, _ in arrays)))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def recurrent(cell: str, inputs: Numbers, weights: Numbers, *state: Numbers) -> List[List[float]]:
    """The outputs (T, N, H) of a layer and its last state, by the equations."""
    rows = _GATES[cell] * _H
    ends = [rows * _D, rows * (_D + _H), rows * (_D + _H + 1)]
    i2h = [weights[r * _D:(r + 1) * _D] for r in range(rows)]
    h2h = [weights[ends[0] + r * _H:ends[0] + (r + 1) * _H] for r in range(rows)]
    hidden = [list(state[0][n * _H:(n + 1) * _H]) for n in range(_N)]
    memory = [list(state[-1][n * _H:(n + 1) * _H]) for n in range(_N)]
    outputs: List[float] = []
    for t in range(_T):
        for n in range(_N):
            x = inputs[(t * _N + n) * _D:(t * _N + n + 1) * _D]
            a = [sum(map(operator.mul, row, x)) + weights[ends[1] + r] for r, row in enumerate(i2h)]
            b = [sum(map(operator.mul, row, hidden[n])) + weights[ends[2] + r] for r, row in enumerate(h2h)]
            for u in range(_H):
                if cell == "gru":
                    reset, update = _sigmoid(a[u] + b[u]), _sigmoid(a[_H + u] + b[_H + u])
                    fresh = math.tanh(a[2 * _H + u] + reset * b[2 * _H + u])
                    hidden[n][u] = (1 - update) * fresh + update * hidden[n][u]
                elif cell == "lstm":
                    i, f, g, o = (a[gate * _H + u] + b[gate * _H + u] for gate in range(4))
                    memory[n][u] = _sigmoid(f) * memory[n][u] + _sigmoid(i) * math.tanh(g)
                    hidden[n][u] = _sigmoid(o) * math.tanh(memory[n][u])
                else:
                    hidden[n][u] = math.tanh(a[u] + b[u]) if cell == "rnn_tanh" else max(0.0, a[u] + b[u])
            outputs += hidden[n]
    return [outputs, *([x for row in part for x in row] for part in (hidden, memory)[:len(state)])]


def normalized(x: Numbers, gamma: Numbers, beta: Numbers) -> List[List[float]]:
    """The rows of x with mean 0 and variance 1, times gamma, plus beta, by the equations."""
    found: List[float] = []
    for start in range(0, len(x), _SIZE):
        row = x[start:start + _SIZE]
        mean = sum(row) / _SIZE
        deviation = math.sqrt(sum((element - mean) ** 2 for element in row) / _SIZE + _EPSILON)
        found += [g * (element - mean) / deviation + b for element, g, b in zip(row, gamma, beta)]
    return [found]


def check(name: str, equations: Callable[..., List[List[float]]], state: ctypes.c_void_p, library: Library,
          inputs: Sequence[Tuple[Numbers, Shape]], shapes: Sequence[Shape], draw: random.Random) -> None:
    """Compare an operator's forward and backward pass with the equations.

    Raises
    ------
    ValueError
        Where they differ by more than rounding.
    """
    values = [list(array("f", numbers)) for numbers, _ in inputs]
    outputs = library.compute(True, state, inputs, shapes)
    for found, exact in zip(outputs, equations(*values)):
        error = max(abs(a - b) for a, b in zip(found, exact))
        if not error <= 1e-5:  # NaN is an error too
            raise ValueError(f"{name}: outputs differ by {error:.1e}")
    slopes = [list(array("f", (draw.uniform(-1, 1) for _ in found))) for found in outputs]
    given = [*zip(slopes, shapes), *inputs, *zip(outputs, shapes)]
    gradients = library.compute(False, state, given, [shape for _, shape in inputs])
    along = [[draw.choice((-1, 1)) for _ in numbers] for numbers in values]

    def total(step: float) -> float:
        moved = [[x + step * d for x, d in zip(*pair)] for pair in zip(values, along)]
        return sum(sum(map(operator.mul, *pair)) for pair in zip(slopes, equations(*moved)))

    expected = (total(_STEP) - total(-_STEP)) / (2 * _STEP)
    difference = abs(sum(sum(map(operator.mul, *pair)) for pair in zip(gradients, along)) - expected)
    if not difference <= 1e-3 * (1 + abs(expected)):
        raise ValueError(f"{name}: gradients differ by {difference:.1e}")


def check_layers(library: Library) -> None:
    """All cells, with inputs that are full and inputs that are one-hot."""
    draw = random.Random(1)  # noqa: S311
    for cell, gates in _GATES.items():
        states = 2 if cell == "lstm" else 1
        for one_hot in (False, True):
            chosen = [draw.randrange(_D) for _ in range(_T * _N)]
            dense = [draw.uniform(-1, 1) for _ in range(_T * _N * _D)]
            hot = [float(k == index) for index in chosen for k in range(_D)]
            size = gates * _H * (_D + _H + 2)
            inputs: List[Tuple[Numbers, Shape]] = [
                (hot if one_hot else dense, (_T, _N, _D)), ([draw.uniform(-0.3, 0.3) for _ in range(size)], (size,)),
                *(([draw.uniform(-1, 1) for _ in range(_N * _H)], (_N, _H)) for _ in range(states))]
            use = library.use(b"gluon_deeprnn_layer", {b"cell": cell.encode(), b"trains": b"1", b"d_inputs": b"1"})
            check(cell, lambda *arrays, cell=cell: recurrent(cell, *arrays), use, library, inputs,
                  [(_T, _N, _H), *[(_N, _H)] * states], draw)


def check_layer_norm(library: Library) -> None:
    """Rows whose size is no multiple of a vector's."""
    draw = random.Random(2)  # noqa: S311
    inputs = [([draw.uniform(-1, 1) for _ in range(math.prod(shape))], shape)
              for shape in ((_ROWS, _SIZE), (_SIZE,), (_SIZE,))]
    use = library.use(b"gluon_deeprnn_layer_norm", {b"epsilon": str(_EPSILON).encode()})
    check("layer_norm", normalized, use, library, inputs, [(_ROWS, _SIZE)], draw)


def check_writing(library: Library) -> None:
    """Tokens that the noise decides, the largest logits before them, and the state that is left, for all cells."""
    draw = random.Random(3)  # noqa: S311
    functions, batch = library.functions, Batch(0, _N, _N)
    choice = Choice(0.5, 1, 1, -math.inf, 0)
    for cell, gates in _GATES.items():
        weights, output, bias, state = (
            array("f", (draw.uniform(-0.5, 0.5) for _ in range(size)))
            for size in (gates * _H * (_D + _H + 2), _D * _H, _D, (1 + (cell == "lstm")) * _N * _H))
        forced = [draw.randrange(_D) for _ in range((_T + 1) * _N)]
        noise = array("f", (_FORCED * (k == token) for token in forced[_N:] for k in range(_D)))
        token, masks = array("i", forced[:_N]), array("f", [0.0] * _D)
        tokens, largest = array("i", [-1]) * (_T * _N), array("f", [math.nan]) * (_T * _N)
        last, network = array("f", [math.nan]) * len(state), ctypes.c_void_p()
        given = NetworkWeights(_D, 0, 1, _H, 0, 0, (ctypes.c_char_p * 1)(cell.encode()),
                               (ctypes.c_void_p * 1)(_place(weights)), None, None, _place(output), _place(bias))
        if functions.gluon_deeprnn_network_new(ctypes.byref(given), ctypes.byref(network)):
            raise ValueError(f"{cell}: a network cannot be made")
        failed = functions.gluon_deeprnn_network_write(
            network, ctypes.byref(batch), _T, ctypes.byref(choice), _place(token), _place(state), _place(noise),
            _place(masks), 0, None, _place(tokens), _place(largest), _place(last))
        functions.gluon_deeprnn_network_delete(network)
        if failed or tokens.tolist() != forced[_N:]:
            raise ValueError(f"{cell}: the tokens that are written differ by some")
        hot = [float(k == index) for index in forced[:_T * _N] for k in range(_D)]
        outputs, *after = recurrent(cell, hot, weights, *(state[i:i + _N * _H] for i in range(0, len(state), _N * _H)))
        rows = [outputs[start:start + _H] for start in range(0, len(outputs), _H)]
        best = [max(sum(map(operator.mul, row, output[k * _H:(k + 1) * _H])) + bias[k] for k in range(_D))
                for row in rows]
        error = max(abs(a - b) for a, b in zip([*largest, *last], [*best, *(x for part in after for x in part)]))
        if not error <= 1e-5:
            raise ValueError(f"{cell}: logits and states of writing differ by {error:.1e}")


def _place(numbers: array) -> int:
    return numbers.buffer_info()[0]


def describe(path: str) -> str:
    """What ``processor.any.so`` says of the processor: its name, a line end, the libraries that it can run."""
    ask = ctypes.CDLL(path).gluon_deeprnn_processor
    ask.restype = ctypes.c_char_p
    return ask().decode("ascii", "replace")


def main(path: str) -> None:
    """Try one library."""
    if Path(path).name.startswith("processor."):
        describe(path)
        return
    library = Library(path)
    check_layers(library)
    check_layer_norm(library)
    check_writing(library)


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except (OSError, AttributeError, KeyError, ValueError) as error:
        sys.exit(f"{error}")
