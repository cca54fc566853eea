"""Callbacks, data and models for the tests of training."""

from gluon_deeprnn import GRU, RNNLM, TextData
from gluon_deeprnn.data import Source
from gluon_deeprnn.models.weights import parameter_arrays
from gluon_deeprnn.training import Callback
import mxnet
import numpy


class Keep(Callback):
    """Stores a checkpoint of every epoch, and of an interruption."""

    def __init__(self):
        self.checkpoints = []

    def on_epoch_end(self, trainer):
        self.checkpoints.append(trainer.checkpoint())

    on_interrupt = on_epoch_end


class Poison(Callback):
    """Sets one weight to NaN at some pauses, as after a step that diverged."""

    def __init__(self, *pauses):
        self.pauses, self.count, self.rates = pauses, 0, []

    def on_pause(self, trainer):
        self.count += 1
        if self.count in self.pauses:
            _, parameter = next(iter(trainer.model.named_parameters()))
            parameter.set_data(parameter.data() * numpy.nan)


def data_of(protocol):
    rng = numpy.random.default_rng(0)
    text = "".join(rng.choice(list("abcde "), 1500))
    if protocol == "records":  # lines of up to 45 tokens, five chunks
        lines = "\n".join("".join(rng.choice(list("abcde"), length)) for length in rng.integers(1, 45, 45))
        return TextData([Source("lines", lines, "")], 8, 10, protocol="book", records="line")
    return TextData([Source("random", text, "")], 8, 10, protocol=protocol, num_train=300, num_val=100)


def model_of(data, dropout=0.3):
    mxnet.random.seed(2)
    return RNNLM(GRU(12, 2, dropout=dropout), len(data.vocab), lr=0.5)


def same(first, second):
    a, b = parameter_arrays(first), parameter_arrays(second)
    return all((array == b[name]).all() for name, array in a.items())
