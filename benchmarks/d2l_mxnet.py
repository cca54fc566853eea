"""Our port of D2L's MXNet code, one epoch, written from its description: usage d2l_mxnet.py JOB.json.

A Gluon data loader that stacks a batch sample by sample; blocks that are not hybridized; one-hot inputs; outputs
transposed to (batch, steps, vocabulary); the loss read on the host after every batch, for the curve; the norm of the
gradients summed parameter by parameter and read on the host; MXNet's own choice of threads, half of the processors.
Its stacked scratch network trains the output layer only, as the book's does.
"""

import json
import math
import sys
import warnings

import numpy

_REMOVED = {  # names that MXNet reads from NumPy, which has removed them
    "bool": bool, "float_": numpy.float64, "NaN": numpy.nan, "NAN": numpy.nan, "Inf": numpy.inf, "infty": numpy.inf,
    "Infinity": numpy.inf, "PINF": numpy.inf, "NINF": -numpy.inf, "PZERO": 0.0, "NZERO": -0.0, "alltrue": numpy.all,
    "sometrue": numpy.any, "product": numpy.prod, "cumproduct": numpy.cumprod, "row_stack": numpy.vstack,
    "in1d": numpy.isin, "trapz": getattr(numpy, "trapezoid", None), "round_": numpy.round, "msort": numpy.sort,
    **dict.fromkeys(("mirr", "npv", "pmt", "ppmt", "pv", "rate"))}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for name, meaning in _REMOVED.items():
        if not hasattr(numpy, name):
            setattr(numpy, name, meaning)

from epochs import serve  # noqa: E402
from mxnet import autograd, gluon, np, npx  # noqa: E402

npx.set_np()


class RNNScratch(gluon.nn.Block):
    """One layer of the book's RNN from scratch: parameters are bare arrays, one product after the other."""

    def __init__(self, num_inputs, num_hiddens, sigma=0.01):
        super().__init__()
        self.num_hiddens = num_hiddens
        self.W_xh = np.random.randn(num_inputs, num_hiddens) * sigma
        self.W_hh = np.random.randn(num_hiddens, num_hiddens) * sigma
        self.b_h = np.zeros(num_hiddens)

    def forward(self, inputs):
        """Outputs of all steps, stacked."""
        state, outputs = np.zeros((inputs.shape[1], self.num_hiddens)), []
        for x in inputs:
            state = np.tanh(np.dot(x, self.W_xh) + np.dot(state, self.W_hh) + self.b_h)
            outputs.append(state)
        return np.stack(outputs, 0)


class Scratch:
    """The book's stacked language model from scratch."""

    def __init__(self, size):
        self.layers = [RNNScratch(size, 32), RNNScratch(32, 32)]
        self.W_hq, self.b_q = np.random.randn(32, size) * 0.01, np.zeros(size)
        self.arrays = [self.W_hq, self.b_q]  # the layers, in a list, are not found
        for array in self.arrays:
            array.attach_grad()
        self.size = size

    def __call__(self, tokens):
        """Scores, (batch, steps, vocabulary)."""
        outputs = npx.one_hot(tokens.T, self.size)
        for layer in self.layers:
            outputs = layer(outputs)
        return np.stack([np.dot(h, self.W_hq) + self.b_q for h in outputs], 1)

    def gradients(self):
        """The gradients of what is trained."""
        return [array.grad for array in self.arrays]

    def step(self):
        """Gradient descent."""
        for array in self.arrays:
            array -= 2 * array.grad


class Concise:
    """The book's concise language model."""

    def __init__(self, cell, size):
        layer = {"gru": gluon.rnn.GRU, "lstm": gluon.rnn.LSTM, "rnn": gluon.rnn.RNN}[cell]
        self.rnn, self.linear = layer(32, 2), gluon.nn.Dense(size, flatten=False)
        self.size = size
        self.parameters = []
        for block in (self.rnn, self.linear):
            block.initialize()
            self.parameters += block.collect_params().values()
        self.trainer = None

    def __call__(self, tokens):
        """Scores, (batch, steps, vocabulary)."""
        state = self.rnn.begin_state(tokens.shape[0])
        outputs, _ = self.rnn(npx.one_hot(tokens.T, self.size), state)
        return self.linear(outputs).swapaxes(0, 1)

    def gradients(self):
        """The gradients of what is trained."""
        return [parameter.grad() for parameter in self.parameters]

    def step(self):
        """Gradient descent by Gluon's trainer."""
        if self.trainer is None:
            self.trainer = gluon.Trainer(self.parameters, "sgd", {"learning_rate": 2})
        self.trainer.step(1)


def main() -> None:
    """Train one epoch whenever asked."""
    job = json.loads(sys.argv[1])
    cell, path, size = job["cell"], job["tokens"], job["vocab_size"]
    tokens = numpy.load(path)
    windows = np.array([tokens[i:i + 33] for i in range(15000)], dtype="int32")

    def loader(part, shuffle):
        return gluon.data.DataLoader(gluon.data.ArrayDataset(part[:, :-1], part[:, 1:]), 1024, shuffle=shuffle)

    train, val = loader(windows[:10000], True), loader(windows[10000:], False)
    model = Scratch(size) if cell == "scratch" else Concise(cell, size)
    cross_entropy = gluon.loss.SoftmaxCrossEntropyLoss()

    def loss(x, y):
        return cross_entropy(model(x).reshape(-1, size), y.reshape(-1)).mean()

    def epoch():
        means, val_means = [], []
        for x, y in train:
            with autograd.record():
                mean = loss(x, y)
            mean.backward()
            means.append(float(mean.asnumpy()))
            norm = math.sqrt(sum((g ** 2).sum() for g in model.gradients()))
            if norm > 1:
                for gradient in model.gradients():
                    gradient[:] *= 1 / norm
            model.step()
        for x, y in val:
            val_means.append(float(loss(x, y).asnumpy()))
        return [sum(map(math.exp, part)) / len(part) for part in (means, val_means)]

    serve(epoch)


main()
