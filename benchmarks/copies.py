"""Copies of a long text, by hashes of n-grams and by a suffix array in NumPy: python -m benchmarks.copies [MILLIONS].

The text, 20 million characters by default, consists of the texts in the folder that GLUON_DEEPRNN_DATA names, repeated,
with one in a hundred characters replaced by a random one.  Both find the same n-grams.
"""

import os
from pathlib import Path
import sys
import time
from typing import Any, Callable, Tuple

from gluon_deeprnn import GRU, RNNLM, Vocab
from gluon_deeprnn.generation import Continuation, TrainingText
from gluon_deeprnn.generation.ngrams import NgramIndex
import numpy

CHANGED, QUERIES = 0.01, 200_000


def text_of(length: int) -> Tuple[numpy.ndarray, Vocab]:
    """The text, as tokens, and its vocabulary."""
    files = sorted(Path(os.environ["GLUON_DEEPRNN_DATA"]).glob("*.txt"))
    vocab = Vocab(whole := "".join(file.read_text(encoding="utf-8") for file in files))
    tokens = numpy.resize(vocab.encode(list(whole)), length)
    return changed(tokens, len(vocab), CHANGED), vocab


def changed(tokens: numpy.ndarray, vocab_size: int, share: float) -> numpy.ndarray:
    """The tokens with a share of them replaced by random ones."""
    rng = numpy.random.default_rng(0)
    return numpy.where(rng.random(len(tokens)) < share, rng.integers(1, vocab_size, len(tokens)), tokens)


def suffix_array(tokens: numpy.ndarray) -> numpy.ndarray:
    """The positions of all suffixes in sorted order, by prefix doubling (Manber and Myers, 1993).

    The first round sorts by as many tokens as 63 bits hold; each further one only what is not in order yet.
    """
    bits = int(tokens.max() + 1).bit_length()
    known = 63 // bits
    padded = numpy.concatenate([tokens.astype("int64") + 1, numpy.zeros(known, dtype="int64")])
    keys = numpy.zeros(len(tokens), dtype="int64")
    for i in range(known):
        keys = keys << bits | padded[i:i + len(tokens)]
    order = numpy.argsort(keys)
    begins = numpy.append(True, numpy.diff(keys[order]) != 0)
    rank = numpy.full(len(tokens) + 1, -1)
    while True:
        starts = numpy.flatnonzero(begins)
        rank[order] = starts[numpy.cumsum(begins) - 1]
        left = numpy.flatnonzero(~(begins & numpy.append(begins[1:], True)))
        if not len(left):
            return order
        suffixes = order[left]
        keys = rank[suffixes] << 32 | rank[numpy.minimum(suffixes + known, len(tokens))] + 1
        sort = numpy.argsort(keys)
        order[left] = suffixes[sort]
        begins = numpy.ones(len(tokens), dtype=bool)
        begins[left] = numpy.append(True, numpy.diff(keys[sort]) != 0)
        known *= 2


def contained(order: numpy.ndarray, tokens: numpy.ndarray, ngrams: numpy.ndarray) -> numpy.ndarray:
    """Whether each n-gram, (Q, n), stands in the tokens: a binary search of all of them at once in the suffix array."""
    n = ngrams.shape[1]
    windows = numpy.lib.stride_tricks.sliding_window_view(numpy.append(tokens, [-1] * n), n)
    low, high = numpy.zeros(len(ngrams), dtype="int64"), numpy.full(len(ngrams), len(order))
    rows = numpy.arange(len(ngrams))
    while (low < high).any():
        middle = (low + high) // 2
        found = windows[order[numpy.minimum(middle, len(order) - 1)]]
        first = numpy.argmax(found != ngrams, axis=1)
        less = (found[rows, first] < ngrams[rows, first]) & (low < high)
        low, high = numpy.where(less, middle + 1, low), numpy.where(less | (low >= high), high, middle)
    return (windows[order[numpy.minimum(low, len(order) - 1)]] == ngrams).all(axis=1)


def timed(name: str, call: Callable[[], Any], unit: str = "s", per: float = 1) -> Any:
    """Call and print a row of the table; return the result."""
    began = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - began
    print(f"| {name} | {seconds / per:.2f} {unit} |", flush=True)
    return result


def main() -> None:
    """Print a table."""
    length = int(float(sys.argv[1] if len(sys.argv) > 1 else 20) * 1e6)
    tokens, vocab = text_of(length)
    asked = changed(tokens[length // 2:][:QUERIES], len(vocab), 0.05)
    print(f"{length:,} characters, {len(vocab)} different ones\n\n| what | time |\n|---|---|")
    order = timed("suffix array in NumPy: building", lambda: suffix_array(tokens))
    for n in (12, 20):
        index = timed(f"hashes of {n}-grams: building", lambda n=n: NgramIndex(tokens.astype("int16"), n))
        ngrams = numpy.lib.stride_tricks.sliding_window_view(asked, n)
        found = timed(f"hashes: {QUERIES:,} {n}-grams", lambda index=index: index.first(asked)) >= 0
        expected = timed(f"suffix array: {QUERIES:,} {n}-grams", lambda ngrams=ngrams: contained(order, tokens, ngrams))
        assert (found == expected).all()
    training = TrainingText(tokens.astype("int32"), vocab, asked)
    training.report([asked[:100]])
    timed("report of 1,000 characters, with the indices", lambda: training.report([asked[:1000]]), "ms", 1e-3)
    model = RNNLM(GRU(64, 2), len(vocab))
    for limit in (None, training.limit(12)):
        text = Continuation(model, vocab, no_copy=limit)
        text.read("it was")
        "".join(text.write(100))
        timed(f"generated character, GRU 2 x 64, {'no more than 12 copied' if limit else 'no limit'}",
              lambda text=text: "".join(text.write(2000)), "us", 2000 / 1e6)


if __name__ == "__main__":
    main()
