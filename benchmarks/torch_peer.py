"""Train with torch, eager or compiled, as a careful user writes it: usage torch_peer.py JOB.json."""

import json
import os
import sys

from epochs import serve, timed
import numpy
import torch
from torch import nn
import torch._inductor.config
from torch.nn import functional

torch.set_num_threads(2)
torch.manual_seed(0)
if os.environ.get("ATEN_CPU_CAPABILITY") == "avx2":
    torch._inductor.config.cpp.simdlen = 256  # the compiled network uses the same instructions
LAYERS = {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}


class RNNScratch(nn.Module):
    """One recurrent layer, a product at a time, as D2L writes it."""

    def __init__(self, num_inputs, num_hiddens, sigma=0.01):
        super().__init__()
        self.W_xh = nn.Parameter(torch.randn(num_inputs, num_hiddens) * sigma)
        self.W_hh = nn.Parameter(torch.randn(num_hiddens, num_hiddens) * sigma)
        self.b_h = nn.Parameter(torch.zeros(num_hiddens))

    def forward(self, inputs):
        """Outputs of all steps."""
        state, outputs = torch.zeros(inputs.shape[1], self.b_h.shape[0]), []
        for x in inputs:
            state = torch.tanh(torch.matmul(x, self.W_xh) + torch.matmul(state, self.W_hh) + self.b_h)
            outputs.append(state)
        return torch.stack(outputs)


class Model(nn.Module):
    """One-hot tokens, two layers, of 32 hidden units by default, and a linear layer."""

    def __init__(self, cell, size, num_hiddens=32):
        super().__init__()
        self.size = size
        if cell == "scratch":
            self.rnn = nn.Sequential(RNNScratch(size, 32), RNNScratch(32, 32))
        else:
            self.rnn = LAYERS[cell](size, num_hiddens, 2)
        self.linear = nn.Linear(num_hiddens, size)
        self.scratch = cell == "scratch"

    def forward(self, tokens):
        """Scores, (T, N, V)."""
        outputs = self.rnn(functional.one_hot(tokens, self.size).float())
        return self.linear(outputs if self.scratch else outputs[0])


def epoch_job(job):
    """The chapter's job."""
    tokens = torch.from_numpy(numpy.load(job["tokens"]).astype("int64"))
    windows = tokens.unfold(0, 33, 1)  # (all windows, 33), no copy
    model = Model(job["cell"], job["vocab_size"])
    if job.get("compiled"):
        model = torch.compile(model, dynamic=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=2)

    def loss(block):
        block = block.T.contiguous()
        return functional.cross_entropy(model(block[:-1]).flatten(0, 1), block[1:].flatten())

    def epoch():
        total, val_total = torch.zeros(()), torch.zeros(())
        for rows in torch.randperm(10000).split(1024):
            optimizer.zero_grad()
            mean = loss(windows[rows])
            mean.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1)
            optimizer.step()
            total += mean.detach() * len(rows)
        with torch.no_grad():
            for rows in torch.arange(10000, 15000).split(1024):
                val_total += loss(windows[rows]) * len(rows)
        return float(torch.exp(total / 10000)), float(torch.exp(val_total / 5000))

    serve(epoch)


def step_job(job):
    """Forward and backward, or forward alone, of the layers themselves."""
    hiddens, layers = job["num_hiddens"], job["num_layers"]
    rnn = LAYERS[job["cell"]](hiddens, hiddens, layers)
    x = torch.randn(35, 64, hiddens, requires_grad=job["train"])
    ones = torch.ones(35, 64, hiddens)

    def step():
        if job["train"]:
            rnn.zero_grad()
            rnn(x)[0].backward(ones)
        else:
            with torch.no_grad():
                rnn(x)

    timed(step)


def generate_job(job):
    """A character at a time, the state carried, drawn at temperature 1."""
    size = job["vocab_size"]
    model = Model("gru", size, job["num_hiddens"])

    @torch.no_grad()
    def write():
        token, state = torch.zeros(1, job["streams"], dtype=torch.int64), None
        for _ in range(job["length"]):
            outputs, state = model.rnn(functional.one_hot(token, size).float(), state)
            token = torch.multinomial(torch.softmax(model.linear(outputs[0]), -1), 1).T
        return token

    timed(write)


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    {"epoch": epoch_job, "step": step_job, "generate": generate_job}[asked["job"]](asked)
