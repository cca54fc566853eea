"""Exercise 2: train on more and more books.  How low does the perplexity on the last tenth of the first book get?

Each model is trained on about the same number of characters, so that more books do not mean more training.

Expected with the defaults and the five books (81 s on 2 cores): 4.04 with The Time Machine alone, 3.94 with two more
books by Wells, 4.26 when most of the training text is by Verne and Austen.
"""

from arguments import parse
from gluon_deeprnn import GRU, RNNLM, TextData, Trainer, evaluate
from matplotlib.figure import Figure
import mxnet
from texts import several_books

options = parse(__doc__, epochs=12)
books = several_books()

# Data: all models are evaluated on the last tenth of the first book, with the vocabulary of all books.
everything = TextData(books, batch_size=32, num_steps=64, protocol="book")
vocab = everything.vocab
first = TextData(books[:1], batch_size=32, num_steps=64, protocol="book", vocab=vocab)
budget = options.epochs * first.num_tokens

# Model and training: the same GRU on one book, two, three, ...
rows = []
for count in range(1, len(books) + 1):
    data = TextData(books[:count], batch_size=32, num_steps=64, protocol="book", vocab=vocab)
    mxnet.random.seed(0)
    model = RNNLM(GRU(num_hiddens=128, num_layers=2, dropout=0.2), vocab_size=len(vocab), lr=0.01)
    epochs = max(1, round(budget / data.num_tokens))
    Trainer(epochs, gradient_clip_val=1, optimizer="adam", schedule="cosine").fit(model, data)
    result = evaluate(model, first.test_dataloader())
    rows.append((count, data.num_tokens, epochs, result.perplexity, result.bits_per_character))

# Results: perplexity against the number of books.
print(f"evaluated on the last tenth of {books[0].name}\n\n| books | with | characters | epochs | perplexity | bits |")
print("|---|---|---|---|---|---|")
for count, characters, epochs, perplexity, bits in rows:
    print(f"| {count} | {books[count - 1].name} | {characters:,} | {epochs} | {perplexity:.2f} | {bits:.3f} |")
ax = Figure(figsize=(6, 4), dpi=120, layout="constrained").add_subplot()
ax.plot([row[0] for row in rows], [row[3] for row in rows], marker="o")
ax.set(xlabel="books in training", ylabel="test perplexity", xticks=[row[0] for row in rows],
       title=f"the last tenth of {books[0].name}")
ax.figure.savefig(options.out / "more-books.png")
print(f"curve: {options.out / 'more-books.png'}")
