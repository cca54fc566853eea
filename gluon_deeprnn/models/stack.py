"""Stacks of recurrent layers, with options for deep networks; shared by layers from scratch and fused layers."""

import contextlib
from typing import Any, Dict, List, Optional, Sequence

from gluon_deeprnn import _checks, kernels
from gluon_deeprnn.devices import Context, as_context
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.graph import GraphBlock, all_of_length, length, unstack
from gluon_deeprnn.models.core import RecurrentCore
from mxnet import gluon, np


class RecurrentStack(RecurrentCore):
    r"""A deep RNN: the hidden states of layer l are the inputs of layer l + 1.  Base class of all stacks.

    Parameters
    ----------
    layers : sequence of HybridBlock
        The layers, ``outputs, state = layer(inputs, state)``, with states of arrays (N, H).
    num_inputs, num_hiddens : int
        Sizes D and H; D is 0 while unknown.
    dropout : float in [0, 1), default 0
        Probability that an output between two layers is set to zero in training.
    input_dropout : float in [0, 1), default 0
        The same for the inputs of the first layer.
    output_dropout : float in [0, 1), default 0
        The same for the outputs of the last layer.
    variational : bool, default False
        Sample these three dropout masks once per sequence, for all of its steps, instead of for every element
        (Gal and Ghahramani, "A Theoretically Grounded Application of Dropout in Recurrent Neural Networks", 2016).
    layer_norm : bool, default False
        Normalise the inputs of each layer but the first over the features, with a learned scale and shift
        (Ba, Kiros and Hinton, "Layer Normalization", 2016).
    residual : bool, default False
        Add a layer's inputs, before normalisation and dropout, to its outputs, from the second layer on
        (He et al., "Deep Residual Learning for Image Recognition", 2016).
    learned_state : bool, default False
        Make the initial state a parameter, initialized to zeros.
    skip : bool, default False
        Skip connections from every layer to the output: the outputs are those of all layers, one beside the other, so
        that an output layer has weights of its own for each (Graves, "Generating Sequences With Recurrent Neural
        Networks", 2013).

    Shapes
    ------
    inputs : (T, N, D)
    state : a list of arrays (L, N, H), as returned by `begin_state`
    outputs : (T, N, H), or (T, N, L H) with ``skip``, and the next state
    """

    cell = ""
    """The cell of the layers, by its name in ``gluon_deeprnn.models.cells.CELLS``; "" for other layers."""

    layer_options: Sequence[Dict[str, Any]] = ()
    """The cell-specific options of each layer."""

    weight_dropout = 0.0

    def __init__(self, layers: Sequence[gluon.HybridBlock], num_inputs: int, num_hiddens: int, *, dropout: float = 0,
                 input_dropout: float = 0, output_dropout: float = 0, variational: bool = False,
                 layer_norm: bool = False, residual: bool = False, learned_state: bool = False,
                 skip: bool = False) -> None:
        layers = _checks.sequence("layers", layers, gluon.HybridBlock, "a sequence of layers, not empty")
        if not layers:
            raise InputError("layers", "a sequence of layers, not empty", layers)
        super().__init__(num_hiddens, len(layers))
        self.num_inputs = _checks.integer("num_inputs", num_inputs, at_least=0)
        self.dropout = _checks.fraction("dropout", dropout)
        self.input_dropout = _checks.fraction("input_dropout", input_dropout)
        self.output_dropout = _checks.fraction("output_dropout", output_dropout)
        self.variational = _checks.flag("variational", variational)
        self.layer_norm = _checks.flag("layer_norm", layer_norm)
        self.residual = _checks.flag("residual", residual)
        self.learned_state = _checks.flag("learned_state", learned_state)
        self.skip = _checks.flag("skip", skip)
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
        """The options that do not depend on the cell, to construct another stack."""
        names = ("dropout", "input_dropout", "output_dropout", "variational", "layer_norm", "residual", "learned_state",
                 "skip")
        return {name: getattr(self, name) for name in names}

    @property
    def num_outputs(self) -> int:
        """The number of features of the outputs."""
        return self.num_hiddens * (self.num_layers if self.skip else 1)

    def begin_state(self, batch_size: int, ctx: Optional[Any] = "cpu") -> List[np.ndarray]:
        """The initial state: zeros, or the learned state.

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
        if not self.learned_state:
            return super().begin_state(batch_size, ctx)
        return self.first_state.arrays(_checks.integer("batch_size", batch_size, at_least=1), as_context(ctx))

    def symbolic_state(self, zeros: Any) -> List[Any]:
        """The initial state inside a graph: zeros, or the learned state."""
        return self.first_state.symbols(zeros) if self.learned_state else super().symbolic_state(zeros)

    def hybrid_forward(self, F: Any, inputs: Any, state: List[Any], lengths: Any = None) -> Any:
        """Compute the outputs; see the class."""
        masks = [] if lengths is None else [_mask(F, length(inputs), lengths)]
        states = zip(*(unstack(F, array, self.num_layers) for array in state))  # per layer: (N, H) each
        outputs, last, of_layers = self._dropped(F, inputs, self.input_dropout), [], []
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
            of_layers.append(outputs)
        if self.skip and len(of_layers) > 1:
            outputs = F.np.concatenate(of_layers, axis=2)  # (T, N, L H)
        return self._dropped(F, outputs, self.output_dropout), [F.np.stack(arrays) for arrays in zip(*last)]

    def _dropped(self, F: Any, x: Any, share: float) -> Any:
        if share == 0:
            return x
        return F.npx.dropout(x, p=share, axes=(0,) if self.variational else ())


class _LayerNorm(gluon.nn.LayerNorm):
    """Gluon's layer normalisation, computed by a faster operator."""

    def hybrid_forward(self, F: Any, data: Any, gamma: Any, beta: Any) -> Any:
        return kernels.layer_norm(F, data, gamma, beta, self._epsilon)

    @property
    def epsilon(self) -> float:
        """What is added to the variance."""
        return self._epsilon


class _FirstState(GraphBlock):
    """A learned initial state: one vector per layer and state array."""

    def __init__(self, num_states: int, num_hiddens: int, num_layers: int) -> None:
        super().__init__()
        with self.name_scope():
            self._parameters = [self.params.get(f"state{i}", shape=(num_layers, 1, num_hiddens), init="zeros")
                                for i in range(num_states)]
        for i, parameter in enumerate(self._parameters):
            setattr(self, f"state{i}", parameter)

    def arrays(self, batch_size: int, ctx: Context) -> List[np.ndarray]:
        """The initial state for a batch; recorded by autograd, so that it is trained."""
        learned = [parameter.data(ctx) for parameter in self._parameters]
        return [np.broadcast_to(a, (a.shape[0], batch_size, a.shape[2])) for a in learned]

    def symbols(self, zeros: Any) -> List[Any]:
        """The initial state inside a graph; ``zeros`` is (1, N, 1)."""
        return [zeros + parameter.var() for parameter in self._parameters]


PARTS = (_LayerNorm, _FirstState)
"""The blocks of which a stack consists, beside its layers."""


def _mask(F: Any, num_steps: int, lengths: Any) -> Any:
    """The padding mask, (T, N, 1): 1 before the end of a sequence, then 0."""
    steps = F.np.arange(num_steps, dtype="int32").reshape(num_steps, 1, 1)
    return (steps < lengths.reshape(1, -1, 1)).astype("float32")
