"""Reference implementation of sampling in NumPy, one token at a time, for tests of `gluon_deeprnn.generation`."""

import numpy


def sample(logits, temperature, top_k, rng):
    """Sample an index with probability softmax(logits / temperature), from the ``top_k`` largest if that is not 0.

    It is the argmax of the scaled logits plus Gumbel noise (the Gumbel-max trick): one random number per logit.
    """
    if temperature == 0:
        return int(logits.argmax())
    noise = rng.gumbel(size=logits.shape)
    if 0 < top_k < len(logits):
        smallest = numpy.partition(logits, -top_k)[-top_k]
        logits = numpy.where(logits >= smallest, logits, -numpy.inf)
    return int((logits / temperature + noise).argmax())


def generated(read, state, vocab, indices, length, temperature, top_k, rng):
    """Generate ``length`` tokens after ``indices``, with the state carried.

    ``read(indices, state)`` returns the logits of the token after the last one, (V,), and the next state.
    """
    text = ""
    for _ in range(length):
        logits, state = read(indices, state)
        logits = logits.astype("float64")
        logits[vocab.unknown_index] = -numpy.inf
        indices = numpy.array([sample(logits, temperature, top_k, rng)])
        text += "".join(vocab.text(indices[:1]))
    return text
