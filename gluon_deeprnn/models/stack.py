"""Layers on top of each other, and what helps when there are many: the same for layers from scratch and fused ones."""

import contextlib
from typing import Any, Dict, List, Optional, Sequence

from gluon_deeprnn import _checks, kernels
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph import GraphBlock, all_of_length, length, unstack
from gluon_deeprnn.models.core import RecurrentCore
from mxnet import gluon, np


class RecurrentStack(RecurrentCore):
    r"""A deep RNN: the states of layer l are the inputs of layer l + 1.  What `GRU`, `StackedRNNScratch`, ... share.

    Parameters
    ----------
    layers : sequence of HybridBlock
        The layers, ``outputs, state = layer(inputs, state)``, with states of arrays (N, H).
    num_inputs, num_hiddens : int
        Sizes D and H; D is 0 while it is not known.
    dropout : float in [0, 1), default 0
        Share of the outputs between two layers that training sets to zero; prediction uses them all.
    input_dropout : float in [0, 1), default 0
        The same for what the first layer reads.
    variational : bool, default False
        Draw these two once for each sequence, the same for all of its steps, instead of anew for every element
        (Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016).
    layer_norm : bool, default False
        Normalise what each layer but the first reads over its features, with a learned scale and shift
        (Ba, Kiros and Hinton, "Layer Normalization", 2016).
    residual : bool, default False
        Add what a layer reads, before normalisation and dropout, to what it gives, from the second layer on
        (He et al., "Deep Residual Learning for Image Recognition", 2016).
    learned_state : bool, default False
        Learn the state before the first step; it starts as zeros.

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of arrays (L, N, H), as `begin_state` makes it
    outputs : (T, N, H) and the next state
    """

    cell = ""
    """What a layer computes, by its name in `gluon_deeprnn.models.cells.CELLS`; "" for layers of another kind."""

    layer_options: Sequence[Dict[str, Any]] = ()
    """For each layer the options that only this cell has."""

    weight_dropout = 0.0

    def __init__(self, layers: Sequence[gluon.HybridBlock], num_inputs: int, num_hiddens: int, *, dropout: float = 0,
                 input_dropout: float = 0, variational: bool = False, layer_norm: bool = False, residual: bool = False,
                 learned_state: bool = False) -> None:
        layers = _checks.sequence("layers", layers, gluon.HybridBlock, "a sequence of layers, not empty")
        if not layers:
            raise InputError("layers", "a sequence of layers, not empty", layers)
        super().__init__(num_hiddens, len(layers))
        self.num_inputs = _checks.integer("num_inputs", num_inputs, at_least=0)
        self.dropout = _checks.fraction("dropout", dropout)
        self.input_dropout = _checks.fraction("input_dropout", input_dropout)
        self.variational = _checks.flag("variational", variational)
        self.layer_norm = _checks.flag("layer_norm", layer_norm)
        self.residual = _checks.flag("residual", residual)
        self.learned_state = _checks.flag("learned_state", learned_state)
        self.layers: List[gluon.HybridBlock] = list(layers)
        self.num_states = layers[0].num_states
        with self.name_scope():
            for i, layer in enumerate(self.layers):
                self.register_child(layer, f"layer{i}")
            self.norms = [_LayerNorm(in_channels=num_hiddens) for _ in self.layers[1:]] if layer_norm else []
            for i, norm in enumerate(self.norms):
                self.register_child(norm, f"norm{i + 1}")
            if learned_state:
                self.first_state = _FirstState(self.num_states, num_hiddens, len(layers))

    def kit(self) -> Dict[str, Any]:
        """The options that do not depend on what a layer computes, to make another stack with."""
        names = ("dropout", "input_dropout", "variational", "layer_norm", "residual", "learned_state")
        return {name: getattr(self, name) for name in names}

    def begin_state(self, batch_size: int, ctx: Optional[Any] = "cpu") -> List[np.ndarray]:
        """The state before anything was read: zeros, or what was learned.

        Parameters
        ----------
        batch_size : int
            Number of sequences N, at least 1.
        ctx : str or mxnet.context.Context, default "cpu"
            Where to make it.

        Returns
        -------
        list of mxnet.np.ndarray
            Each (num_layers, batch_size, num_hiddens), float32.
        """
        if not self.learned_state:
            return super().begin_state(batch_size, ctx)
        return self.first_state.arrays(_checks.integer("batch_size", batch_size, at_least=1), as_context(ctx))

    def symbolic_state(self, zeros: Any) -> List[Any]:
        """The first state inside a graph: zeros, or what was learned."""
        return self.first_state.symbols(zeros) if self.learned_state else super().symbolic_state(zeros)

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], lengths: Any = None) -> Any:
        """Compute what the class describes."""
        masks = [] if lengths is None else [_mask(F, length(inputs), lengths)]
        states = zip(*(unstack(F, array, self.num_layers) for array in state))  # per layer: (N, H) each
        outputs, last = self._dropped(F, inputs, self.input_dropout), []
        for i, (layer, layer_state) in enumerate(zip(self.layers, states)):
            below = outputs
            if i > 0:
                if self.layer_norm:
                    outputs = self.norms[i - 1](outputs)
                outputs = self._dropped(F, outputs, self.dropout)
            with all_of_length(inputs) if self.takes_lengths else contextlib.nullcontext():
                outputs, layer_state = layer(outputs, list(layer_state), *masks)  # (T, N, H), [(N, H), ...]
            if self.residual and i > 0:
                outputs = below + outputs
            last.append(layer_state)
        return outputs, [F.np.stack(arrays) for arrays in zip(*last)]

    def _dropped(self, F: Any, x: Any, share: float) -> Any:
        if share == 0:
            return x
        return F.npx.dropout(x, p=share, axes=(0,) if self.variational else ())


class _LayerNorm(gluon.nn.LayerNorm):
    """Gluon's, computed by the faster operator."""

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:
        return kernels.layer_norm(F, data, gamma, beta, self._epsilon)


class _FirstState(GraphBlock):
    """A learned first state: one vector for each layer and kind of state."""

    def __init__(self, num_states: int, num_hiddens: int, num_layers: int) -> None:
        super().__init__()
        with self.name_scope():
            self._parameters = [self.params.get(f"state{i}", shape=(num_layers, 1, num_hiddens), init="zeros")
                                for i in range(num_states)]
        for i, parameter in enumerate(self._parameters):
            setattr(self, f"state{i}", parameter)

    def arrays(self, batch_size: int, ctx: Context) -> List[np.ndarray]:
        """The state for so many sequences; recorded, so that it can learn."""
        learned = [parameter.data(ctx) for parameter in self._parameters]
        return [np.broadcast_to(a, (a.shape[0], batch_size, a.shape[2])) for a in learned]

    def symbols(self, zeros: Any) -> List[Any]:
        """The state inside a graph; ``zeros`` is (1, N, 1)."""
        return [zeros + parameter.var() for parameter in self._parameters]


def _mask(F: Any, num_steps: int, lengths: Any) -> Any:
    """1 where a sequence still goes on, (T, N, 1)."""
    steps = F.np.arange(num_steps, dtype="int32").reshape(num_steps, 1, 1)
    return (steps < lengths.reshape(1, -1, 1)).astype("float32")
