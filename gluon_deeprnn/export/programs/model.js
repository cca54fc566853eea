"use strict";
// A recurrent language model in plain JavaScript: its cells, the layers around them, and its vocabulary.
//
// An array of weights is a Float32Array, row by row.  A state is one object per layer, {h, c}, of hidden state and cell
// state; only an LSTM has the latter.  Everything computed is a Float64Array: with arguments of more than one kind, an
// engine's compiled product is 2.5 times slower.

const ACTIVATIONS = {
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softsign: (x) => x / (1 + Math.abs(x)),
  softrelu: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
};
const sigmoid = ACTIVATIONS.sigmoid;

// Rows first to end of a matrix with as many columns as x, times x, plus a bias.  Four rows at a time, since a sum waits
// for each of its additions.
function product(matrix, x, bias, first = 0, end = bias.length) {
  const y = new Float64Array(end - first), n = x.length;
  let row = first;
  for (; row + 4 <= end; row += 4) {
    let a = bias[row], b = bias[row + 1], c = bias[row + 2], d = bias[row + 3];
    for (let i = 0, at = row * n; i < n; i++, at++) {
      const each = x[i];
      a += matrix[at] * each;
      b += matrix[at + n] * each;
      c += matrix[at + 2 * n] * each;
      d += matrix[at + 3 * n] * each;
    }
    y.set([a, b, c, d], row - first);
  }
  for (; row < end; row++) {
    let sum = bias[row];
    for (let i = 0, at = row * n; i < n; i++) sum += matrix[at + i] * x[i];
    y[row - first] = sum;
  }
  return y;
}

// Each function: the contribution x of the inputs to all gates, the layer's arrays, and the state before; the state after.
const CELLS = {
  rnn(x, layer, { h }, activation) {
    const u = product(layer.h2h_weight, h, layer.h2h_bias);
    return { h: u.map((each, i) => ACTIVATIONS[activation](x[i] + each)) };
  },
  lstm(x, layer, { h, c }) {  // gates i, f, c, o
    const u = product(layer.h2h_weight, h, layer.h2h_bias), n = h.length;
    const next = { h: new Float64Array(n), c: new Float64Array(n) };
    for (let i = 0; i < n; i++) {
      const gate = (k) => x[k * n + i] + u[k * n + i];
      next.c[i] = sigmoid(gate(1)) * c[i] + sigmoid(gate(0)) * Math.tanh(gate(2));
      next.h[i] = sigmoid(gate(3)) * Math.tanh(next.c[i]);
    }
    return next;
  },
  gru(x, layer, { h }) {  // gates r, z, h; the reset gate after the product
    const u = product(layer.h2h_weight, h, layer.h2h_bias), n = h.length;
    return { h: h.map((before, i) => {
      const r = sigmoid(x[i] + u[i]), z = sigmoid(x[n + i] + u[n + i]);
      return z * before + (1 - z) * Math.tanh(x[2 * n + i] + r * u[2 * n + i]);
    }) };
  },
  gru_reset_before(x, layer, { h }) {
    const n = h.length, u = product(layer.h2h_weight, h, layer.h2h_bias, 0, 2 * n);
    const reset = h.map((before, i) => sigmoid(x[i] + u[i]) * before);
    const w = product(layer.h2h_weight, reset, layer.h2h_bias, 2 * n, 3 * n);
    return { h: h.map((before, i) => {
      const z = sigmoid(x[n + i] + u[n + i]);
      return z * before + (1 - z) * Math.tanh(x[2 * n + i] + w[i]);
    }) };
  },
  mgu(x, layer, { h }) {  // gates f, h
    const n = h.length, u = product(layer.h2h_weight, h, layer.h2h_bias, 0, n);
    const f = h.map((_, i) => sigmoid(x[i] + u[i]));
    const w = product(layer.h2h_weight, h.map((before, i) => f[i] * before), layer.h2h_bias, n, 2 * n);
    return { h: h.map((before, i) => (1 - f[i]) * before + f[i] * Math.tanh(x[n + i] + w[i])) };
  },
};

class LanguageModel {
  // about: what the page says of the model; arrays: those of the weights by name.
  constructor(about, arrays) {
    this.about = about;
    this.arrays = arrays;
    this.size = about.tokens.length;
    this.indices = new Map(about.tokens.map((token, i) => [token, i]));
    this.special = new Set(about.special);
    this.layers = about.layers.map((cell, i) => {
      const names = ["i2h_weight", "h2h_weight", "i2h_bias", "h2h_bias"];
      const layer = Object.fromEntries(names.map((name) => [name, arrays[`layer${i}.${name}`]]));
      const [kind, activation] = cell.startsWith("rnn_") ? ["rnn", cell.slice(4)] : [cell];
      return { ...layer, activation, cell: CELLS[kind] };
    });
  }

  begin() {
    const n = this.about.num_hiddens, of = (k, i) => {
      const first = this.arrays.first_state, at = (k * this.layers.length + i) * n;
      return Float64Array.from(first.subarray(at, at + n));
    };
    return this.layers.map((layer, i) => (layer.cell === CELLS.lstm ? { h: of(0, i), c: of(1, i) } : { h: of(0, i) }));
  }

