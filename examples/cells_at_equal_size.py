"""Exercise 1, continued: GRU, LSTM and tanh RNN with the same number of parameters.

Each cell gets as many hidden units as make two layers of about 150,000 parameters, and is trained twice: for the same
number of epochs, and for as many epochs as take the same time as those of the GRU.

Expected with the defaults on The Time Machine (3 minutes on 2 cores of an AMD EPYC): 1.996 bits per character of the
test part for the GRU, 2.073 for the LSTM and 2.215 for the tanh RNN after 20 epochs; in the time of the GRU, 2.094 for
the LSTM and 2.262 for the tanh RNN.  One training each, with one seed.
"""

from arguments import parse
from gluon_deeprnn import GRU, LSTM, RNN, RNNLM, TextData, Trainer, evaluate
from gluon_deeprnn.plotting import plot_runs
import mxnet
from texts import one_book

NUM_PARAMETERS = 150_000
CELLS = {"GRU": (GRU, 3, 0.004), "LSTM": (LSTM, 4, 0.004), "tanh RNN": (RNN, 1, 0.001)}  # gates, learning rate

options = parse(__doc__, epochs=20)

# Data: a whole book, its state carried from batch to batch; the last tenth is the test part.
data = TextData([one_book()], batch_size=16, num_steps=64, protocol="book")
num_tokens = len(data.vocab)


def num_parameters(num_gates, num_hiddens):
    """Of two layers with one-hot inputs, two biases for each gate, and the output layer."""
    of_layers = num_gates * num_hiddens * (num_tokens + num_hiddens + 2 + num_hiddens + num_hiddens + 2)
    return of_layers + num_tokens * (num_hiddens + 1)


def train(name, num_epochs):
    """A training of one of the cells: its model, its history and its number of parameters."""
    cell, num_gates, lr = CELLS[name]
    num_hiddens = min(range(1, 1000), key=lambda size: abs(num_parameters(num_gates, size) - NUM_PARAMETERS))
    mxnet.random.seed(0)
    model = RNNLM(cell(num_hiddens, num_layers=2, dropout=0.2), num_tokens, lr=lr)
    trainer = Trainer(num_epochs, gradient_clip_val=1, optimizer="adam", schedule="cosine", patience=num_epochs)
    history = trainer.fit(model, data)
    return model, history, num_hiddens


def seconds(history):
    """The duration of a training."""
    return sum(row["seconds"] for row in history)


# Training: the same number of epochs, then the same time as the GRU.
trained = {name: train(name, options.epochs) for name in CELLS}
time = seconds(trained["GRU"][1])
for name in list(CELLS)[1:]:
    num_epochs = max(1, round(options.epochs * time / seconds(trained[name][1])))
    trained[f"{name}, time of the GRU"] = train(name, num_epochs)

# Results: a table, and a picture of all trainings against epochs and time.
print("| cell | hidden units | parameters | epochs | seconds | validation | test | bits per character |\n"
      "|---|---|---|---|---|---|---|---|")
sizes = {}
for name, (model, history, num_hiddens) in trained.items():
    sizes[name] = sum(parameter.data().size for _, parameter in model.named_parameters())
    found = evaluate(model, data.test_dataloader())
    print(f"| {name} | 2 x {num_hiddens} | {sizes[name]:,} | {len(history)} | {seconds(history):.0f} | "
          f"{min(row['val_ppl'] for row in history):.2f} | {found.perplexity:.2f} | {found.bits_per_character:.3f} |")
plot_runs({name: history for name, (_, history, _) in trained.items()}, sizes).savefig(
    options.out / "cells-at-equal-size.png")
print(f"\npicture: {options.out / 'cells-at-equal-size.png'}")
