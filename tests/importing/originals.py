"""Makes old models of MXNet with random parameters, and writes them and what they compute: run it with a folder."""

import json
from pathlib import Path
import sys

import gluon_deeprnn.runtime  # noqa: F401  (lets MXNet and gluonnlp work with this version of NumPy)
import gluonnlp
import mxnet as mx
from mxnet import gluon, npx
import numpy

V, H, LAYERS, STEPS = 7, 5, 2, 9
TOKENS = numpy.random.default_rng(1).integers(0, V, (STEPS, 2))


class Model(gluon.HybridBlock):
    """As in the book's first editions: one-hot vectors, or an embedding, recurrent layers, a dense layer."""

    def __init__(self, layers, embedding=0, **options):
        super().__init__(**options)
        self.embedding = gluon.nn.Embedding(V, embedding) if embedding else None
        self.rnn = layers
        self.dense = gluon.nn.Dense(V, flatten=False)

    def hybrid_forward(self, F, tokens):
        inputs = F.one_hot(tokens, V) if self.embedding is None else self.embedding(tokens)
        return self.dense(self.rnn(inputs))


class OfCells(Model):
    """The same on cells, unrolled."""

    def hybrid_forward(self, F, tokens):
        outputs, _ = self.rnn.unroll(STEPS, F.one_hot(tokens, V), layout="TNC", merge_outputs=True)
        return self.dense(outputs)


def drawn(block):
    """Initialize a block so that no parameter is 0."""
    block.initialize(mx.init.Normal(0.5))
    block(mx.nd.array(TOKENS))
    draw = numpy.random.default_rng(2)
    for parameter in block.collect_params().values():
        parameter.set_data(mx.nd.array(draw.normal(0, 0.5, parameter.shape)))
    return block


def cells(kind):
    stack = gluon.rnn.HybridSequentialRNNCell()
    for _ in range(LAYERS):
        stack.add(kind(H))
    return stack


def of_gluon(folder):
    """By ``save_parameters``, ``collect_params().save`` and ``export``."""
    models = {
        "rnn": Model(gluon.rnn.RNN(H, LAYERS, activation="tanh")), "relu": Model(gluon.rnn.RNN(H, LAYERS)),
        "lstm": Model(gluon.rnn.LSTM(H, LAYERS)), "gru": Model(gluon.rnn.GRU(H, LAYERS), embedding=3),
        "cells-relu": OfCells(cells(lambda size: gluon.rnn.RNNCell(size, activation="relu"))),
        "cells-lstm": OfCells(cells(gluon.rnn.LSTMCell)), "cells-gru": OfCells(cells(gluon.rnn.GRUCell)),
        "deep": Model(gluon.rnn.GRU(H, 8), embedding=H)}
    for name, model in models.items():
        drawn(model)
        numpy.save(folder / f"{name}.npy", model(mx.nd.array(TOKENS)).asnumpy())
        model.save_parameters(str(folder / f"{name}.params"))
        model.collect_params().save(str(folder / f"{name}-collected.params"))
        model.hybridize()
        model(mx.nd.array(TOKENS))
        model.export(str(folder / name))


def of_gluonnlp(folder):
    """The language models of gluonnlp: ``StandardRNN``, tied, and ``AWDRNN``."""
    for name, model in {
            "standard": gluonnlp.model.StandardRNN("lstm", V, H, H, LAYERS, dropout=0.3, tie_weights=True),
            "standard-gru": gluonnlp.model.StandardRNN("gru", V, 3, H, LAYERS, 0.0, False),
            "awd": gluonnlp.model.train.AWDRNN("lstm", V, H, H, LAYERS, tie_weights=True, weight_drop=0.2)}.items():
        model.initialize(mx.init.Normal(0.5))
        state = model.begin_state(batch_size=2, func=mx.nd.zeros)
        found = model(mx.nd.array(TOKENS), state)[0]
        draw = numpy.random.default_rng(3)
        for parameter in model.collect_params().values():
            parameter.set_data(mx.nd.array(draw.normal(0, 0.5, parameter.shape)))
        found = model(mx.nd.array(TOKENS), state)[0]
        numpy.save(folder / f"{name}.npy", found.asnumpy().reshape(STEPS, 2, V))
        model.save_parameters(str(folder / f"{name}.params"))


def of_symbols(folder):
    """The cells of ``mx.rnn`` in a Module, and their fused kind; ``save_rnn_checkpoint`` stores an array per gate."""
    kinds = {"symbol-lstm": lambda prefix: mx.rnn.LSTMCell(H, prefix=prefix),
             "symbol-gru": lambda prefix: mx.rnn.GRUCell(H, prefix=prefix),
             "symbol-relu": lambda prefix: mx.rnn.RNNCell(H, "relu", prefix=prefix)}
    for name, kind in kinds.items():
        stack = mx.rnn.SequentialRNNCell()
        for i in range(LAYERS):
            stack.add(kind(f"{name[7:]}_l{i}_"))
        write_symbol(folder, name, stack)
    write_symbol(folder, "symbol-fused", mx.rnn.FusedRNNCell(H, LAYERS, "lstm", prefix="lstm_"))


def write_symbol(folder, name, cell):
    data = mx.sym.Variable("data")  # (N, T)
    embedded = mx.sym.Embedding(data, input_dim=V, output_dim=3, name="embed")
    outputs, _ = cell.unroll(STEPS, embedded, layout="NTC", merge_outputs=True)
    scores = mx.sym.FullyConnected(mx.sym.Reshape(outputs, shape=(-1, H)), num_hidden=V, name="pred")
    shapes = {"data": (2, STEPS)}
    draw, arguments = numpy.random.default_rng(4), {}
    states = [each for each in scores.list_arguments() if "begin_state" in each]
    shapes.update(dict.fromkeys(states, (LAYERS, 2, H) if "fused" in name else (2, H)))
    for each, shape in zip(scores.list_arguments(), scores.infer_shape(**shapes)[0]):
        if each not in shapes:
            arguments[each] = mx.nd.array(draw.normal(0, 0.5, shape))
    given = {**arguments, "data": mx.nd.array(TOKENS.T), **{each: mx.nd.zeros(shapes[each]) for each in states}}
    found = scores.bind(mx.cpu(), given).forward()[0].asnumpy().reshape(2, STEPS, V)
    numpy.save(folder / f"{name}.npy", found.transpose(1, 0, 2))
    mx.model.save_checkpoint(str(folder / name), 1, scores, arguments, {})
    if "fused" not in name:
        mx.rnn.save_rnn_checkpoint([cell], str(folder / f"{name}-gates"), 1, scores, arguments, {})


if __name__ == "__main__":
    npx.reset_np()
    where = Path(sys.argv[1])
    numpy.save(where / "tokens.npy", TOKENS.astype("int32"))
    (where / "vocab.json").write_text(json.dumps(["<unk>", *"abcdef"]))
    of_gluon(where)
    of_gluonnlp(where)
    of_symbols(where)