  // The logits of the next token, and the state, after a token.
  step(state, token) {
    const about = this.about, outputs = [], next = [];
    let x = null;
    for (let i = 0; i < this.layers.length; i++) {
      const layer = this.layers[i], below = x;
      if (i && about.layer_norm) x = this.normalised(x, i);
      const given = i || about.embedding ? product(layer.i2h_weight, i ? x : this.embedded(token), layer.i2h_bias)
        : Float64Array.from(layer.i2h_bias).map((bias, row) => bias + layer.i2h_weight[row * this.size + token]);
      next.push(layer.cell(given, layer, state[i], layer.activation));
      x = next[i].h;
      if (i && about.residual) x = x.map((each, k) => each + below[k]);
      outputs.push(x);
    }
    if (about.skip) x = Float64Array.from(outputs.flatMap((each) => Array.from(each)));
    return { logits: product(this.arrays.output, x, this.arrays.bias), state: next };
  }

  embedded(token) {
    const size = this.about.embedding;
    return Float64Array.from(this.arrays.embedding.subarray(token * size, (token + 1) * size));
  }

  normalised(x, i) {
    const { [`norm${i}.gamma`]: gamma, [`norm${i}.beta`]: beta } = this.arrays;
    const mean = x.reduce((sum, each) => sum + each, 0) / x.length;
    const variance = x.reduce((sum, each) => sum + (each - mean) ** 2, 0) / x.length;
    return x.map((each, k) => ((each - mean) / Math.sqrt(variance + this.about.epsilon)) * gamma[k] + beta[k]);
  }

  // The tokens of a text, as {text, index}; index is -1 for what the model does not know.
  encode(text) {
    const { kind, cleaning, pattern } = this.about;
    const clean = CLEANINGS[cleaning] || ((each) => each);
    const parts = TOKENIZERS[kind](clean(text), pattern), known = (token) => this.indices.has(token);
    if (parts.length && !known(parts[0][0]) && known(` ${parts[0][0]}`)) parts[0][0] = ` ${parts[0][0]}`;
    return parts.map(([token, shown]) => {
      const index = this.indices.get(token);
      return { text: shown, index: index === undefined || this.special.has(index) ? -1 : index };
    });
  }
}

const CLEANINGS = {
  none: (text) => text.normalize("NFC"),
  d2l: (text) => text.replace(/[^A-Za-z]+/g, " ").toLowerCase(),
  unicode: (text) => text.normalize("NFC").toLowerCase().normalize("NFC").replace(/[^\p{L}\p{M}]+/gu, " "),
};

const hex = (byte) => byte.toString(16).padStart(2, "0");

// Each function: the tokens of a cleaned text, each with the text that it shows; `pattern` is an expression of the tokens.
const TOKENIZERS = {
  "char": (text) => Array.from(text, (each) => [each, each]),
  "word": (text) => text.split(/[\p{White_Space}\x1c-\x1f]+/u).filter(Boolean).map((each) => [each, ` ${each}`]),
  "word-unicode": (text, pattern) => (text.match(new RegExp(pattern, "gu")) || []).map((each) => [each, each]),
  "word-exact": (text) => {
    const found = text.match(
      / ?[\p{L}\p{N}_]+(?:['\u2019][\p{L}\p{N}_]+)*| ?[^\p{L}\p{N}_\p{White_Space}\x1c-\x1f]|[^]/gu);
    return (found || []).map((each) => [each, each]);
  },
  "byte": (text) => Array.from(text).flatMap((character) => Array.from(new TextEncoder().encode(character),
    (byte, i) => [hex(byte), i ? "" : character])),
};

// log p of all tokens, in nats, from logits.
function logProbabilities(logits) {
  let most = -Infinity, sum = 0;
  for (const each of logits) most = Math.max(most, each);
  for (const each of logits) sum += Math.exp(each - most);
  const log = most + Math.log(sum);
  return logits.map((each) => each - log);
}

// A token drawn from the topK most likely ones (0: all) at a temperature (0: the most likely one), none of `never`.
function sample(logits, temperature, topK, never, random = Math.random) {
  const order = Array.from(logits.keys()).filter((i) => !never.has(i)).sort((a, b) => logits[b] - logits[a]);
  if (!temperature) return order[0];
  const left = order.slice(0, topK || order.length);
  const weights = left.map((i) => Math.exp((logits[i] - logits[left[0]]) / temperature));
  let draw = random() * weights.reduce((sum, each) => sum + each, 0);
  for (let i = 0; i < left.length; i++) {
    draw -= weights[i];
    if (draw < 0) return left[i];
  }
  return left[left.length - 1];
}

// Arrays by name from bytes; about.arrays lists {name, size, dtype} in their order, for int8 with the size of a row.
function readArrays(list, bytes) {
  const found = {}, view = new DataView(bytes.buffer, bytes.byteOffset);
  let at = 0;
  for (const { name, size, dtype, row } of list) {
    const array = found[name] = new Float32Array(size);
    if (dtype === "int8") {  // a scale in float32 for each row, then the rows
      const scales = size / row;
      for (let i = 0; i < size; i++) {
        array[i] = view.getInt8(at + 4 * scales + i) * view.getFloat32(at + 4 * Math.floor(i / row), true);
      }
      at += 4 * scales + size;
    } else if (dtype === "float16") {
      for (let i = 0; i < size; i++, at += 2) array[i] = half(view.getUint16(at, true));
    } else {
      for (let i = 0; i < size; i++, at += 4) array[i] = view.getFloat32(at, true);
    }
  }
  return found;
}

// A number of 16 bits: a sign, 5 bits of exponent, 10 of mantissa.
function half(bits) {
  const exponent = (bits >> 10) & 31, mantissa = bits & 1023;
  const size = exponent ? 2 ** (exponent - 15) * (1 + mantissa / 1024) : 2 ** -14 * (mantissa / 1024);
  return bits >> 15 ? -size : size;
}
