"""The picture of a text that predictors read."""

import io

from gluon_deeprnn.plotting import plot_reading
import numpy
import pytest

RNG = numpy.random.default_rng(0)
CONTEXTS = RNG.choice([0, 2, 3, 5], 500)
BITS = {"network": RNG.uniform(1, 3, 500), "mixture": RNG.uniform(0, 3, 500)}


@pytest.mark.parametrize("per_token", [1.0, 4.0])
def test_the_curves_are_means_so_far_and_the_bars_add_up_to_the_gain(per_token):
    figure = plot_reading(BITS, "mixture", CONTEXTS, characters=numpy.full(500, per_token), title="a run")
    figure.savefig(io.BytesIO(), format="png")
    means, gains = figure.axes
    for line, bits in zip(means.lines, BITS.values()):
        x, y = line.get_data()
        numpy.testing.assert_allclose(x, numpy.arange(11, 501) * per_token)
        numpy.testing.assert_allclose(y, [bits[:i].mean() / per_token for i in range(11, 501)])
    assert [text.get_text() for text in gains.get_xticklabels()] == ["0", "2", "3", "5"]
    total = (BITS["network"] - BITS["mixture"]).mean() / per_token
    assert sum(bar.get_height() for bar in gains.patches) == pytest.approx(total)
    first = ((BITS["network"] - BITS["mixture"]) * (CONTEXTS == 0)).mean() / per_token
    assert gains.patches[0].get_height() == pytest.approx(first)
    assert {text.get_text() for text in means.texts} == {f"{name} {bits.mean() / per_token:.3f}"
                                                         for name, bits in BITS.items()}


@pytest.mark.parametrize(("arguments", "message"), [
    (({}, "mixture", []), "bits must be of as many tokens as contexts"),
    ((BITS, "mixture", CONTEXTS[1:]), "bits must be of as many tokens as contexts, at least one; got"),
    ((BITS, "dynamic", CONTEXTS), "gained_by must be one of network, mixture; got 'dynamic'")])
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_reading(*arguments)
