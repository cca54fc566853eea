"""Modules as users write them, and models on them, for the tests of this folder."""

from gluon_deeprnn import d2l
from mxnet import gluon, np


class Letters(d2l.DataModule):
    """A data module of a user: letters that repeat."""

    def __init__(self, batch_size=16, num_steps=8):
        super().__init__()
        self.save_hyperparameters()
        self.vocab = d2l.Vocab("abcdefgh")
        corpus = np.array(self.vocab[list("abcdefgh" * 20)], dtype="int32")
        self.tensors = [np.stack([corpus[i + s:i + s + num_steps] for i in range(120)]) for s in (0, 1)]

    def get_dataloader(self, train):
        return self.get_tensorloader(self.tensors, train, slice(0, 80) if train else slice(80, 120))


class ListStack(d2l.Module):
    """A stack of a user, with its layers in a list."""

    def __init__(self, num_inputs, num_hiddens, num_layers, sigma=0.5):
        super().__init__()
        self.save_hyperparameters()
        self.rnns = [d2l.RNNScratch(num_inputs if i == 0 else num_hiddens, num_hiddens, sigma)
                     for i in range(num_layers)]


@d2l.add_to_class(ListStack)
def forward(self, inputs, Hs=None):
    outputs = inputs
    Hs = list(Hs) if Hs else [None] * self.num_layers
    for i in range(self.num_layers):
        outputs, Hs[i] = self.rnns[i](outputs, Hs[i])
        outputs = d2l.stack(outputs, 0)
    return outputs, Hs


class Gated(d2l.Module):
    """A gated cell of a user, of bare arrays, with two states like an LSTM."""

    def __init__(self, num_inputs, num_hiddens, sigma=0.5):
        super().__init__()
        self.save_hyperparameters()
        self.W = {name: (d2l.randn(num_inputs, num_hiddens) * sigma, [d2l.randn(num_hiddens, num_hiddens) * sigma],
                         d2l.zeros(num_hiddens)) for name in "fi"}
        self.W = {name: list(parts) for name, parts in self.W.items()}

    def forward(self, inputs, H_C=None):
        H, C = H_C or [d2l.zeros((inputs.shape[1], self.num_hiddens))] * 2
        outputs = []
        for X in inputs:
            gates = {name: d2l.sigmoid(d2l.matmul(X, W_x) + d2l.matmul(H, W_h[0]) + b)
                     for name, (W_x, W_h, b) in self.W.items()}
            C = gates["f"] * C + gates["i"]
            H = d2l.tanh(C)
            outputs.append(H)
        return outputs, (H, C)


class ConciseLSTM(d2l.RNN):
    """A concise LSTM of a user, with Gluon's layer."""

    def __init__(self, num_hiddens):
        d2l.Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = gluon.rnn.LSTM(num_hiddens)


class UsersRNN(d2l.Module):
    """A concise RNN of a user that calls Gluon's layer itself."""

    def __init__(self, num_hiddens):
        super().__init__()
        self.save_hyperparameters()
        self.rnn = gluon.rnn.RNN(num_hiddens)

    def forward(self, inputs, H=None):
        if H is None:
            H, = self.rnn.begin_state(inputs.shape[1], ctx=inputs.ctx)
        outputs, (H,) = self.rnn(inputs, (H,))
        return outputs, H


class UsersLSTM(d2l.RNN):
    """The same with an LSTM, whose state is a list of two arrays."""

    def __init__(self, num_hiddens):
        d2l.Module.__init__(self)
        self.save_hyperparameters()
        self.rnn = gluon.rnn.LSTM(num_hiddens)

    def forward(self, inputs, H_C=None):
        if H_C is None:
            H_C = self.rnn.begin_state(inputs.shape[1], ctx=inputs.ctx)
        return self.rnn(inputs, H_C)


V = 9
MODELS = {
    "list-stack": (lambda: d2l.RNNLMScratch(ListStack(V, 12, 2), V, lr=4.0), 8),
    "stack": (lambda: d2l.RNNLMScratch(d2l.StackedRNNScratch(V, 12, 2, sigma=0.5), V, lr=4.0), 8),
    "one-layer": (lambda: d2l.RNNLMScratch(d2l.RNNScratch(V, 12, sigma=0.5), V, lr=4.0), 5),
    "bare-arrays": (lambda: d2l.RNNLMScratch(Gated(V, 12), V, lr=4.0), 8),
    "concise-rnn": (lambda: d2l.RNNLM(d2l.RNN(12), V, lr=4.0), 3),
    "concise-gru": (lambda: d2l.RNNLM(d2l.GRU(12, 2), V, lr=4.0), 4),
    "concise-lstm": (lambda: d2l.RNNLM(d2l.LSTM(12), V, lr=4.0), 3),
    "users-rnn": (lambda: d2l.RNNLM(UsersRNN(12), V, lr=1.0), 6),
    "users-lstm": (lambda: d2l.RNNLM(UsersLSTM(12), V, lr=4.0), 6),
    "gluons-lstm": (lambda: d2l.RNNLM(ConciseLSTM(12), V, lr=4.0), 6),
}


def arrays(model):
    return [array.asnumpy() for array in model.get_scratch_params()]
