"""The equations of a language model in NumPy, one token at a time: what the programs for other places compute."""

from typing import Callable, Dict, List, Tuple

from gluon_deeprnn.models.interchange import Layer, Weights
import numpy

Array = numpy.ndarray
State = List[Array]
"""Of a layer: its hidden state and, of an LSTM, its cell state, (H,) each."""


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + numpy.exp(-x))


_ACTIVATIONS: Dict[str, Callable[[Array], Array]] = {
    "tanh": numpy.tanh, "relu": lambda x: numpy.maximum(x, 0), "sigmoid": _sigmoid,
    "softsign": lambda x: x / (1 + abs(x)), "softrelu": lambda x: numpy.logaddexp(x, 0)}


def _next(layer: Layer, x: Array, state: State) -> State:
    """The state after a step, from the contribution ``x`` of the inputs to all gates, (G H,)."""
    kind, (h, *c) = layer.computes, state
    W, b, size = layer.arrays["h2h_weight"].astype("float64"), layer.arrays["h2h_bias"], len(h)
    if kind == "mgu":
        f = _sigmoid(x[:size] + W[:size] @ h + b[:size])
        return [(1 - f) * h + f * numpy.tanh(x[size:] + W[size:] @ (f * h) + b[size:])]
    if kind == "gru_reset_before":
        r, z = numpy.split(_sigmoid(x[:2 * size] + W[:2 * size] @ h + b[:2 * size]), 2)
        return [z * h + (1 - z) * numpy.tanh(x[2 * size:] + W[2 * size:] @ (r * h) + b[2 * size:])]
    u = W @ h + b
    if kind == "gru":
        r, z = numpy.split(_sigmoid(x[:2 * size] + u[:2 * size]), 2)
        return [z * h + (1 - z) * numpy.tanh(x[2 * size:] + r * u[2 * size:])]
    if kind == "lstm":
        i, f, g, o = numpy.split(x + u, 4)
        cell = _sigmoid(f) * c[0] + _sigmoid(i) * numpy.tanh(g)
        return [_sigmoid(o) * numpy.tanh(cell), cell]
    return [_ACTIVATIONS[kind[len("rnn_"):]](x + u)]


def logits_of(weights: Weights, tokens: Array) -> Tuple[Array, Array]:
    """The logits after each token of a text, in double precision, and the last state.

    Parameters
    ----------
    weights : Weights
    tokens : numpy.ndarray
        (T,)

    Returns
    -------
    logits, state
        (T, V) and (S, L, H).

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.export.forward import logits_of
    >>> from gluon_deeprnn.models.interchange import weights_of
    >>> logits_of(weights_of(RNNLM(GRU(8, 2), vocab_size=5)), [0, 3])[0].shape
    (2, 5)
    """
    states = [list(weights.first_state[:, i].astype("float64")) for i in range(len(weights.layers))]
    table = numpy.eye(weights.vocab_size) if weights.embedding is None else weights.embedding.astype("float64")
    found = []
    for token in tokens:
        x, of_layers = table[token], []
        for i, layer in enumerate(weights.layers):
            below = x
            if i and weights.norms:
                norm = weights.norms[i - 1]
                x = (x - x.mean()) / numpy.sqrt(x.var() + weights.epsilon) * norm["gamma"] + norm["beta"]
            given = layer.arrays["i2h_weight"].astype("float64") @ x + layer.arrays["i2h_bias"]
            states[i] = _next(layer, given, states[i])
            x = states[i][0] + below if i and weights.residual else states[i][0]
            of_layers.append(x)
        x = numpy.concatenate(of_layers) if weights.skip else x
        found.append(weights.output.astype("float64") @ x + weights.bias)
    return numpy.array(found), numpy.stack([numpy.stack(each) for each in zip(*states)])


def nll_of(weights: Weights, tokens: Array) -> float:
    """The negative log-likelihood of the tokens of a text, but the first, in nats."""
    logits = logits_of(weights, tokens[:-1])[0]
    log_p = logits - numpy.logaddexp.reduce(logits, axis=1, keepdims=True)
    return -float(log_p[numpy.arange(len(log_p)), tokens[1:]].sum())
