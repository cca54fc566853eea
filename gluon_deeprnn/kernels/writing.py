"""Language models that read and write tokens on the CPU without MXNet: plain functions of the compiled library.

A character of a network of 2 layers of 32 units is 10,000 multiply-adds, a microsecond.  MXNet takes 80 to 110 for it:
each of its operators costs some.  Here one call computes many tokens, from the first layer to the choice of the token.
"""

from concurrent.futures import ThreadPoolExecutor
import ctypes
import functools
import math
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

from gluon_deeprnn import runtime
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.kernels import libraries
from gluon_deeprnn.kernels.trial import interface
from gluon_deeprnn.kernels.trial.equations import GATES
import numpy

_FOR_A_THREAD = 2**26
"""Multiply-adds for which another thread is begun: a few milliseconds."""
_TILE = 8  # sequences that are computed together
_NO_MEMORY, _BAD_TOKEN, _BAD_NETWORK = 1, 2, 3

Array = numpy.ndarray


class Weights(NamedTuple):
    """What a language model computes with: float32.

    Attributes
    ----------
    cells : sequence of str
        The cell of each layer, one of `gluon_deeprnn.kernels.trial.equations.GATES`.
    layers : sequence of numpy.ndarray
        The weights of each layer, flat, in the order of cuDNN.
    norms : sequence of numpy.ndarray
        Gamma and beta, (H,) each, of the layer normalization before each layer but the first; empty without it.
    epsilon : float
        What is added to the variance in it.
    is_residual : bool
        Whether the inputs of each layer but the first are added to its outputs.
    embedding : numpy.ndarray or None
        (V, E); without it, the inputs of the first layer are one-hot vectors.
    output, bias : numpy.ndarray
        (V, H), or (V, L H) with skip connections, and (V,)
    has_skip : bool, default False
        Whether the output layer reads the outputs of all layers, one beside the other.
    """

    cells: Sequence[str]
    layers: Sequence[Array]
    norms: Sequence[Array]
    epsilon: float
    is_residual: bool
    embedding: Optional[Array]
    output: Array
    bias: Array
    has_skip: bool = False

    @property
    def num_hiddens(self) -> int:
        """The number of hidden units H."""
        return self.output.shape[1] // (len(self.layers) if self.has_skip else 1)


class Choice(interface.Choice):
    """How a token is chosen; the defaults choose the most likely one, or sample from the model's distribution.

    Parameters
    ----------
    scale : float, default 1
        What the logits are multiplied by.
    penalty : float, default 1
        The repetition penalty.
    top_p, log_min_p : float, default 1 and -infinity
    top_k : int, default 0
    """

    def __init__(self, scale: float = 1, penalty: float = 1, top_p: float = 1, log_min_p: float = -math.inf,
                 top_k: int = 0) -> None:
        super().__init__(scale, penalty, top_p, log_min_p, top_k)


