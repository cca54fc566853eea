"""Train with gluon_deeprnn, as its users do: usage ours.py CELL TOKENS.npy VOCAB_SIZE."""

import sys

from epochs import answer, wait_for_turn
import gluon_deeprnn
from gluon_deeprnn.data.windows import Windows
from gluon_deeprnn.training import Callback
import numpy


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


def main() -> None:
    """Train one epoch whenever asked."""
    cell, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
    data = Data(numpy.load(path), size)
    if cell == "scratch":
        model = gluon_deeprnn.RNNLMScratch(gluon_deeprnn.StackedRNNScratch(size, 32, 2), size, lr=2)
    else:
        model = gluon_deeprnn.RNNLM(getattr(gluon_deeprnn, cell.upper())(32, 2), size, lr=2)
    answer()
    wait_for_turn()
    gluon_deeprnn.Trainer(10**6, gradient_clip_val=1, progress=False, callbacks=[Turns()]).fit(model, data)


main()
