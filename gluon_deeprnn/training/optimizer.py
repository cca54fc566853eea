"""Parameter updates: Gluon's optimizers, asynchronous gradient clipping, and optimizer states as NumPy arrays."""

import copy
import math
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks, mxnet_private
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.training.adamw import AdamW
import mxnet
from mxnet import gluon, np
import numpy

OPTIMIZERS = ("sgd", "nag", "adam", "adamw", "adamax", "nadam", "rmsprop", "adagrad", "adadelta", "ftml", "ftrl",
              "lamb", "signum")

mxnet.optimizer.register(AdamW)  # so that it is found by its name, as MXNet's own are


def clip_global_norm(gradients: Sequence[np.ndarray], clip: float) -> np.ndarray:
    """Scale gradients in place so that their global norm is at most ``clip``.

    The function does not wait for the result (MXNet's own function does, and rejects NumPy-mode arrays).

    Parameters
    ----------
    gradients : sequence of mxnet.np.ndarray
        The gradients, all on one context.
    clip : float
        The maximum norm; 0 only computes the norm.

    Returns
    -------
    mxnet.np.ndarray
        The norm before scaling, shape ().

    Source
    ------
    Dive into Deep Learning, section "Recurrent Neural Network Implementation from Scratch", gradient clipping.

    Examples
    --------
    >>> from gluon_deeprnn.training.optimizer import clip_global_norm
    >>> from mxnet import np
    >>> gradient = np.array([3.0, 4.0])
    >>> float(clip_global_norm([gradient], 1)), [round(float(x), 3) for x in gradient]
    (5.0, [0.6, 0.8])
    """
    gradients = _checks.sequence("gradients", gradients, np.ndarray, "a sequence of arrays, not empty")
    if not gradients:
        raise InputError("gradients", "a sequence of arrays, not empty", gradients)
    norm = np.sqrt(squared_norms(gradients).sum())
    _scale(gradients, norm, _checks.not_negative("clip", clip))
    return norm


def squared_norms(gradients: Sequence[np.ndarray]) -> np.ndarray:
    """The squared norm of each gradient, (number of gradients,), in one operator."""
    return mxnet.nd.multi_sum_sq(*[g.as_nd_ndarray() for g in gradients], num_arrays=len(gradients)).as_np_ndarray()


def _scale(gradients: Sequence[np.ndarray], norm: np.ndarray, clip: float) -> None:
    if clip > 0:
        scale = clip / np.maximum(norm, clip)  # exactly 1 if the norm is at most clip
        for gradient in gradients:
            gradient *= scale


AnyOptimizer = Union[str, mxnet.optimizer.Optimizer]


