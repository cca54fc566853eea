from gluon_deeprnn.plotting import plot_gradient_flow, plot_gradient_norms
import numpy
import pytest

HISTORY = [{"epoch": i, "clipped": 0.25, "layer_gradient_norms": {"layer 1": [0.1 * i, 0.2], "layer 2": [1.0, 2.0 * i],
                                                                   "output": [0.5, 0.5]}} for i in (1, 2, 3)]


def test_every_layers_norms_are_drawn_at_their_steps():
    ax = plot_gradient_norms(HISTORY, title="a run")
    first, second, _ = ax.lines
    assert first.get_xdata().tolist() == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert first.get_ydata().tolist() == pytest.approx([0.1, 0.2, 0.2, 0.2, 0.3, 0.2])
    assert second.get_ydata().tolist() == [1, 2, 1, 4, 1, 6]
    assert [line.get_label() for line in ax.lines] == ["layer 1", "layer 2", "output"]
    assert len({line.get_linestyle() for line in ax.lines}) == 3  # distinguishable without colour
    assert ax.get_title(loc="left") == "a run\n25% of the steps were clipped"


def test_the_flow_is_drawn_layer_by_layer_from_the_last_step_back():
    flow = numpy.array([[1e-4, 1e-3, 1e-2], [1e-2, 1e-1, 1.0]])
    ax = plot_gradient_flow(flow, title="a run")
    numpy.testing.assert_allclose(ax.collections[0].get_array().reshape(2, 3), numpy.log10(flow))
    assert [label.get_text() for label in ax.get_xticklabels()] == ["2", "1", "0"]
    assert ax.get_title(loc="left") == "a run\ntop layer: 1.00 powers of ten lost for each step back"


@pytest.mark.parametrize(("draw", "value", "message"), [
    (plot_gradient_norms, [], r"history must be rows with epoch, layer_gradient_norms, clipped, .*; got \[\]"),
    (plot_gradient_norms, [{"epoch": 1}], "history must be rows with epoch, layer_gradient_norms, clipped, .*; got "),
    (plot_gradient_flow, [1.0, 2.0], r"flow must be an array of shape \(any, any\); got shape \(2,\)"),
    (plot_gradient_flow, [[numpy.nan, 1.0]], "flow must be finite numbers, at least 0; got negative or non-finite"),
])
def test_invalid_arguments_are_refused(draw, value, message):
    with pytest.raises(ValueError, match="^" + message):
        draw(value)
