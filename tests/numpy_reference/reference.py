"""Reference implementation of deep recurrent networks in NumPy: forward and backward pass in double precision.

A network is a list of layers; a layer is a dictionary of arrays with the names of the layers from scratch.  States are
lists of arrays, (L, N, H).
"""

import numpy

GATES = {"rnn": "h", "lstm": "ifco", "gru": "rzh", "gru-before": "rzh", "mgu": "fh"}


def sigmoid(x):
    return 1 / (1 + numpy.exp(-x))


def step(cell, w, x, h, c):
    """One step; return the new h and c, and the values for the backward pass."""
    a = {gate: x @ w[f"W_x{gate}"] + w[f"b_{gate}"] for gate in GATES[cell]}
    if cell == "rnn":
        new = numpy.tanh(a["h"] + h @ w["W_hh"])
        return new, c, (x, h, c, new)
    if cell == "lstm":
        i, f, o = (sigmoid(a[gate] + h @ w[f"W_h{gate}"]) for gate in "ifo")
        g = numpy.tanh(a["c"] + h @ w["W_hc"])
        new_c = f * c + i * g
        return o * numpy.tanh(new_c), new_c, (x, h, c, (i, f, o, g, new_c))
    if cell == "mgu":
        f = sigmoid(a["f"] + h @ w["W_hf"])
        n = numpy.tanh(a["h"] + (f * h) @ w["W_hh"])
        return (1 - f) * h + f * n, c, (x, h, c, (f, n))
    r, z = (sigmoid(a[gate] + h @ w[f"W_h{gate}"]) for gate in "rz")
    if cell == "gru":
        inner = h @ w["W_hh"] + w["b_hh"]
        n = numpy.tanh(a["h"] + r * inner)
    else:
        inner = r * h
        n = numpy.tanh(a["h"] + inner @ w["W_hh"])
    return z * h + (1 - z) * n, c, (x, h, c, (r, z, n, inner))


def step_back(cell, w, grads, saved, d_h, d_c):
    """Return the gradients of x, h and c from those of the new h and c; add those of the weights to ``grads``."""
    x, h, c, rest = saved
    d_h_old, d_c_old = numpy.zeros_like(h), d_c
    if cell == "rnn":
        d_a = {"h": d_h * (1 - rest ** 2)}
    elif cell == "lstm":
        i, f, o, g, new_c = rest
        t = numpy.tanh(new_c)
        d_c = d_c + d_h * o * (1 - t ** 2)
        d_a = {"i": d_c * g * i * (1 - i), "f": d_c * c * f * (1 - f), "o": d_h * t * o * (1 - o),
               "c": d_c * i * (1 - g ** 2)}
        d_c_old = d_c * f
    elif cell == "mgu":
        f, n = rest
        d_n = d_h * f * (1 - n ** 2)
        d_inner = d_n @ w["W_hh"].T
        grads["W_hh"] += (f * h).T @ d_n
        d_a = {"f": (d_h * (n - h) + d_inner * h) * f * (1 - f), "h": d_n}
        d_h_old = d_h * (1 - f) + d_inner * f
    else:
        r, z, n, inner = rest
        d_h_old = d_h * z
        d_n = d_h * (1 - z) * (1 - n ** 2)
        d_a = {"z": d_h * (h - n) * z * (1 - z), "h": d_n}
        if cell == "gru":
            d_inner, d_r = d_n * r, d_n * inner
            grads["b_hh"] += d_inner.sum(axis=0)
            grads["W_hh"] += h.T @ d_inner
            d_h_old = d_h_old + d_inner @ w["W_hh"].T
        else:
            d_inner = d_n @ w["W_hh"].T
            grads["W_hh"] += inner.T @ d_n
            d_r = d_inner * h
            d_h_old = d_h_old + d_inner * r
        d_a["r"] = d_r * r * (1 - r)
    d_x = numpy.zeros_like(x)
    for gate, d in d_a.items():
        grads[f"W_x{gate}"] += x.T @ d
        grads[f"b_{gate}"] += d.sum(axis=0)
        d_x += d @ w[f"W_x{gate}"].T
        if not (cell in ("gru", "gru-before", "mgu") and gate == "h"):
            grads[f"W_h{gate}"] += h.T @ d
            d_h_old = d_h_old + d @ w[f"W_h{gate}"].T
    return d_x, d_h_old, d_c_old


def forward_and_backward(cell, layers, x, state, d_outputs, d_last):
    """Return outputs, last state, and the gradients of the weights by layer, of x and of the state."""
    layers = [{name: w.astype("float64") for name, w in layer.items()} for layer in layers]
    x, state = x.astype("float64"), [s.astype("float64") for s in state]
    outputs, saved, last = x, [], []
    for layer, w in enumerate(layers):
        h, c = state[0][layer], state[-1][layer]
        steps, kept = [], []
        for x_t in outputs:
            h, c, rest = step(cell, w, x_t, h, c)
            steps.append(h)
            kept.append(rest)
        outputs = numpy.stack(steps)
        saved.append(kept)
        last.append([h, c][:len(state)])
    grads = [{name: numpy.zeros_like(array) for name, array in w.items()} for w in layers]
    d_out, d_state = d_outputs.astype("float64"), [numpy.zeros_like(s) for s in state]
    for layer in reversed(range(len(layers))):
        d_h = d_last[0][layer].astype("float64")
        d_c = d_last[1][layer].astype("float64") if cell == "lstm" else numpy.zeros_like(d_h)
        d_in = numpy.zeros((len(x), x.shape[1], layers[layer]["W_xh" if cell != "lstm" else "W_xi"].shape[0]))
        for t in reversed(range(len(x))):
            d_in[t], d_h, d_c = step_back(cell, layers[layer], grads[layer], saved[layer][t], d_h + d_out[t], d_c)
        for array, d in zip(d_state, (d_h, d_c)):
            array[layer] = d
        d_out = d_in
    return outputs, [numpy.stack(s) for s in zip(*last)], grads, d_out, d_state
