import io

from gluon_deeprnn import GRU, LSTM, RNNLM, StackedRNNScratch
from gluon_deeprnn.models import RecurrentStack
from gluon_deeprnn.models.cells import LSTMScratch
from gluon_deeprnn.plotting import plot_architecture
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
import pytest


def parts(ax):
    boxes = [patch for patch in ax.patches if isinstance(patch, FancyBboxPatch)]
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    return boxes, arrows, [text.get_text() for text in ax.texts]


def test_it_draws_a_box_for_every_layer_and_step_and_the_arrows_between_them():
    boxes, arrows, texts = parts(plot_architecture(RNNLM(GRU(32, 3), 28), num_steps=5))
    assert len(boxes) == 3 * 5
    # up: 5 columns of 4; right: into each layer, between columns, the last gap in two
    assert len(arrows) == 5 * 4 + 3 * (1 + 3 + 2)
    assert "$\\mathbf{H}_{T}^{(3)}$" in texts
    assert {"layer 1", "layer 3", "one-hot\ntokens (28)", "logits of the\nnext token (28)"} <= set(texts)


def test_dropout_is_dashed_layer_norm_barred_and_residual_an_arc():
    plain = plot_architecture(LSTM(16, 2, num_inputs=4), num_steps=3)
    full = plot_architecture(LSTM(16, 2, dropout=0.5, layer_norm=True, residual=True, num_inputs=4), num_steps=3)
    dashed = [arrow for arrow in parts(full)[1] if arrow.get_linestyle() != "-"]
    assert len(dashed) == 3
    assert (len(plain.lines), len(full.lines)) == (0, 3)
    assert len(parts(full)[1]) == len(parts(plain)[1]) + 3
    assert full.get_title(loc="left") == ("LSTM, 2 layers of 16 hidden units, dropout 0.5, layer normalisation, "
                                          "residual")


def test_skip_connections_are_arcs_from_every_layer_but_the_last_to_the_outputs():
    plain, skip = (plot_architecture(GRU(16, 3, skip=skip, num_inputs=4), num_steps=5) for skip in (False, True))
    assert len(parts(skip)[1]) == len(parts(plain)[1]) + 5 * 2
    assert skip.get_title(loc="left") == "GRU, 3 layers of 16 hidden units, skip connections"


@pytest.mark.parametrize(("kind", "begin"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_it_can_be_written_as(kind, begin):
    file = io.BytesIO()
    plot_architecture(StackedRNNScratch(28, 32, 1)).figure.savefig(file, format=kind)
    assert file.getvalue().startswith(begin)


def test_a_stack_of_custom_layers_is_drawn_with_their_class_name():
    stack = RecurrentStack([LSTMScratch(4, 6), LSTMScratch(6, 6)], num_inputs=4, num_hiddens=6)
    assert plot_architecture(stack).get_title(loc="left") == "LSTMScratch, 2 layers of 6 hidden units"


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match=r"^model must be a RecurrentStack, .*; got 'gru'$"):
        plot_architecture("gru")
    with pytest.raises(ValueError, match=r"^num_steps must be an integer, at least 2; got 1$"):
        plot_architecture(GRU(4), num_steps=1)
