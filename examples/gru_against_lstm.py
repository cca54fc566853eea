"""Exercise 1: replace the GRU by an LSTM, and compare accuracy and training speed.

Expected with the defaults on The Time Machine (116 s on 2 cores): at the GRU's learning rate the LSTM learns slowly and
ends at 7.5 in validation, the GRU at 6.5; at twice the learning rate the LSTM reaches 6.5 at best.
"""

import statistics

from arguments import parse
from gluon_deeprnn import GRU, LSTM, RNNLM, TextData, Trainer
from gluon_deeprnn.plotting import plot_history
from matplotlib.figure import Figure
import mxnet
from texts import one_book

options = parse(__doc__, epochs=100)

# Data: the chapter's windows, the same for all models.
data = TextData([one_book()], batch_size=1024, num_steps=32)

# Model and training: one learning rate does not fit both, so the LSTM is trained at two.
contestants = {"GRU, lr 2": (GRU, 2), "LSTM, lr 2": (LSTM, 2), "LSTM, lr 4": (LSTM, 4)}
histories, sizes = {}, {}
for name, (cell, lr) in contestants.items():
    mxnet.random.seed(0)
    model = RNNLM(cell(num_hiddens=32, num_layers=2), vocab_size=len(data.vocab), lr=lr)
    sizes[name] = sum(parameter.data().size for _, parameter in model.named_parameters())
    histories[name] = Trainer(max_epochs=options.epochs, gradient_clip_val=1).fit(model, data)

# Results: a table, and the learning curves side by side.
print("| model | parameters | training | validation | best validation | tokens/s |\n|---|---|---|---|---|---|")
figure = Figure(figsize=(14, 4), dpi=120, layout="constrained")
for ax, (name, history) in zip(figure.subplots(1, len(histories), sharey=True), histories.items()):
    plot_history(history, title=name, ax=ax).label_outer()
    print(f"| {name} | {sizes[name]:,} | {history[-1]['train_ppl']:.2f} | {history[-1]['val_ppl']:.2f} | "
          f"{min(row['val_ppl'] for row in history):.2f} | "
          f"{statistics.median(row['tokens_per_second'] for row in history):,.0f} |")
figure.savefig(options.out / "gru-against-lstm.png")
print(f"curves: {options.out / 'gru-against-lstm.png'}")
