"""Exercise 2: train on more and more books.  How low does the perplexity on the last tenth of the first book get?

Of the first book, 85% are for training, 5% for validation and the last 10% for testing; of the others, all is for
training.  Each model is trained on about the same number of characters, so that more books do not mean more training,
and the parameters of the epoch with the best validation perplexity are tested.

Expected with the defaults and the five books (less than 8 minutes on 2 cores): 2.000 bits per character with The Time
Machine alone, 1.930 with two more books by Wells, 2.039 when most of the training text is by Verne and Austen.
"""

from arguments import parse
from gluon_deeprnn import GRU, RNNLM, TextData, Trainer, evaluate
from matplotlib.figure import Figure
import mxnet
from texts import several_books

options = parse(__doc__, epochs=40)
books = several_books()
first = books[0].name


def read(count, vocab=None):
    """The first ``count`` books, each read by itself, and evaluated on the first only."""
    return TextData(books[:count], batch_size=32, num_steps=64, protocol="book", streams="separate", val_from=[first],
                    vocab=vocab)


# Data: one book, two, three, ..., with the vocabulary of all.
vocab = read(len(books)).vocab
budget = options.epochs * read(1, vocab).train_dataloader().num_tokens

# Model and training: the same GRU with dropout.  ``patience`` keeps the best parameters.
rows = []
for count in range(1, len(books) + 1):
    data = read(count, vocab)
    mxnet.random.seed(0)
    rnn = GRU(num_hiddens=128, num_layers=2, dropout=0.3, input_dropout=0.1, variational=True)
    model = RNNLM(rnn, vocab_size=len(vocab), lr=0.005, embedding=64)
    epochs = max(1, round(budget / data.train_dataloader().num_tokens))
    trainer = Trainer(epochs, gradient_clip_val=1, optimizer="adam", schedule="cosine", patience=epochs)
    history = trainer.fit(model, data)
    best = min(history, key=lambda row: row["val_ppl"])
    result = evaluate(model, data.test_dataloader())
    rows.append((count, data.num_tokens, epochs, best["train_ppl"], best["val_ppl"], result.perplexity,
                 result.bits_per_character))

# Results: perplexity against the number of books, and what it says.
print(f"evaluated on {first}\n")
print("| books | last one added | characters | epochs | training | validation | test | bits per character |")
print("|---|---|---|---|---|---|---|---|")
for count, characters, epochs, train, val, test, bits in rows:
    print(f"| {count} | {books[count - 1].name} | {characters:,} | {epochs} | {train:.2f} | {val:.2f} | {test:.2f} | "
          f"{bits:.3f} |")
bits = [row[-1] for row in rows]
lowest = bits.index(min(bits))
print(f"\nWith {first} alone the model reaches {bits[0]:.3f} bits per character. ", end="")
if lowest == 0:
    print("No other book lowers that: with this network and this much training they help less than further epochs on "
          "the book itself.")
else:
    print(f"The lowest value is {bits[lowest]:.3f}, {bits[0] - bits[lowest]:.3f} less, with {lowest + 1} books. ",
          end="")
    later = [f"{books[i].name} {'raises' if bits[i] > bits[i - 1] else 'lowers'} it to {bits[i]:.3f}"
             for i in range(lowest + 1, len(bits))]
    print("After that, " + "; ".join(later) + "." if later else "It is the last one: still more books might help.")
print("One training each, with one seed: differences of about one hundredth can be chance.")
ax = Figure(figsize=(6, 4), dpi=120, layout="constrained").add_subplot()
for place, name, style in ((5, "test", "-"), (4, "validation", "--")):
    ax.plot([row[0] for row in rows], [row[place] for row in rows], style, marker="o", label=name)
ax.set(xlabel="books in training", ylabel="perplexity", xticks=[row[0] for row in rows], title=f"evaluated on {first}")
ax.legend(frameon=False)
ax.figure.savefig(options.out / "more-books.png")
print(f"curve: {options.out / 'more-books.png'}")
