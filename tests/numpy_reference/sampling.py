"""Reference implementation of sampling in NumPy, one token at a time, for tests of `gluon_deeprnn.generation`."""

import numpy


def filtered(logits, top_p=1, min_p=0):
    """Logits with -inf for the tokens that top_p and min_p exclude: one token after the other, by definition."""
    p = numpy.exp(logits - logits.max())
    if min_p:
        logits = numpy.where(p < min_p * p.max(), -numpy.inf, logits)
    p = numpy.exp(logits - logits.max())
    p /= p.sum()
    kept, total = [], 0.0
    for index in numpy.argsort(-p, kind="stable"):
        if top_p < 1 and total >= top_p:
            break
        kept.append(index)
        total += p[index]
    return numpy.where(numpy.isin(numpy.arange(len(p)), kept), logits, -numpy.inf)


def sample(logits, temperature, top_k, rng, top_p=1, min_p=0):
    """Sample an index with probability softmax(logits / temperature), from the ``top_k`` largest if that is not 0.

    It is the argmax of the scaled logits plus Gumbel noise (the Gumbel-max trick): one random number per logit.
    """
    if temperature == 0:
        return int(logits.argmax())
    noise = rng.gumbel(size=logits.shape)
    if 0 < top_k < len(logits):
        smallest = numpy.partition(logits, -top_k)[-top_k]
        logits = numpy.where(logits >= smallest, logits, -numpy.inf)
    return int((filtered(logits / temperature, top_p, min_p) + noise).argmax())


def generated(read, state, vocab, indices, length, temperature, top_k, rng, top_p=1, min_p=0, repetition_penalty=1):
    """Generate ``length`` tokens after ``indices``, with the state carried.

    ``read(indices, state)`` returns the logits of the token after the last one, (V,), and the next state.
    """
    text, seen = "", set(indices.tolist())
    for _ in range(length):
        logits, state = read(indices, state)
        logits = logits.astype("float64")
        for token in seen:
            logits[token] *= 1 / repetition_penalty if logits[token] > 0 else repetition_penalty
        logits[vocab.unknown_index] = -numpy.inf
        indices = numpy.array([sample(logits, temperature, top_k, rng, top_p, min_p)])
        seen.add(int(indices[0]))
        text += "".join(vocab.text(indices[:1]))
    return text
