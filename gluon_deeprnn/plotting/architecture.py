"""The chapter's figure of the architecture, drawn from a model: layers upwards, time steps to the right."""

from typing import Any, Callable, List, Optional, Tuple

from gluon_deeprnn import _checks
from gluon_deeprnn.errors import InputError
from gluon_deeprnn.models import RecurrentStack
from gluon_deeprnn.models.cells import CELLS
from gluon_deeprnn.plotting.labels import labels
from gluon_deeprnn.plotting.style import axes, fonts, put_font

_INK, _PALE, _ACCENT = "#1f3a5f", "#dfe8f3", "#a34700"
_HALF = 0.3  # half the height of a box


def plot_architecture(model: Any, num_steps: int = 4, *, language: Optional[str] = None,
                      ax: Optional[Any] = None) -> Any:
    """Draw a network unrolled in time.

    Solid arrows are connections.  Dashed arrows have dropout, arrows with a bar have layer normalisation.  Arcs around
    layers are residual connections, arcs from layers to the outputs skip connections.

    Parameters
    ----------
    model : RecurrentStack, RNNLM or RNNLMScratch
        The model.
    num_steps : int, default 4
        Number of time steps to show, at least 2; the last one is step T.
    language : {'en', 'ko'}, optional
        Language of the labels; default: the value of ``GLUON_DEEPRNN_LANGUAGE``, else ``en``.
    ax : matplotlib.axes.Axes, optional
        The axes; default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        Write it by ``ax.figure.savefig('deep-rnn.svg')``, or as PNG or PDF.

    Source
    ------
    Dive into Deep Learning, section "Deep Recurrent Neural Networks", the figure of the architecture.

    Examples
    --------
    >>> from gluon_deeprnn import GRU, RNNLM
    >>> from gluon_deeprnn.plotting import plot_architecture
    >>> ax = plot_architecture(RNNLM(GRU(num_hiddens=32, num_layers=2), vocab_size=28))
    >>> ax.get_title(loc='left')
    'GRU, 2 layers of 32 hidden units'
    """
    stack = model if isinstance(model, RecurrentStack) else getattr(model, "rnn", None)
    if not isinstance(stack, RecurrentStack):
        raise InputError("model", "a RecurrentStack, such as GRU(32, 2), or a language model on one", model)
    num_steps = _checks.integer("num_steps", num_steps, at_least=2)
    label = labels(language)
    rows = stack.num_layers + (1 if model is stack else 2)
    ax = axes(ax, (1.5 + 1.25 * num_steps, 0.9 + 0.92 * rows))
    _Drawing(ax, stack, None if model is stack else model, num_steps, label).draw()
    put_font(ax)
    return ax


