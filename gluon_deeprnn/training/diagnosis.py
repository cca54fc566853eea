"""Diagnosis of the training of deep networks: gradient norms per layer, over the epochs and through time."""

import logging
import math
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.data.batches import PADDING
from gluon_deeprnn.errors import Advice, Argument, InputError
from gluon_deeprnn.evaluation import on_device
from gluon_deeprnn.graph import context_of
from gluon_deeprnn.models import RecurrentStack
from gluon_deeprnn.training.callback import Callback, Training
from mxnet import autograd, np, npx
import numpy

POINTS_AN_EPOCH = 100
"""The maximum number of gradient norms in a row of the history; longer epochs are averaged over equal intervals."""

_RISE, _VANISHED = 1.5, 1e-3
_log = logging.getLogger(__name__)


def layer_of(path: str) -> str:
    """The layer of a language model to which a parameter belongs, by its path.

    Examples
    --------
    >>> from gluon_deeprnn.training.diagnosis import layer_of
    >>> [layer_of(path) for path in ('rnn.layer0.weights', 'rnn.norm1.gamma', 'dense.bias', 'embedding.weight')]
    ['layer 1', 'layer 2', 'output', 'embedding']
    """
    numbered = re.search(r"\b(?:layer|norm)(\d+)\b", path)
    if numbered:
        return f"layer {int(numbered[1]) + 1}"
    return "embedding" if path.startswith("embedding") else "first state" if "first_state" in path else "output"


class GradientNorms:
    """Accumulates the gradient norms of an epoch by layer, for the history of a training.

    Parameters
    ----------
    paths : sequence of str
        The names of the parameters, in the order of their squared norms.
    clip : float
        The clipping threshold of the global norm; 0 for no clipping.
    clip_value : float, default 0
        That of the absolute value of each element.
    """

    def __init__(self, paths: Sequence[str], clip: float, clip_value: float = 0) -> None:
        self._clip = clip
        with numpy.errstate(over="ignore"):
            self._clip_value = float(numpy.float32(clip_value))  # as MXNet compares it
        self._layers: Dict[str, List[int]] = {}
        for i, path in enumerate(paths):
            self._layers.setdefault(layer_of(path), []).append(i)

    def begin(self) -> Dict[str, Any]:
        """The initial accumulator of an epoch: plain numbers, so that it can be stored in a checkpoint."""
        return {"sum": 0.0, "clipped": 0, "steps": 0, "layers": {layer: [] for layer in self._layers}}

    def check(self, account: Any) -> None:
        """Validate an accumulator from an untrusted file; raise ``ValueError`` if it is not one of these layers."""
        layers = account["layers"]
        numbers = [account["sum"], *(norm for norms in layers.values() for norm in norms)]
        counts = [account["clipped"], account["steps"]]
        if account.keys() != self.begin().keys() or layers.keys() != self._layers.keys() \
                or not all(type(x) in (int, float) and math.isfinite(x) for x in numbers) \
                or not all(type(n) is int and n >= 0 for n in counts) \
                or any(len(norms) != account["steps"] for norms in layers.values()):
            raise ValueError("gradient norms that are not those of an epoch")

    def add(self, account: Dict[str, Any], squares: numpy.ndarray, largest: float = 0.0) -> None:
        """Add the squared norms, (number of parameters,), of one step, and the largest absolute value of an element."""
        squares = squares.astype("float64")
        norm = math.sqrt(squares.sum())
        account["sum"] += norm
        account["steps"] += 1
        account["clipped"] += bool(0 < self._clip < norm or 0 < self._clip_value < largest)
        for layer, members in self._layers.items():
            account["layers"][layer].append(float(f"{math.sqrt(squares[members].sum()):.4g}"))

    @staticmethod
    def row(account: Mapping[str, Any]) -> Dict[str, Any]:
        """The entries of the epoch's row in the history."""
        steps = account["steps"]
        parts = min(steps, POINTS_AN_EPOCH)
        layers = {layer: [float(f"{part.mean():.4g}") for part in numpy.array_split(norms, parts)]
                  for layer, norms in account["layers"].items()}
        return {"gradient_norm": account["sum"] / steps, "clipped": account["clipped"] / steps,
                "layer_gradient_norms": layers}


class Diagnosis(Callback):
    """Logs at most one warning per training, with remedies; see ``warning``."""

    def __init__(self) -> None:
        self._warned = False

    def on_epoch_end(self, trainer: Training) -> None:
        """Check the history."""
        clip = max(trainer.gradient_clip_val, trainer.clip_value)
        message = None if self._warned else warning(trainer.history, trainer.model, clip)
        if message:
            self._warned = True
            _log.warning("%s", message)


