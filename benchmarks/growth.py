"""How time and memory grow: python -m benchmarks.growth [--rounds N].

Time a token of the chapter's GRU by the number of steps (at 32,768 tokens a batch) and by the length of the text, and
what the data of a text take in memory.
"""

import argparse
import statistics
import tracemalloc

from gluon_deeprnn import GRU, RNNLM, TextData, Trainer
from gluon_deeprnn.data import Source, default_corpus


def nanoseconds(data: TextData, rounds: int) -> float:
    """Median time of an epoch's training and validation, by its training tokens; the first epoch is not counted."""
    model = RNNLM(GRU(32, 2), len(data.vocab), lr=2)
    history = Trainer(rounds + 1, gradient_clip_val=1, progress=False).fit(model, data)
    return statistics.median(1e9 / row["tokens_per_second"] for row in history[1:])


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    source = default_corpus()
    print("| steps | sequences in a batch | ns a token |\n|---|---|---|")
    for num_steps in (8, 32, 128, 512):
        batch_size = 32768 // num_steps
        data = TextData([source], batch_size, num_steps, num_train=8 * batch_size, num_val=batch_size)
        print(f"| {num_steps} | {batch_size} | {nanoseconds(data, rounds):.0f} |", flush=True)
    print("\n| characters | ns a token | data in memory, bytes a character |\n|---|---|---|")
    for times in (1, 4, 16):
        text = Source(source.name, source.text * times, source.sha1)
        tracemalloc.start()
        data = TextData([text], batch_size=256, num_steps=64, protocol="book")
        size = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        print(f"| {len(text.text):,} | {nanoseconds(data, rounds):.0f} | {size / len(text.text):.1f} |", flush=True)


if __name__ == "__main__":
    main()