class _Drawing:
    """The figure: time step t at x = t, the inputs at y = 0, layer l at y = l, the output layer above."""

    def __init__(self, ax: Any, stack: RecurrentStack, model: Any, num_steps: int, label: Callable[..., str]) -> None:
        self.ax, self.stack, self.model, self.num_steps, self.label = ax, stack, model, num_steps, label
        self.names = [*(str(t) for t in range(1, num_steps)), "T"]

    def draw(self) -> None:
        """Draw the whole figure."""
        stack, top = self.stack, self.stack.num_layers + 1
        for t, name in enumerate(self.names):
            self._text(t, 0, f"$\\mathbf{{X}}_{{{name}}}$")
            for layer in range(1, top):
                self._box(t, layer, f"$\\mathbf{{H}}_{{{name}}}^{{({layer})}}$")
                self._up(t, layer)
                self._right(t, layer)
            self._arrow((t, top - 1 + _HALF), (t, top - _HALF), dashed=self.stack.output_dropout > 0)
            for layer in range(1, top - 1) if stack.skip else ():
                self._arrow((t - 0.2, layer + _HALF), (t - 0.06, top - _HALF), curve=-0.25, accent=True)
            self._text(t, top, f"$\\mathbf{{O}}_{{{name}}}$") if self.model is not None else None
        for layer in range(1, top):
            self.ax.text(-0.95, layer, self.label("layer {}", layer), ha="right", va="center", fontsize=8.5, color=_INK)
        self.ax.text(-0.95, 0, self._inputs(), ha="right", va="center", fontsize=8.5, color=_INK)
        if self.model is not None:
            self.ax.text(-0.95, top, self._outputs(), ha="right", va="center", fontsize=8.5, color=_INK)
        self.ax.set_xlim(-2.15, self.num_steps - 0.35)
        self.ax.set_ylim(-0.45, top + (0.35 if self.model is not None else -0.1))
        self.ax.set_aspect("auto")
        self.ax.axis("off")
        size = "{}, {} layer of {} hidden units" if stack.num_layers == 1 else "{}, {} layers of {} hidden units"
        title = self.label(size, self._kind(), stack.num_layers, stack.num_hiddens)
        self.ax.set_title(", ".join([title, *self._extras()]), loc="left", fontsize=10, color=_INK,
                          fontfamily=fonts(), wrap=True)

    def _kind(self) -> str:
        cell = self.stack.cell
        return CELLS[cell].title if cell in CELLS else type(self.stack.layers[0]).__name__

    def _extras(self) -> List[str]:
        stack, label = self.stack, self.label
        named = [stack.dropout and label("dropout {:g}", stack.dropout),
                 stack.weight_dropout and label("weight dropout {:g}", stack.weight_dropout),
                 stack.layer_norm and label("layer normalisation"),
                 stack.residual and label("residual"), stack.skip and label("skip connections")]
        return [text for text in named if text]

    def _inputs(self) -> str:
        if self.model is None:
            size = self.stack.num_inputs
            return self.label("inputs\n({})", size) if size else self.label("inputs")
        if self.model.embedding_size:
            return self.label("embedded\ntokens ({})", self.model.embedding_size)
        return self.label("one-hot\ntokens ({})", self.model.vocab_size)

    def _outputs(self) -> str:
        return self.label("logits of the\nnext token ({})", self.model.vocab_size)

    def _box(self, t: int, layer: int, text: str) -> None:
        from matplotlib.patches import FancyBboxPatch

        self.ax.add_patch(FancyBboxPatch((t - 0.27, layer - _HALF + 0.06), 0.54, 2 * _HALF - 0.12, linewidth=1.2,
                                         boxstyle="round,pad=0.02,rounding_size=0.08", edgecolor=_INK, facecolor=_PALE))
        self._text(t, layer, text)

    def _text(self, x: float, y: float, text: str) -> None:
        self.ax.text(x, y, text, ha="center", va="center", fontsize=11, color=_INK)

    def _up(self, t: int, layer: int) -> None:
        stack = self.stack
        dropped = stack.dropout > 0 if layer > 1 else stack.input_dropout > 0
        below = layer - 1 + (_HALF if layer > 1 else 0.18)
        self._arrow((t, below), (t, layer - _HALF), dashed=dropped)
        if layer > 1 and stack.layer_norm:
            self.ax.plot([t - 0.1, t + 0.1], [layer - 0.5, layer - 0.5], color=_ACCENT, linewidth=2.2)
        if layer > 1 and stack.residual:
            self._arrow((t + 0.03, below), (t + 0.03, layer + _HALF), curve=0.75, accent=True)

    def _right(self, t: int, layer: int) -> None:
        if t == 0:
            self._arrow((-0.85, layer), (-0.3, layer))
        if t < self.num_steps - 1:
            if t == self.num_steps - 2:
                self._arrow((t + 0.3, layer), (t + 0.43, layer), head=False)
                self.ax.text(t + 0.5, layer, "...", ha="center", va="center", fontsize=9, color=_INK)
                self._arrow((t + 0.57, layer), (t + 0.7, layer))
            else:
                self._arrow((t + 0.3, layer), (t + 0.7, layer))

    def _arrow(self, start: Tuple[float, float], end: Tuple[float, float], *, dashed: bool = False, curve: float = 0,
               accent: bool = False, head: bool = True) -> None:
        from matplotlib.patches import FancyArrowPatch

        self.ax.add_patch(FancyArrowPatch(
            start, end, arrowstyle="-|>" if head else "-", mutation_scale=9, shrinkA=0, shrinkB=0,
            connectionstyle=f"arc3,rad={curve}", linestyle=(0, (2.5, 2)) if dashed else "-", linewidth=1.1,
            color=_ACCENT if accent else _INK))
