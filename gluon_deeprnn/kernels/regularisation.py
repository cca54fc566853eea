"""Dropout of recurrent weights and penalties on outputs, by our operators or MXNet's."""

from typing import Any

from gluon_deeprnn import kernels
from gluon_deeprnn.graph import is_array, length
from mxnet import autograd

_COINS = 64


def weight_dropout(F: Any, weights: Any, probability: float, count: int, behind: int = 0, *, before: bool = True,
                   ) -> Any:
    """Weights of which some are dropped in training, by the faster operator.

    Parameters
    ----------
    F : module
        ``mxnet.ndarray`` or ``mxnet.symbol``.
    weights : mxnet.np.ndarray or Symbol
        Flat.
    probability : float in [0, 1)
        That a weight is set to zero; the others are divided by 1 - probability.
    count, behind : int
        How many weights are dropped, and how many follow these.
    before : bool, default True
        Whether others precede them.

    Returns
    -------
    mxnet.np.ndarray or Symbol
        As ``weights``.
    """
    if not kernels.are_ours(weights):
        end = -behind if behind else None
        parts = [F.npx.dropout(weights[-behind - count:end], p=probability)]
        # MXNet cannot allocate an empty part of a static graph.
        parts = [*([weights[:-behind - count]] if before else []), *parts, *([weights[end:]] if behind else [])]
        return F.np.concatenate(parts, axis=0) if len(parts) > 1 else parts[0]
    where = {"ctx": weights.ctx} if is_array(weights) else {}
    coins = F.npx.dropout(F.np.ones((_COINS,), **where), p=0.5)  # their pattern is the seed; without training all are 1
    arrays = [array.as_nd_ndarray() for array in (weights, coins)]
    if autograd.is_recording():
        arrays = [kernels.own(F, array) for array in arrays]
    return F.gluon_deeprnn_weight_dropout(*arrays, probability=probability, count=count,
                                          behind=behind).as_np_ndarray()


def activity_penalty(F: Any, outputs: Any, ar: float, tar: float, row_weights: Any = None) -> Any:
    """``ar`` times the mean square of outputs, plus ``tar`` times that of their differences from step to step.

    Parameters
    ----------
    F : module
        ``mxnet.ndarray`` or ``mxnet.symbol``.
    outputs : mxnet.np.ndarray or Symbol
        (T, N, H)
    ar, tar : float
        The factors.
    row_weights : mxnet.np.ndarray or Symbol, optional
        (T, N), which add up to 1: means over the rows are weighted; those of differences, of which the first step has
        none, times T / (T - 1).  The penalty is linear in them, so that penalties of some columns add up.

    Returns
    -------
    mxnet.np.ndarray or Symbol
        ()
    """
    if kernels.are_ours(outputs):
        own = kernels.own(F, outputs.as_nd_ndarray()) if autograd.is_recording() else outputs.as_nd_ndarray()
        arrays = [own, *([] if row_weights is None else [row_weights.as_nd_ndarray()])]
        return F.np.squeeze(F.gluon_deeprnn_activity(*arrays, ar=ar, tar=tar,
                                                     weighted=int(row_weights is not None)).as_np_ndarray())
    penalty = ar * _mean_square(F, outputs, row_weights)
    if not tar or length(outputs) == 1:
        return penalty
    if row_weights is not None:
        row_weights = row_weights[1:] * (length(outputs) / (length(outputs) - 1))
    return penalty + tar * _mean_square(F, outputs[1:] - outputs[:-1], row_weights)


def _mean_square(F: Any, outputs: Any, row_weights: Any) -> Any:
    squares = F.np.square(outputs)
    if row_weights is None:
        return F.np.mean(squares)
    return F.np.sum(F.np.mean(squares, axis=-1) * row_weights)
