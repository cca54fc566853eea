"""The perplexity that larger batches and less frequent synchronisation cost: python -m benchmarks.synchronisation.

An LSTM of 256 units on The Time Machine (protocol book), 12 epochs of Adam with a cosine schedule.  Four workers with
16 columns each are simulated in one process, without a network: with gradients that are summed in every step they are
one process with 64 columns; otherwise each updates its own parameters, with its own state of Adam, and every K steps
all take the mean of the parameters.  The validation perplexity is that of the mean.
"""

import math
import sys
from typing import Any, Dict, List

from gluon_deeprnn import LSTM, RNNLM, TextData, evaluate
from gluon_deeprnn.data.batches import continues
from gluon_deeprnn.data.corpora import corpus
from gluon_deeprnn.evaluation import MeanLoss
from gluon_deeprnn.models.weights import parameter_arrays, set_parameters
from gluon_deeprnn.training.optimizer import Optimizer
from gluon_deeprnn.training.replicas import Replicas
import mxnet
import numpy

EPOCHS, STEPS, COLUMNS = 12, 64, 16
CLIP = 1.0


class Worker:
    """A model with its optimizer, which trains on some columns."""

    def __init__(self, vocab_size: int, lr: float) -> None:
        mxnet.random.seed(0)
        self.model = RNNLM(LSTM(256, 1, output_dropout=0.3), vocab_size, embedding=64)
        loss = MeanLoss(self.model)
        loss.hybridize()
        self.replicas = Replicas(self.model, loss, [mxnet.cpu()], seed=0, padded=False)
        self.optimizer = Optimizer(dict(self.model.named_parameters()), "adam", clip=CLIP)
        self.lr = lr

    def step(self, x: Any, y: Any, rate: float, *, carried: bool) -> None:
        """One step of truncated backpropagation through time."""
        self.replicas.backward(x, y, carried=carried)
        self.optimizer.update(self.lr * rate).squares.wait_to_read()


def mean(workers: List[Worker]) -> None:
    """Let all workers have the mean of their parameters."""
    arrays = [parameter_arrays(each.model) for each in workers]
    means: Dict[str, numpy.ndarray] = {name: numpy.mean([each[name] for each in arrays], axis=0) for name in arrays[0]}
    for each in workers:
        set_parameters(each.model, means)


def trained(num_workers: int, columns: int, every: int, lr: float) -> float:
    """The validation perplexity after a training."""
    data = TextData([corpus("time-machine")], num_workers * columns, STEPS, protocol="book", cleaning="d2l")
    workers = [Worker(len(data.vocab), lr) for _ in range(num_workers)]
    source, done = data.train_dataloader(), 0
    total = EPOCHS * len(source)
    for epoch in range(EPOCHS):
        for batch, (x, y) in enumerate(source.batches(epoch)):
            mxnet.random.seed(1000 * epoch + batch)
            rate = (1 + math.cos(math.pi * done / total)) / 2
            for i, worker in enumerate(workers):
                own = slice(i * columns, (i + 1) * columns)
                worker.step(x[:, own], y[:, own], rate, carried=continues(source, epoch, batch))
            done += 1
            if num_workers > 1 and done % every == 0:
                mean(workers)
    if num_workers > 1:
        mean(workers)
    return evaluate(workers[0].model, data.val_dataloader()).perplexity


def main() -> None:
    """Print a line for each way."""
    ways = [(f"1 process, {columns} columns, learning rate {lr:g}", 1, columns, 1, lr)
            for columns, rates in ((16, (0.005,)), (64, (0.005, 0.01, 0.02)), (256, (0.005, 0.01, 0.02, 0.04)))
            for lr in rates]
    ways += [(f"4 workers, 16 columns each, parameters averaged every {every} steps, learning rate 0.005", 4, 16, every,
              0.005) for every in (1, 4, 16, 64)]
    for name, *way in ways:
        print(f"{name}: validation perplexity {trained(*way):.3f}", flush=True)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
