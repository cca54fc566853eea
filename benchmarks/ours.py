"""Train with gluon_deeprnn, as its users do: usage ours.py JOB.json."""

import json
import sys

from epochs import answer, timed, wait_for_turn
import gluon_deeprnn
from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, RNNLMScratch, StackedRNNScratch, Trainer, Vocab
from gluon_deeprnn.data.windows import Windows
from gluon_deeprnn.generation import generate_many
from gluon_deeprnn.training import Callback
import mxnet
from mxnet import autograd, np
import numpy

CORES = {"gru": GRU, "lstm": LSTM, "rnn": RNN}


class Turns(Callback):
    """Stops after each epoch until it is our turn again."""

    def on_epoch_end(self, trainer: gluon_deeprnn.Trainer) -> None:
        """Answer with what the history says."""
        row = trainer.history[-1]
        answer(seconds=row["seconds"], train_ppl=row["train_ppl"], val_ppl=row["val_ppl"])
        wait_for_turn()


class Data:
    """Token indices as the trainer's data: the chapter's windows."""

    def __init__(self, tokens: numpy.ndarray, vocab_size: int) -> None:
        self.vocab = range(vocab_size)
        self._tokens = tokens

    def train_dataloader(self) -> Windows:
        """10 batches."""
        return Windows(self._tokens, 0, 10000, batch_size=1024, num_steps=32, shuffle=True)

    def val_dataloader(self) -> Windows:
        """5 batches."""
        return Windows(self._tokens, 10000, 5000, batch_size=1024, num_steps=32)


def epoch_job(job: dict) -> None:
    """The chapter's job."""
    size = job["vocab_size"]
    data = Data(numpy.load(job["tokens"]), size)
    if job["cell"] == "scratch":
        model = RNNLMScratch(StackedRNNScratch(size, 32, 2), size, lr=2)
    else:
        model = RNNLM(CORES[job["cell"]](32, 2), size, lr=2)
    answer()
    wait_for_turn()
    Trainer(10**6, gradient_clip_val=1, progress=False, callbacks=[Turns()]).fit(model, data)


def step_job(job: dict) -> None:
    """Forward and backward, or forward alone, of the layers themselves."""
    hiddens, layers = job["num_hiddens"], job["num_layers"]
    batch, steps = job.get("batch_size", 64), job.get("num_steps", 35)
    if job["cell"] == "scratch":
        core = StackedRNNScratch(hiddens, hiddens, layers)
    else:
        core = CORES[job["cell"]](hiddens, layers, num_inputs=hiddens)
    core.initialize()
    core.hybridize(job.get("hybridize", True))
    x, state = np.random.normal(size=(steps, batch, hiddens)), core.begin_state(batch)
    ones = np.ones((steps, batch, hiddens))
    if job["train"]:
        x.attach_grad()

    def step() -> None:
        if job["train"]:
            with autograd.record():
                outputs, _ = core(x, state)
            outputs.backward(ones)
        else:
            core(x, state)[0].wait_to_read()
        mxnet.nd.waitall()

    timed(step)


def generate_job(job: dict) -> None:
    """Text by the package's own function."""
    vocab = Vocab("".join(chr(ord("a") + i) for i in range(job["vocab_size"] - 1)))  # and the unknown token
    model = RNNLM(GRU(job["num_hiddens"], 2), len(vocab))
    timed(lambda: generate_many(model, vocab, "a", job["length"], job["streams"], temperature=1))


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    {"epoch": epoch_job, "step": step_job, "generate": generate_job}[asked["job"]](asked)
