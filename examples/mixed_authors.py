"""Exercise 3: mix authors.  What are the benefits and the risks?

Three models are trained on about the same number of characters: on one author; on three authors, the same amount of
each; and on the three with a token that names the book at the beginning of each of its columns.  Each is evaluated on
the last tenth of every book, and continues the same words.

Expected with the defaults and the five books (6 minutes on 2 busy cores): adding Verne and Austen changes the
perplexity on Verne from 9.98 to 4.70, on Austen from 7.99 to 4.42, and on The Time Machine from 4.70 to 4.98.  All
authors contribute to what they share, the English language; they compete for the capacity of the small network and for
training time.
"""

from arguments import parse
from gluon_deeprnn import GRU, RNNLM, TextData, Trainer, evaluate, generate
from matplotlib.figure import Figure
import mxnet
from texts import several_books

options = parse(__doc__, epochs=30)
books = several_books()
mixture = [books[0], *books[-2:]]  # the last two are by other authors
names = [book.name for book in mixture]


def read(sources, vocab=None, source_token=False):
    """Books, as they are and each by itself; as much of each in an epoch as the first one has."""
    weights = [len(books[0].text) / len(source.text) for source in sources]
    return TextData(sources, batch_size=16, num_steps=64, protocol="book", cleaning="none", streams="separate",
                    vocab=vocab, source_weights=weights, source_token=source_token)


# Data: the first book alone, and all of them; one vocabulary, with a token for each book.
vocab = read(mixture, source_token=True).vocab
trainings = {"alone": read(mixture[:1], vocab), "mixed": read(mixture, vocab), "named": read(mixture, vocab, True)}
budget = options.epochs * trainings["alone"].train_dataloader().num_tokens

# Model and training: the same GRU with dropout, about the same number of characters.
models = {}
for training, data in trainings.items():
    mxnet.random.seed(0)
    rnn = GRU(num_hiddens=128, num_layers=2, dropout=0.2, variational=True)
    models[training] = RNNLM(rnn, vocab_size=len(vocab), lr=0.004, embedding=64)
    epochs = max(1, round(budget / data.train_dataloader().num_tokens))
    trainer = Trainer(epochs, gradient_clip_val=1, optimizer="adam", schedule="cosine", patience=epochs)
    trainer.fit(models[training], data)

# Results: perplexity for each book, and a continuation of the same words by each model.
found = {training: evaluate(model, read(mixture, vocab, training == "named").test_dataloader()).by_source
         for training, model in models.items()}
print("| test part of | trained on the first alone | on all three | on all three, named |\n|---|---|---|---|")
for name in names:
    print(f"| {name} | " + " | ".join(f"{found[training][name].perplexity:.2f}" for training in models) + " |")
bits = {training: [found[training][name].bits_per_character for name in names] for training in models}
mixing = [mixed - alone for alone, mixed in zip(bits["alone"], bits["mixed"])]
naming = [named - mixed for mixed, named in zip(bits["mixed"], bits["named"])]
print(f"\nIn bits per character, adding {names[1]} and {names[2]} changes {names[0]} by {mixing[0]:+.3f}: "
      + ("they compete with it for the weights of the network and for the time of training."
         if mixing[0] > 0 else "what they share with it helps more than they take of its training.")
      + f" The two themselves change by {mixing[1]:+.3f} and {mixing[2]:+.3f}. A token that names the book changes the "
      f"three by {', '.join(f'{change:+.3f}' for change in naming)}"
      ": its use is to choose a style, not to predict better.\nOne training each, with one seed: "
      "differences of about one hundredth can be chance.")
for training, name in (("alone", None), ("mixed", None), *(("named", name) for name in names)):
    text = "".join(generate(models[training], vocab, "It was", 150, temperature=0.5, source=name))
    print(f"\n{training}{f', {name}' if name else ''}: It was{text}")
ax = Figure(figsize=(7, 4), dpi=120, layout="constrained").add_subplot()
for i, (training, label) in enumerate(zip(models, ("the first alone", "all three", "all three, named"))):
    bars = ax.bar([place + 0.27 * (i - 1) for place in range(3)], [found[training][name].perplexity for name in names],
                  0.26, label=label)
    ax.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
ax.set_xticks(range(3), names, fontsize=8)
ax.set_ylabel("test perplexity")
ax.legend(title="trained on", frameon=False)
ax.figure.savefig(options.out / "mixed-authors.png")
print(f"\npicture: {options.out / 'mixed-authors.png'}")