def warning(history: Sequence[Mapping[str, Any]], model: Any, clip: float) -> Optional[Advice]:
    """A warning with remedies if the perplexity rises or gradients vanish; None otherwise.

    Parameters
    ----------
    history : sequence of mapping
        The rows of the history so far.
    model : RNNLM or RNNLMScratch
        The model.
    clip : float
        A threshold of clipping, of the norm or of the elements; 0 if gradients are not clipped.
    """
    row = history[-1]
    best = min(history, key=lambda r: r["train_ppl"])
    if row["train_ppl"] > _RISE * best["train_ppl"]:
        return Advice(f"the training perplexity rose from {best['train_ppl']:.2f} in epoch {best['epoch']} to "
                      f"{row['train_ppl']:.2f} in epoch {row['epoch']}, {row['clipped']:.0%} of the steps clipped; ",
                      remedies(model, row["lr"], clip))
    trained = {layer_of(path) for path, parameter in model.named_parameters() if parameter.grad_req != "null"}
    layers = [layer for layer in sorted(row["layer_gradient_norms"], key=len)
              if layer.startswith("layer ") and layer in trained]
    if len(layers) > 1:
        first, last = (numpy.mean(row["layer_gradient_norms"][layer]) for layer in (layers[0], layers[-1]))
        if first < _VANISHED * last:
            return Advice(f"the gradient of {layers[0]} vanishes: its norm is {first:.2g}, that of {layers[-1]} "
                          f"{last:.2g}; try ", *_joined(" or ", _for_depth(model) or [Advice("fewer layers")]))
    return None


def remedies(model: Any, lr: float, clip: float) -> Advice:
    """Remedies for a training that diverges, the most promising one first; ``clip`` is 0 if nothing is clipped."""
    found = [Advice("a lower learning rate (", Argument("lr", lr / 2), ")")]
    if clip == 0:
        found.append(Advice("clipping (", Argument("gradient_clip_val", 1), ")"))
    return Advice("try ", *_joined(", or ", found + _for_depth(model)))


def _joined(separator: str, parts: List[Advice]) -> List[Union[str, Advice]]:
    return [each for part in parts for each in (separator, part)][1:]


def _for_depth(model: Any) -> List[Advice]:
    stack = getattr(model, "rnn", None)
    if not isinstance(stack, RecurrentStack) or stack.num_layers < 3:
        return []
    return [Advice(Argument(name)) for name in ("residual", "layer_norm") if not getattr(stack, name)]


class _Perturbed:
    """A layer with an additive variable of value zero at the hidden state of every step, to get gradients there."""

    def __init__(self, layer: Any, shape: Any, ctx: Any) -> None:
        self._layer, self._shape, self._ctx = layer, shape, ctx
        self.perturbations: List[np.ndarray] = []

    def __call__(self, inputs: Any, state: List[Any]) -> Any:
        outputs, (hidden, *cell_state) = self._layer(inputs, state)
        perturbation = np.zeros(self._shape, ctx=self._ctx)
        perturbation.attach_grad()
        self.perturbations.append(perturbation)
        return outputs + perturbation, [hidden + perturbation, *cell_state]


def gradient_flow(model: Any, x: numpy.ndarray, y: numpy.ndarray) -> numpy.ndarray:
    """Gradient norms of the last step's loss, by layer and step: how far gradients reach through layers and time.

    Parameters
    ----------
    model : RNNLM or RNNLMScratch
        A language model on a `gluon_deeprnn.models.RecurrentStack`; dropout is off.
    x, y : numpy.ndarray
        Token indices and targets, (T, N), from a batch source.  Of a padded batch the longest sequences are used.

    Returns
    -------
    numpy.ndarray
        (L, T): the norm of the gradient of the loss at the last step, -log p(y[T-1]), with respect to the hidden state
        of layer l after step t, averaged over the sequences.

    Source
    ------
    Bengio, Simard and Frasconi, "Learning Long-Term Dependencies with Gradient Descent is Difficult", 1994.

    Examples
    --------
    >>> import numpy
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.training.diagnosis import gradient_flow
    >>> model = RNNLM(GRU(num_hiddens=8, num_layers=3), vocab_size=5)
    >>> tokens = numpy.arange(44).reshape(11, 4) % 5
    >>> gradient_flow(model, tokens[:-1], tokens[1:]).shape
    (3, 10)
    """
    stack = getattr(model, "rnn", None)
    if not isinstance(stack, RecurrentStack):
        raise InputError("model", "a language model on a RecurrentStack, such as RNNLM(GRU(32, 2), 28)", model)
    num_steps, batch_size = _checks.shape("x", x, (None, None))
    _checks.shape("y", y, (num_steps, batch_size))
    if (y != PADDING).any():
        num_steps = int(numpy.flatnonzero((y != PADDING).any(axis=1))[-1]) + 1
        longest = y[num_steps - 1] != PADDING
        x, y = x[:num_steps, longest], y[:num_steps, longest]
        batch_size = x.shape[1]
    ctx, layers, hybridized = context_of(model), stack.layers, model.hybridized
    perturbed = [_Perturbed(layer, (batch_size, stack.num_hiddens), ctx) for layer in layers]
    model.hybridize(False)
    stack.layers = perturbed
    try:
        with autograd.record(train_mode=False):
            state = model.begin_state(batch_size, ctx)
            for step in on_device(x, ctx, model.vocab_size):
                logits, state = model(step.reshape(1, -1), state)
            last = on_device(y[-1], ctx, model.vocab_size)
            total = -npx.pick(npx.log_softmax(logits[0], axis=-1), last, axis=-1).sum()
        total.backward()
    finally:
        stack.layers = layers
        model.hybridize(hybridized)
    return numpy.array([[np.sqrt((each.grad ** 2).sum(axis=-1)).mean().item() for each in layer.perturbations]
                        for layer in perturbed])
