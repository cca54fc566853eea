"""Exercise 3: mix authors.  What are the benefits and the risks?

A model trained on one author and a model trained on several, on about the same number of characters, are evaluated on
the last tenth of each book.

Expected with the defaults and the five books (43 s on 2 cores): adding Verne and Austen changes the perplexity on Verne
from 5.92 to 3.85, on Austen from 5.07 to 3.36, and on The Time Machine from 4.04 to 4.37.  All authors contribute to
what they share, the English language; they compete for the capacity of the small network and for training time.
"""

from arguments import parse
from gluon_deeprnn import GRU, RNNLM, TextData, Trainer, evaluate, generate
import mxnet
from texts import several_books

options = parse(__doc__, epochs=12)
books = several_books()

# Data: the first book alone, and the first with the last two, which are by different authors; one vocabulary.
mixture = [books[0], *books[-2:]]
vocab = TextData(mixture, batch_size=32, num_steps=64, protocol="book").vocab
trainings = {"alone": mixture[:1], "mixed": mixture}

# Model and training: the same GRU, about the same number of characters.
models = {}
budget = options.epochs * TextData(mixture[:1], 32, 64, protocol="book").num_tokens
for name, sources in trainings.items():
    data = TextData(sources, batch_size=32, num_steps=64, protocol="book", vocab=vocab)
    mxnet.random.seed(0)
    models[name] = RNNLM(GRU(num_hiddens=128, num_layers=2, dropout=0.2), vocab_size=len(vocab), lr=0.01)
    epochs = max(1, round(budget / data.num_tokens))
    Trainer(epochs, gradient_clip_val=1, optimizer="adam", schedule="cosine").fit(models[name], data)

# Results: perplexity for each author, and a continuation of the same words by each model.
print("| test part of | " + " | ".join(models) + " |\n|---|" + "---|" * len(models))
for source in mixture:
    test = TextData([source], 32, 64, protocol="book", vocab=vocab).test_dataloader()
    perplexities = [f"{evaluate(model, test).perplexity:.2f}" for model in models.values()]
    print(f"| {source.name} | " + " | ".join(perplexities) + " |")
for name, model in models.items():
    print(f"\n{name}: it was", end="")
    print("".join(generate(model, vocab, "it was", 150, temperature=0.5)))