def check_optimizer(optimizer: AnyOptimizer, options: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Validate an optimizer, one of ``OPTIMIZERS`` or an optimizer object, and return its options (none for an object).

    Raises
    ------
    ValueError
        "optimizer must be one of sgd, ...; got ...", "optimizer_params must be options of MXNet's sgd; got ...".
    """
    if isinstance(optimizer, mxnet.optimizer.Optimizer):
        if options:
            raise InputError("optimizer_params", "omitted with an optimizer object, which has its own", options)
        if optimizer.lr_scheduler is not None:
            raise InputError("optimizer", "one without an lr_scheduler", optimizer,
                             "Trainer's schedule changes the learning rate")
        return {}
    _checks.one_of("optimizer", optimizer, OPTIMIZERS)
    found = dict(_checks.mapping("optimizer_params", options or {}))
    try:
        mxnet.optimizer.create(optimizer, **found)
    except TypeError as error:
        raise InputError("optimizer_params", f"options of MXNet's {optimizer}",
                         Described(str(error).split("() ")[-1])) from None
    for option, value in found.items():
        if not isinstance(value, bool):
            _checks.finite(f"optimizer_params[{option!r}]", value)
    return found


class Measured(NamedTuple):
    """The gradients of a step before clipping, as the device computes them; the values are not awaited.

    Attributes
    ----------
    squares : mxnet.np.ndarray
        The squared norm of each parameter's gradient, (number of parameters,), in the order of the parameters.
    largest : mxnet.np.ndarray or None
        The largest absolute value of an element, (); None if elements are not clipped.
    """

    squares: np.ndarray
    largest: Optional[np.ndarray]


class Optimizer:
    """A Gluon trainer of named parameters, with gradient clipping.

    Parameters
    ----------
    parameters : mapping of str to mxnet.gluon.Parameter
        The parameters by name.
    optimizer : str or mxnet.optimizer.Optimizer
        One of ``OPTIMIZERS``, or an optimizer object, which is copied.
    options : mapping, optional
        Further options of the optimizer, such as ``momentum`` or ``wd``.
    clip : float, default 0
        The maximum global norm of the gradients; 0 for no clipping.
    clip_value : float, default 0
        The maximum absolute value of each element of the gradients, before their norm is clipped; 0 for no clipping.
    """

    def __init__(self, parameters: Mapping[str, gluon.Parameter], optimizer: AnyOptimizer,
                 options: Optional[Mapping[str, Any]] = None, clip: float = 0, clip_value: float = 0) -> None:
        options = check_optimizer(optimizer, options)
        self.clip = _checks.not_negative("clip", clip)
        self.clip_value = _checks.not_negative("clip_value", clip_value)
        self._names = list(parameters)
        self._parameters = list(parameters.values())
        self._trainer = gluon.Trainer(self._parameters, copy.deepcopy(optimizer), options or None, kvstore=None)

    def update(self, lr: float) -> Measured:
        """Clip the gradients on the first context and update the parameters there."""
        gradients = [parameter.list_grad()[0] for parameter in self._parameters]
        squares = clipped = squared_norms(gradients)
        largest = None
        if self.clip_value > 0:
            largest = np.stack([np.abs(gradient).max() for gradient in gradients]).max()
            for gradient in gradients:
                np.clip(gradient, -self.clip_value, self.clip_value, out=gradient)
            clipped = squared_norms(gradients) if self.clip > 0 else squares
        if self.clip > 0:
            _scale(gradients, np.sqrt(clipped.sum()), self.clip)
        self._trainer.set_learning_rate(lr)
        self._trainer.update(batch_size=1, ignore_stale_grad=True)  # the loss is already a mean
        return Measured(squares, largest)

    def state(self) -> Tuple[Dict[str, numpy.ndarray], Dict[str, Any]]:
        """The state of the optimizer: everything else that the next update depends on, as arrays and plain numbers."""
        optimizer, states = self._trainer.optimizer, mxnet_private.updater(self._trainer).states
        arrays = {f"{self._names[i]}/{j}": array.asnumpy()
                  for i, state in states.items() for j, array in enumerate(_flat(state))}
        numbers = {key: value for key, value in vars(optimizer).items() if type(value) in (int, float)}
        updates = {self._names[i]: count for i, count in mxnet_private.update_counts(optimizer).items()}
        return arrays, {"numbers": numbers, "updates": updates}

    def set_state(self, arrays: Mapping[str, numpy.ndarray], about: Mapping[str, Any]) -> None:
        """Restore a state that `state` returned.

        Raises
        ------
        ValueError
            If it is not a state of this optimizer and these parameters.
        """
        optimizer, updater = self._trainer.optimizer, mxnet_private.updater(self._trainer)
        numbers, updates = self._checked(about)
        expected, states = {}, {}
        for i, (name, parameter) in enumerate(zip(self._names, self._parameters)):
            if name in updates:
                states[i] = optimizer.create_state_multi_precision(i, parameter.list_data()[0].as_nd_ndarray())
                expected.update({f"{name}/{j}": array for j, array in enumerate(_flat(states[i]))})
        shapes = {name: array.shape for name, array in expected.items()}
        if shapes != {name: array.shape for name, array in arrays.items()}:
            raise InputError("optimizer state", "that of this optimizer and these parameters",
                                     Described(f"arrays {sorted(arrays)}"))
        for name, array in expected.items():
            array[:] = arrays[name]
        updater.states = states
        updater.states_synced = dict.fromkeys(states, True)
        for key, value in numbers.items():
            setattr(optimizer, key, value)
        counts = mxnet_private.update_counts(optimizer)
        counts.clear()
        counts.update({self._names.index(name): count for name, count in updates.items()})

    def _checked(self, about: Mapping[str, Any]) -> Tuple[Dict[str, float], Dict[str, int]]:
        numbers, updates = about["numbers"], about["updates"]
        _, own = self.state()
        own_numbers = own["numbers"]
        if numbers.keys() != own_numbers.keys() or not updates.keys() <= set(self._names) \
                or not all(type(x) is type(own_numbers[key]) and math.isfinite(x) for key, x in numbers.items()) \
                or not all(type(count) is int and count >= 0 for count in updates.values()):
            raise InputError("optimizer state", "that of this optimizer and these parameters",
                                     Described(f"numbers {numbers}, updates {updates}"))
        return numbers, updates


def _flat(state: Any) -> List[Any]:
    if state is None:
        return []
    return [array for part in state for array in _flat(part)] if isinstance(state, (list, tuple)) else [state]
