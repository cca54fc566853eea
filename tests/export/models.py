"""Models of all kinds with random parameters."""

import types

from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Vocab
import mxnet
from mxnet import np
import numpy

VOCAB = Vocab("the time machine")
V = len(VOCAB)
KIT = {"layer_norm": True, "residual": True, "learned_state": True, "skip": True}


def scratch(cell="rnn", layers=2, **options):
    return RNNLMScratch(StackedRNNScratch(V, 7, layers, cell=cell, sigma=0.4, **options), V)


MODELS = {
    "rnn 1 layer": lambda: RNNLM(RNN(6), V),
    "rnn 8 layers, relu": lambda: RNNLM(RNN(6, 8, activation="relu"), V),
    "rnn scratch": scratch,
    "rnn kit": lambda: RNNLM(RNN(6, 2, **KIT), V, embedding=4),
    "lstm 1 layer, tied": lambda: RNNLM(LSTM(6), V, embedding=6, tied=True),
    "lstm 2 layers, dropout": lambda: RNNLM(LSTM(6, 2, dropout=0.5, weight_dropout=0.5), V, embedding_dropout=0.5),
    "lstm 8 layers, residual": lambda: RNNLM(LSTM(6, 8, residual=True), V, embedding=3),
    "lstm scratch kit": lambda: scratch("lstm", 3, **KIT),
    "gru 1 layer": lambda: RNNLM(GRU(6), V),
    "gru 2 layers, embedding": lambda: RNNLM(GRU(6, 2), V, embedding=9),
    "gru 8 layers kit": lambda: RNNLM(GRU(6, 8, **KIT), V, embedding=6),
    "gru scratch": lambda: scratch("gru", 2),
}
OTHERS = {  # that torch does not have
    "gru reset before": lambda: scratch("gru", 2, reset="before"),
    "activations": lambda: scratch("rnn", 3, activation=["sigmoid", "softsign", "softrelu"]),
}
MGU = {"mgu": lambda: scratch("mgu", 2)}
ALL = {**MODELS, **OTHERS, **MGU}


def made(name):
    """A model with random parameters: biases, learned states and the scales of norms too."""
    mxnet.random.seed(3)
    model, draw = ALL[name](), numpy.random.default_rng(4)
    model(np.zeros((1, 1), dtype="int32"))
    for _, parameter in model.named_parameters():
        moved = parameter.data().asnumpy() + draw.normal(0, 0.2, parameter.shape)
        parameter.set_data(np.array(moved, dtype="float32"))
    return model


def tokens(num_steps=20, batch_size=3):
    return numpy.random.default_rng(5).integers(0, V, (num_steps, batch_size)).astype("int32")


def of(model):
    """What an export needs of a run."""
    return types.SimpleNamespace(model=model, vocab=VOCAB)
