"""Parameter updates: Gluon's optimizers, asynchronous gradient clipping, and optimizer states as NumPy arrays."""

import copy
import math
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from gluon_deeprnn import _checks, mxnet_private
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.training.adamw import AdamW, decayed
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


def check_optimizer(optimizer: AnyOptimizer, options: Optional[Mapping[str, Any]],
                    decay_biases: bool = False) -> Dict[str, Any]:
    """Validate an optimizer, one of ``OPTIMIZERS`` or an optimizer object, and return its options (none for an object).

    ``decay_biases`` requires weight decay.

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
        _check_decay_biases(decay_biases, optimizer.wd)
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
    _check_decay_biases(decay_biases, found.get("wd", 0))
    return found


def _check_decay_biases(decay_biases: bool, weight_decay: float) -> None:
    if _checks.flag("decay_biases", decay_biases) and not weight_decay:
        raise InputError("decay_biases", "False without weight decay", decay_biases)


class Piece(NamedTuple):
    """What an optimizer updates as one array: a parameter, or one part of a fused layer's flat parameter.

    Attributes
    ----------
    name : str
        The name of the parameter.
    parameter : mxnet.gluon.Parameter
    part : slice or None
        The part of the vector; None for the whole parameter.
    """

    name: str
    parameter: gluon.Parameter
    part: Optional[slice]

    def of(self, array: Any) -> Any:
        """The part of an array as large as the parameter, as an ``mxnet.nd.NDArray`` of the same memory."""
        whole = array.as_nd_ndarray()
        return whole if self.part is None else whole[self.part.start:self.part.stop]


class _WithoutDecay:
    """Stands for a parameter in an optimizer: the same factor of the learning rate, but no weight decay."""

    wd_mult = 0.0

    def __init__(self, parameter: gluon.Parameter) -> None:
        self._parameter = parameter

    @property
    def lr_mult(self) -> float:
        return self._parameter.lr_mult


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
    """Updates named parameters by one of MXNet's optimizers, with gradient clipping.

    Weight decay applies to matrices and embeddings, not to biases, scales and shifts of normalisations and learned
    initial states.  The attributes ``lr_mult``, ``wd_mult`` and ``grad_req`` of parameters act as in Gluon's trainer:
    parameters with the ``grad_req`` "null" are not updated.

    Parameters
    ----------
    parameters : mapping of str to mxnet.gluon.Parameter
        The parameters by name, initialized.
    optimizer : str or mxnet.optimizer.Optimizer
        One of ``OPTIMIZERS``, or an optimizer object, which is copied.
    options : mapping, optional
        Further options of the optimizer, such as ``momentum`` or ``wd``.
    clip : float, default 0
        The maximum global norm of the gradients; 0 for no clipping.
    clip_value : float, default 0
        The maximum absolute value of each element of the gradients, before their norm is clipped; 0 for no clipping.
    decay_biases : bool, default False
        Whether weight decay applies to all parameters.

    Raises
    ------
    ValueError
        "grad_req must be write or null, for every parameter; got add for rnn.layer0.weights", and for invalid options.
    """

    def __init__(self, parameters: Mapping[str, gluon.Parameter], optimizer: AnyOptimizer,
                 options: Optional[Mapping[str, Any]] = None, clip: float = 0, clip_value: float = 0, *,
                 decay_biases: bool = False) -> None:
        options = check_optimizer(optimizer, options, decay_biases)
        self.clip = _checks.not_negative("clip", clip)
        self.clip_value = _checks.not_negative("clip_value", clip_value)
        self._parameters = dict(parameters)
        for name, parameter in self._parameters.items():
            if parameter.grad_req == "add":
                raise InputError("grad_req", "write or null, for every parameter", Described(f"add for {name}"),
                                 "a training computes the gradients of each batch anew")
        self._optimizer = mxnet.optimizer.create(optimizer, **options) if isinstance(optimizer, str) \
            else copy.deepcopy(optimizer)
        if isinstance(self._optimizer, AdamW):
            self._optimizer.decay_biases = decay_biases
        self._pieces = list(self._all_pieces(spares=self._optimizer.wd > 0 and not decay_biases
                                             and not isinstance(self._optimizer, AdamW)))  # it spares them by itself
        self._updater = mxnet.optimizer.get_updater(self._optimizer)

    def _all_pieces(self, *, spares: bool) -> Iterator[Piece]:
        """The pieces of all parameters; those without weight decay, if it ``spares`` any, are apart."""
        self._optimizer.param_dict = {}
        for name, parameter in self._parameters.items():
            size = math.prod(parameter.shape)
            first = decayed(parameter, size) if spares else size
            parts = [None] if first in (0, size) else [slice(0, first), slice(first, size)]
            for part in parts:
                decays = first == size if part is None else part.start == 0
                index = len(self._optimizer.param_dict)
                self._optimizer.param_dict[index] = parameter if decays else _WithoutDecay(parameter)
                yield Piece(name, parameter, part)

    def update(self, lr: float) -> Measured:
        """Clip the gradients on the first context and update the parameters there.

        The squared norms are 0 for parameters that are not updated.
        """
        gradients = [parameter.list_grad()[0] if parameter.grad_req != "null"
                     else np.zeros(1, ctx=parameter.list_ctx()[0]) for parameter in self._parameters.values()]
        squares = clipped = squared_norms(gradients)
        largest = None
        if self.clip_value > 0:
            largest = np.stack([np.abs(gradient).max() for gradient in gradients]).max()
            for gradient in gradients:
                np.clip(gradient, -self.clip_value, self.clip_value, out=gradient)
            clipped = squared_norms(gradients) if self.clip > 0 else squares
        if self.clip > 0:
            _scale(gradients, np.sqrt(clipped.sum()), self.clip)
        self._optimizer.set_learning_rate(lr)
        fresh = {name for name, parameter in self._parameters.items() if parameter.grad_req != "null"
                 and mxnet_private.has_new_gradient(parameter.list_data()[0])}
        updated = [(i, piece) for i, piece in enumerate(self._pieces) if piece.name in fresh]
        for name in fresh:
            mxnet_private.mark_gradient(self._parameters[name].list_data()[0], new=False)
        if updated:  # the loss is a mean already: no gradient is divided by the batch size
            self._updater([i for i, _ in updated],
                          [piece.of(piece.parameter.list_grad()[0]) for _, piece in updated],
                          [piece.of(piece.parameter.list_data()[0]) for _, piece in updated])
        return Measured(squares, largest)

    def state(self) -> Tuple[Dict[str, numpy.ndarray], Dict[str, Any]]:
        """The state of the optimizer: everything else that the next update depends on, as arrays and plain numbers."""
        arrays = {name: numpy.concatenate([array.asnumpy() for array in parts]) if len(parts) > 1 else
                  parts[0].asnumpy() for name, parts in self._named(self._updater.states).items()}
        numbers = {key: value for key, value in vars(self._optimizer).items() if type(value) in (int, float)}
        updates = {self._pieces[i].name: count
                   for i, count in mxnet_private.update_counts(self._optimizer).items()}
        return arrays, {"numbers": numbers, "updates": updates}

    def _named(self, states: Mapping[int, Any]) -> Dict[str, List[Any]]:
        """The arrays of the states of pieces, for each array of the state of a parameter."""
        found: Dict[str, List[Any]] = {}
        for i, state in sorted(states.items()):
            for j, array in enumerate(_flat(state)):
                found.setdefault(f"{self._pieces[i].name}/{j}", []).append(array)
        return found

    def set_state(self, arrays: Mapping[str, numpy.ndarray], about: Mapping[str, Any]) -> None:
        """Restore a state that `state` returned.

        Raises
        ------
        ValueError
            If it is not a state of this optimizer and these parameters.
        """
        numbers, updates = self._checked(about)
        states = {i: self._optimizer.create_state_multi_precision(i, piece.of(piece.parameter.list_data()[0]))
                  for i, piece in enumerate(self._pieces) if piece.name in updates}
        expected = self._named(states)
        shapes = {name: (sum(len(part) for part in parts), *parts[0].shape[1:]) for name, parts in expected.items()}
        if shapes != {name: array.shape for name, array in arrays.items()}:
            raise InputError("optimizer state", "that of this optimizer and these parameters",
                                     Described(f"arrays {sorted(arrays)}"))
        for name, parts in expected.items():
            start = 0
            for part in parts:
                part[:] = arrays[name][start:start + len(part)]
                start += len(part)
        self._updater.states = states
        self._updater.states_synced = dict.fromkeys(states, True)
        for key, value in numbers.items():
            setattr(self._optimizer, key, value)
        counts = mxnet_private.update_counts(self._optimizer)
        counts.clear()
        counts.update({i: updates[piece.name] for i, piece in enumerate(self._pieces) if piece.name in updates})

    def _checked(self, about: Mapping[str, Any]) -> Tuple[Dict[str, float], Dict[str, int]]:
        numbers, updates = about["numbers"], about["updates"]
        _, own = self.state()
        own_numbers = own["numbers"]
        if numbers.keys() != own_numbers.keys() or not updates.keys() <= self._parameters.keys() \
                or not all(type(x) is type(own_numbers[key]) and math.isfinite(x) for key, x in numbers.items()) \
                or not all(type(count) is int and count >= 0 for count in updates.values()):
            raise InputError("optimizer state", "that of this optimizer and these parameters",
                                     Described(f"numbers {numbers}, updates {updates}"))
        return numbers, updates


def _flat(state: Any) -> List[Any]:
    if state is None:
        return []
    return [array for part in state for array in _flat(part)] if isinstance(state, (list, tuple)) else [state]
