"""Dynamic evaluation: a network that goes on learning from the text that it has predicted."""

import copy
from typing import Any, Dict, List, Mapping, Optional, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.graph import context_of
from gluon_deeprnn.models.language_model import check_language_model
from gluon_deeprnn.prediction.network import NetworkPredictor
from mxnet import autograd, np
import numpy

NUM_STEPS = 32
"""Tokens from which the network learns at once."""

_EPSILON = 0.1
"""What is added to the root mean squares, relative to their mean: weights with hardly any gradient stay as they are."""


class _Learner:
    """A copy of a language model without dropout, and the gradients of its loss on pieces of a text."""

    def __init__(self, model: Any, device: Optional[Union[str, Context]]) -> None:
        check_language_model(model)
        self.ctx = context_of(model, device)
        self.model = _without_dropout(model)
        self._loss = MeanLoss(self.model)
        self._loss.hybridize()
        self.parameters = dict(self.model.named_parameters())

    def backward(self, tokens: numpy.ndarray, state: List[np.ndarray]) -> List[np.ndarray]:
        """Compute the gradients of the mean loss of tokens[1:], in the state before tokens[0]; the state after."""
        x, y = (numpy.ascontiguousarray(part, dtype="int32")[:, None] for part in (tokens[:-1], tokens[1:]))
        with autograd.record():
            loss, state, _ = self._loss.of_batch(x, y, state)
        loss.backward()
        return [array.detach() for array in state]


def _without_dropout(model: Any) -> Any:
    """A copy of a model, with its parameters, that training mode does not change."""
    found = copy.deepcopy(model)
    for _, parameter in found.named_parameters():  # MXNet's copies of arrays have no gradients
        how, parameter.grad_req = parameter.grad_req, "null"
        parameter.grad_req = how
    found.embedding_dropout = 0.0
    for block in (found.rnn, *found.rnn.layers):
        for name in ("dropout", "input_dropout", "output_dropout", "weight_dropout"):
            if hasattr(block, name):
                setattr(block, name, 0.0)
    return found


