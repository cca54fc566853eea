"""Train with flax and optax, jit-compiled, as a careful user writes it: usage jax_peer.py JOB.json."""

import json
import sys

from epochs import serve
import flax.linen as nn
import jax
from jax import numpy as jnp
import numpy
import optax

CELLS = {"gru": nn.GRUCell, "lstm": nn.OptimizedLSTMCell, "rnn": nn.SimpleCell}


class Model(nn.Module):
    """One-hot tokens, two layers of 32 hidden units, a linear layer."""

    cell: str
    size: int

    @nn.compact
    def __call__(self, tokens):
        """Scores, (T, N, V)."""
        outputs = jax.nn.one_hot(tokens, self.size)
        for _ in range(2):
            outputs = nn.RNN(CELLS[self.cell](32), time_major=True)(outputs)
        return nn.Dense(self.size)(outputs)


def main():
    """Train one epoch whenever asked."""
    job = json.loads(sys.argv[1])
    tokens = numpy.load(job["tokens"]).astype("int32")
    windows = numpy.lib.stride_tricks.sliding_window_view(tokens, 33)
    model = Model(job["cell"], job["vocab_size"])
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(2.0))
    parameters = model.init(jax.random.key(0), jnp.zeros((32, 1), "int32"))
    state = optimizer.init(parameters)

    def loss(parameters, block):
        scores = model.apply(parameters, block[:-1])
        return optax.softmax_cross_entropy_with_integer_labels(scores, block[1:]).mean()

    @jax.jit
    def train(parameters, state, block):
        mean, gradients = jax.value_and_grad(loss)(parameters, block)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(parameters, updates), state, mean

    evaluate, rng = jax.jit(loss), numpy.random.default_rng(0)

    def epoch():
        nonlocal parameters, state
        means, order = [], rng.permutation(10000)
        for i in range(0, 10000, 1024):
            block = numpy.ascontiguousarray(windows[order[i:i + 1024]].T)
            parameters, state, mean = train(parameters, state, block)
            means.append((mean, block.shape[1]))
        vals = []
        for i in range(10000, 15000, 1024):
            block = numpy.ascontiguousarray(windows[i:min(i + 1024, 15000)].T)
            vals.append((evaluate(parameters, block), block.shape[1]))
        return [float(numpy.exp(sum(float(m) * n for m, n in part) / sum(n for _, n in part)))
                for part in (means, vals)]

    serve(epoch)


if __name__ == "__main__":
    main()
