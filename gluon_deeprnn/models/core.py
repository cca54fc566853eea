"""The interface that all recurrent networks share, from scratch and fused: a recurrent core."""

import numbers
from typing import Any, List, Optional, Union

from gluon_deeprnn import _checks
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import Described, InputError
from gluon_deeprnn.graph import given_array, is_array, one_at_a_time, zeros_like_batch
from gluon_deeprnn.models.saved import SavedBlock
from mxnet import np, symbol


class RecurrentCore(SavedBlock):
    """A stack of recurrent layers: ``outputs, state = core(inputs, state)``.

    The state is a list of arrays of shape (num_layers, batch_size, num_hiddens): the hidden state, and for an LSTM also
    the cell state.  The default is the initial state.  The returned state can be passed to the next call, so that a
    long sequence can be processed in chunks.

    Parameters
    ----------
    num_hiddens, num_layers : int
        Sizes H and L, each at least 1.
    """

    num_states = 1
    """The number of arrays in a state."""

    num_inputs = 0
    """Number of input features D; 0 while unknown (it is then inferred from the first inputs)."""

    takes_lengths = False
    """Whether calls accept ``lengths``, the lengths of the sequences in a padded batch."""

    def __init__(self, num_hiddens: int, num_layers: int) -> None:
        super().__init__()
        self.num_hiddens = _checks.integer("num_hiddens", num_hiddens, at_least=1)
        self.num_layers = _checks.integer("num_layers", num_layers, at_least=1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_hiddens={self.num_hiddens}, num_layers={self.num_layers})"

    @property
    def num_outputs(self) -> int:
        """The number of features of the outputs."""
        return self.num_hiddens

    def begin_state(self, batch_size: int, ctx: Optional[Union[str, Context]] = "cpu") -> List[np.ndarray]:
        """The initial state: zeros.

        Parameters
        ----------
        batch_size : int
            Number of sequences N, at least 1.
        ctx : str or mxnet.context.Context, default "cpu"
            The context of the arrays.

        Returns
        -------
        list of mxnet.np.ndarray
            Each (num_layers, batch_size, num_hiddens), float32.
        """
        shape = (self.num_layers, _checks.integer("batch_size", batch_size, at_least=1), self.num_hiddens)
        return [np.zeros(shape, ctx=as_context(ctx)) for _ in range(self.num_states)]

    def __call__(self, inputs: Any, state: Optional[List[Any]] = None, lengths: Optional[Any] = None) -> Any:
        """Process a batch of sequences.

        Parameters
        ----------
        inputs : mxnet.np.ndarray
            (T, N, D)
        state : list of mxnet.np.ndarray, optional
            The state that an earlier call returned; default: the initial state.
        lengths : sequence of int, optional
            The length of each of the N sequences, at most T.  The steps after it are padding: their outputs are 0, and
            the returned state is that after the sequence's last step.  For stacks from scratch only: fused layers
            return an LSTM's cell state for the last step only.

        Returns
        -------
        outputs : mxnet.np.ndarray
            (T, N, H)
        state : list of mxnet.np.ndarray
            The next state.
        """
        if given_array("inputs", inputs):
            num_steps, batch_size, num_inputs = _checks.shape("inputs", inputs, (None, None, self.num_inputs or None))
            if 0 in inputs.shape:
                raise InputError("inputs", "an array with at least one step, one sequence and one feature",
                                         Described(f"shape {inputs.shape}"))
            _checks.float32("inputs", inputs)
            if not self.num_inputs:
                with one_at_a_time:
                    self.know_inputs(num_inputs)
            state = self.checked_state(state, batch_size, inputs.ctx)
            if lengths is not None:
                lengths = self._checked_lengths(lengths, num_steps, batch_size, inputs.ctx)
        elif state is None:
            state = self.symbolic_state(zeros_like_batch(inputs))
        return super().__call__(inputs, list(state), *([] if lengths is None else [lengths]))

    def symbolic_state(self, zeros: Any) -> List[Any]:
        """The initial state inside a graph; ``zeros``, (1, N, 1), has the batch size N, which only the graph knows."""
        first = zeros + symbol.np.zeros((self.num_layers, 1, self.num_hiddens))
        return [first] * self.num_states

    def know_inputs(self, num_inputs: int) -> None:
        """Set the number of input features, inferred from the first inputs or given by the enclosing model."""
        self.num_inputs = num_inputs

    def checked_state(self, state: Optional[List[Any]], batch_size: int, ctx: Context) -> List[Any]:
        """Return ``state``, if it matches ``batch_size``; the initial state if it is None."""
        if state is None:
            return self.begin_state(batch_size, ctx)
        if not isinstance(state, (list, tuple)) or len(state) != self.num_states:
            raise InputError("state", f"a list of {self.num_states} array(s)", state)
        for array in state:
            _checks.shape("state", array, (self.num_layers, batch_size, self.num_hiddens))
            _checks.float32("state", array)
        return list(state)

    def _checked_lengths(self, lengths: Any, num_steps: int, batch_size: int, ctx: Context) -> np.ndarray:
        if not self.takes_lengths:
            raise InputError("lengths", f"omitted for {type(self).__name__}", lengths,
                                     "convert it by gluon_deeprnn.models.as_scratch to a stack that accepts them")
        values = lengths.asnumpy() if is_array(lengths) else lengths
        rule = f"{batch_size} integers from 0 to {num_steps}, one for each sequence"
        if not hasattr(values, "__len__") or len(values) != batch_size:
            raise InputError("lengths", rule, lengths)
        for value in values:
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            if not whole or not 0 <= value <= num_steps:
                raise InputError("lengths", rule, lengths)
        return np.array(values, dtype="int32", ctx=ctx)