def gradient_statistics(model: Any, tokens: Any, *, num_steps: int = NUM_STEPS, num_pieces: int = 400,
                        device: Optional[Union[str, Context]] = None) -> Dict[str, numpy.ndarray]:
    """The root mean square of the loss's gradient over pieces of a text, for each weight.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
    tokens : array_like
        The text, (n,): that on which the model was trained.
    num_steps : int, default 32
        The number of tokens that are predicted in a piece.
    num_pieces : int, default 400
        How many pieces, at equal distances, are read; each from the initial state.
    device : str or mxnet.context.Context, optional
        Where it is computed; default: the context of the parameters.

    Returns
    -------
    dict
        Arrays of the parameters' shapes by their names.

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.prediction.dynamic import gradient_statistics
    >>> found = gradient_statistics(RNNLM(GRU(num_hiddens=8), vocab_size=3), [0, 1, 2] * 30, num_pieces=2)
    >>> found['dense.bias'].shape
    (3,)
    """
    learner = _Learner(model, device)
    tokens = _checks.indices("tokens", numpy.asarray(tokens), model.vocab_size)
    num_steps = _checks.integer("num_steps", num_steps, at_least=1)
    num_pieces = _checks.integer("num_pieces", num_pieces, at_least=1)
    if len(tokens) < num_steps + 1:
        raise InputError("tokens", f"at least {num_steps + 1} long", Described(f"{len(tokens)} tokens"))
    num_pieces = min(num_pieces, (len(tokens) - 1) // num_steps)
    totals = {name: np.zeros(parameter.shape, ctx=learner.ctx) for name, parameter in learner.parameters.items()}
    for first in numpy.linspace(0, len(tokens) - num_steps - 1, num_pieces).astype(int):
        learner.backward(tokens[first:first + num_steps + 1], learner.model.begin_state(1, learner.ctx))
        for name, parameter in learner.parameters.items():
            gradient = parameter.grad(learner.ctx)
            totals[name] += gradient * gradient
    return {name: numpy.sqrt(total.asnumpy() / num_pieces) for name, total in totals.items()}


class DynamicPredictor:
    """A language model that learns from every 32 tokens after it has predicted them.

    Each weight w moves by - lr * g / (s + e), where g is the gradient of the mean loss of the last tokens, s the root
    mean square of such gradients on the training text, and e a tenth of the mean of all s; then back by a share
    ``decay`` of the way to where it was at the beginning.  The model itself stays as it is: a copy learns.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
    statistics : mapping of str to numpy.ndarray
        What `gradient_statistics` returned for this model.
    lr : float, default 2e-4
        Learning rate.
    decay : float in [0, 1), default 0.01
        With 0.01 the model forgets half of what it has learned in 69 updates, which allows a larger learning rate.
    num_steps : int, default 32
        The number of tokens between updates.
    device : str or mxnet.context.Context, optional
        Where it is computed; default: the context of the parameters.

    Source
    ------
    Krause, Kahembwe, Murray and Renals, "Dynamic Evaluation of Neural Sequence Models", 2018.

    Examples
    --------
    >>> import mxnet as mx
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.prediction import DynamicPredictor, gradient_statistics, log_probs_of
    >>> mx.random.seed(0)
    >>> model = RNNLM(GRU(num_hiddens=8), vocab_size=3)
    >>> statistics = gradient_statistics(model, [0, 1, 2] * 30)
    >>> nats = -log_probs_of(DynamicPredictor(model, statistics, lr=0.005), [0, 2] * 400)  # token 1 does not occur
    >>> bool(nats[:100].mean() > 1.2 * nats[-100:].mean())
    True
    """

    def __init__(self, model: Any, statistics: Mapping[str, numpy.ndarray], *, lr: float = 2e-4, decay: float = 0.01,
                 num_steps: int = NUM_STEPS, device: Optional[Union[str, Context]] = None) -> None:
        lr, decay = _checks.positive("lr", lr), _checks.fraction("decay", decay)
        self.num_steps = _checks.integer("num_steps", num_steps, at_least=1)
        self._learner = _Learner(model, device)
        shapes = {name: parameter.shape for name, parameter in self._learner.parameters.items()}
        if {name: array.shape for name, array in _checks.mapping("statistics", statistics).items()} != shapes:
            raise InputError("statistics", "what gradient_statistics returned for this model",
                             Described(f"arrays {sorted(statistics)}"))
        self.vocab_size, ctx = model.vocab_size, self._learner.ctx
        mean = sum(float(array.sum()) for array in statistics.values()) / sum(map(numpy.size, statistics.values()))
        self._rates = {name: np.array(lr / (array + _EPSILON * mean), dtype="float32", ctx=ctx)
                       for name, array in statistics.items()}
        self._decay = decay
        self._first = {name: parameter.data(ctx).copy() for name, parameter in self._learner.parameters.items()}
        self._reader = NetworkPredictor(self._learner.model, ctx)
        self._tokens: List[int] = []
        self._before: Any = None  # the state before the first of them

    def log_probs(self) -> numpy.ndarray:
        """The log-probabilities of the next token, in nats, (V,)."""
        return self._reader.log_probs()

    def observe(self, token: int) -> None:
        """Read the next token; learn from it and those before it when there are enough."""
        before = self._reader.state
        if not self._tokens:
            self._before = before
        self._tokens.append(token)
        if len(self._tokens) == self.num_steps + 1:
            self._learn()
            self._tokens, self._before = [token], before
        self._reader.observe(token)

    def _learn(self) -> None:
        learner = self._learner
        learner.backward(numpy.array(self._tokens), self._reader.arrays(self._before))
        for name, parameter in learner.parameters.items():
            weights, gradient = parameter.data(learner.ctx), parameter.grad(learner.ctx)
            weights -= gradient * self._rates[name]
            if self._decay:
                weights += self._decay * (self._first[name] - weights)
        self._reader.renew()