class Network:
    """A language model's layers, with a copy of its weights; it can be used from several threads.

    Parameters
    ----------
    weights : Weights

    Attributes
    ----------
    num_states : int
        The number S of arrays in a state, which is (S, L, N, H).
    products : int
        Multiply-adds for a token.
    """

    _handle: Optional[ctypes.c_void_p] = None

    def __init__(self, weights: Weights) -> None:
        self._library = _library()
        self.vocab_size, self.num_hiddens = len(weights.output), weights.num_hiddens
        self.num_layers = len(weights.layers)
        self.num_states = 2 if "lstm" in weights.cells else 1
        cells, kept = tuple(weights.cells), _checked(weights)  # alive until the library has copied them
        self.products = sum(layer.size for layer in kept.layers) + kept.output.size
        if kept.embedding is None:  # of the first layer's weights of the inputs, only a row is read
            self.products -= self.vocab_size * GATES[cells[0]] * self.num_hiddens
        given = interface.NetworkWeights(
            self.vocab_size, 0 if kept.embedding is None else kept.embedding.shape[1], self.num_layers,
            self.num_hiddens, kept.is_residual, kept.has_skip, kept.epsilon,
            (ctypes.c_char_p * len(cells))(*map(str.encode, cells)), _all_at(kept.layers), _all_at(kept.norms),
            _at(kept.embedding), _at(kept.output), _at(kept.bias))
        handle = ctypes.c_void_p()
        _must(self._library.gluon_deeprnn_network_new(ctypes.byref(given), ctypes.byref(handle)))
        self._handle = handle

    def __del__(self) -> None:
        if self._handle is not None:
            self._library.gluon_deeprnn_network_delete(self._handle)

    def read(self, tokens: Array, state: Array) -> Array:
        """The state, (S, L, N, H), after tokens, (T, N) int32, that are read in a state."""
        tokens, state = _ready(tokens, "int32"), self._state(state, tokens.shape[1])
        last = numpy.empty_like(state)
        self._share(self._library.gluon_deeprnn_network_read, len(tokens), tokens.shape[1],
                    [_at(tokens), _at(state), _at(last)])
        return last

    def write(self, num_steps: int, choice: Choice, token: Array, state: Array, noise: Optional[Array], masks: Array,
              seen: Optional[Array]) -> Tuple[Array, Array, Array, Optional[Array]]:
        """Write tokens after a token of each sequence.

        Parameters
        ----------
        num_steps : int
            Their number T.
        choice : Choice
        token, state : numpy.ndarray
            (N,) int32, and the state before it.
        noise : numpy.ndarray or None
            Added to the logits of each step before the largest is taken, (T, N, V).
        masks : numpy.ndarray
            Added to the logits, (V,) or (N, V).
        seen : numpy.ndarray or None
            Which tokens there were so far, (N, V), for the repetition penalty; None without one.

        Returns
        -------
        tokens, largest, state, seen
            (T, N) int32; the largest logit of each step, (T, N); the state before the last token; with it, seen.
        """
        size = len(token)
        token, state, masks = _ready(token, "int32"), self._state(state, size), _ready(masks)
        _must_be("masks", masks, (self.vocab_size,) if masks.ndim == 1 else (size, self.vocab_size))
        if noise is not None:
            noise = _ready(noise)
            _must_be("noise", noise, (num_steps, size, self.vocab_size))
        if seen is not None:
            seen = numpy.array(seen, dtype="float32", order="C")  # a copy, to be updated
            _must_be("seen", seen, (size, self.vocab_size))
        tokens, largest = numpy.empty((num_steps, size), "int32"), numpy.empty((num_steps, size), "float32")
        last = numpy.empty_like(state)
        self._share(self._library.gluon_deeprnn_network_write, num_steps, size, [
            ctypes.byref(choice), _at(token), _at(state), _at(noise), _at(masks), self.vocab_size * (masks.ndim - 1),
            _at(seen), _at(tokens), _at(largest), _at(last)])
        return tokens, largest, last, seen

    def score(self, tokens: Array, targets: Array, state: Array) -> Tuple[Array, Array]:
        """The log p of targets, (T,), each after the tokens, (T,), up to it, of one sequence; and its last state."""
        tokens, targets, state = _ready(tokens, "int32"), _ready(targets, "int32"), self._state(state, 1)
        _must_be("targets", targets, tokens.shape)
        found, last = numpy.empty(len(tokens), "float32"), numpy.empty_like(state)
        _must(self._library.gluon_deeprnn_network_score(self._handle, len(tokens), _at(tokens), _at(targets),
                                                        _at(state), _at(found), _at(last)))
        return found, last

    def logits(self, tokens: Array, state: Array) -> Tuple[Array, Array]:
        """The logits of the next token, (T, V), after each of the tokens, (T,), of one sequence; and its last state."""
        tokens, state = _ready(tokens, "int32"), self._state(state, 1)
        found, last = numpy.empty((len(tokens), self.vocab_size), "float32"), numpy.empty_like(state)
        _must(self._library.gluon_deeprnn_network_logits(self._handle, len(tokens), _at(tokens), _at(state),
                                                         _at(found), _at(last)))
        return found, last

    def _state(self, state: Array, batch_size: int) -> Array:
        state = _ready(state)
        _must_be("state", state, (self.num_states, self.num_layers, batch_size, self.num_hiddens))
        return state

    def _share(self, function: Any, num_steps: int, batch_size: int, arguments: List[Any]) -> None:
        """Call a function for a batch, in several threads if that takes long.

        They are Python's, begun for the call.  Those of OpenMP would be gone after a fork of the process, and the next
        call would wait for them for ever.
        """
        work = num_steps * batch_size * self.products
        parts = min(runtime.threads() or 1, -(-batch_size // _TILE), 1 + work // _FOR_A_THREAD)
        tiles = -(-batch_size // _TILE)
        ends = [min(batch_size, part * tiles // parts * _TILE) for part in range(parts + 1)]

        def compute(first: int, end: int) -> int:
            batch = interface.Batch(first, end - first, batch_size)
            return function(self._handle, ctypes.byref(batch), num_steps, *arguments)

        if parts == 1:
            _must(compute(0, batch_size))
            return
        with ThreadPoolExecutor(parts - 1) as others:
            waiting = [others.submit(compute, *part) for part in zip(ends[1:], ends[2:])]
            results = [compute(0, ends[1]), *(one.result() for one in waiting)]
        _must(max(results))


@functools.cache
def _library() -> Any:
    """The library whose operators are used, with the types of its functions for writing."""
    return interface.with_types(libraries.opened())


def _checked(weights: Weights) -> Weights:
    """The weights as contiguous arrays, if their sizes fit each other."""
    num_tokens, size = len(weights.output), weights.num_hiddens
    embedding = None if weights.embedding is None else _ready(weights.embedding)
    if embedding is not None:
        _must_be("embedding", embedding, (num_tokens, embedding.shape[-1]))
    if not weights.cells or len(weights.cells) != len(weights.layers) or not set(weights.cells) <= GATES.keys():
        raise InputError("cells", f"of {', '.join(GATES)}, one for each layer", weights.cells)
    for i, (cell, layer) in enumerate(zip(weights.cells, weights.layers)):
        num_inputs = size if i else num_tokens if embedding is None else embedding.shape[1]
        _must_be(f"layers[{i}]", layer, (GATES[cell] * size * (num_inputs + size + 2),))
    if len(weights.norms) not in (0, 2 * len(weights.layers) - 2):
        raise InputError("norms", "two for each layer but the first, or none", Described(str(len(weights.norms))))
    for array in weights.norms:
        _must_be("norms[...]", array, (size,))
    _must_be("bias", weights.bias, (num_tokens,))
    _must_be("output", weights.output, (num_tokens, size * (len(weights.layers) if weights.has_skip else 1)))
    return weights._replace(layers=[_ready(layer) for layer in weights.layers], embedding=embedding,
                            norms=[_ready(array) for array in weights.norms], output=_ready(weights.output),
                            bias=_ready(weights.bias))


def _must(status: int) -> None:
    """Raise the error that a function of the library has returned."""
    if status == _NO_MEMORY:
        raise InputError("memory", "available for the layers' weights and states", Described("none"))
    if status == _BAD_TOKEN:
        raise InputError("tokens", "indices of the vocabulary", Described("others"))
    if status == _BAD_NETWORK:
        raise InputError("cells", "known, with the same number of states", Described("others"))


def _must_be(name: str, array: Array, shape: Tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InputError(name, f"of shape {shape}", Described(str(array.shape)))


def _ready(array: Array, dtype: str = "float32") -> Array:
    return numpy.ascontiguousarray(array, dtype=dtype)


def _at(array: Optional[Array]) -> Optional[int]:
    """The address of an array's elements."""
    return None if array is None else array.ctypes.data


def _all_at(arrays: Sequence[Array]) -> Any:
    """The addresses of several arrays; none for no array."""
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays)) if arrays else None
