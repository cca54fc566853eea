"use strict";
// What one sees and does on the page.  Texts of the model and of the reader become text nodes only, never markup.

const WORDS = {
  en: {
    prefix: "The beginning of the text", temperature: "Temperature", topK: "Top k (0: all)", length: "Tokens", write: "Write",
    more: "Go on", stop: "Stop", writing: "writing …", loading: "reading the model …",
    speed: (rate) => `${rate} tokens per second`, unknown: (list) => `not in the vocabulary, skipped: ${list}`,
    empty: "Type at least one token that the model knows.",
    legend: "Darker background: the token was more surprising. Dotted line: from 4 bits; double line: from 7 bits. Bold: typed. "
      + "Touch a token, or move with the arrow keys, to see what else was likely.",
    states: "The hidden states of the last tokens: a strip for each layer, from the first layer at the top; a row for each hidden unit, "
      + "a column for each token. Blue below zero, red above; the brighter, the nearer to -1 or 1.",
    statesOf: (layers, units, tokens) => `Hidden states: ${layers} layers of ${units} units, for the last ${tokens} tokens.`,
    bits: (bits) => `${bits} bits`, first: "the first token: nothing predicts it", mean: (bits, count) => `${bits} bits per token over ${count} tokens`,
    leftOut: (count, share) => ` without ${count} unknown ones (${share}%)`,
    about: (about) => `${about.kinds}; ${about.layers.length} ${about.layers.length > 1 ? "layers" : "layer"} of ${about.num_hiddens} hidden units; `
      + `${about.tokens.length} tokens in the vocabulary; ${about.parameters} parameters as ${about.dtype}${about.loss}.`,
    loss: (found) => ` (${found.exact} bits per character with float32, ${found.stored} as stored)`,
    cells: { lstm: "LSTM", gru: "GRU", gru_reset_before: "GRU that resets before the product", mgu: "minimal gated unit" },
    rnn: (activation) => `${activation} RNN`,
  },
  ko: {
    prefix: "텍스트의 시작 부분", temperature: "온도", topK: "상위 k개(0: 모두)", length: "토큰 수", write: "쓰기", more: "이어 쓰기",
    stop: "멈추기", writing: "쓰는 중 …", loading: "모델을 읽는 중 …", speed: (rate) => `초당 토큰 ${rate}개`,
    unknown: (list) => `어휘에 없어 건너뜀: ${list}`, empty: "모델이 아는 토큰을 하나 이상 입력하세요.",
    legend: "배경이 진할수록 모델이 예상하지 못한 토큰입니다. 점선은 4비트 이상, 이중선은 7비트 이상, 굵은 글씨는 입력한 글입니다. "
      + "토큰을 누르거나 화살표 키로 옮기면 그 자리에서 가능성이 컸던 다른 토큰을 볼 수 있습니다.",
    states: "최근 토큰의 은닉 상태: 맨 위가 첫 번째 은닉층이고, 층마다 띠가 하나, 은닉 유닛마다 행이 하나, 토큰마다 열이 하나입니다. 파란색은 음수, "
      + "빨간색은 양수이며, 밝을수록 -1 또는 1에 가깝습니다.",
    statesOf: (layers, units, tokens) => `은닉 상태: 은닉층 ${layers}개, 유닛 ${units}개, 최근 토큰 ${tokens}개.`,
    bits: (bits) => `${bits}비트`, first: "첫 토큰은 예측할 수 없습니다", mean: (bits, count) => `토큰 ${count}개의 평균 ${bits}비트`,
    leftOut: (count, share) => ` (미등록 토큰 ${count}개 제외, ${share}%)`,
    about: (about) => `${about.kinds}; 은닉층 ${about.layers.length}개, 은닉 유닛 ${about.num_hiddens}개; 어휘의 토큰 `
      + `${about.tokens.length}개; 파라미터 ${about.parameters}개(${about.dtype})${about.loss}.`,
    loss: (found) => ` (float32로 문자당 ${found.exact}비트, 저장된 값으로 ${found.stored}비트)`,
    cells: { lstm: "장단기 메모리(LSTM)", gru: "게이트 순환 유닛(GRU)", gru_reset_before: "곱하기 전에 리셋하는 게이트 순환 유닛(GRU)",
      mgu: "최소 게이트 유닛(MGU)" },
    rnn: (activation) => `${activation} 순환 신경망(RNN)`,
  },
};
const ODD = 4, VERY = 7;  // bits
const NUM_LIKELY = 6, NUM_COLUMNS = 160, FRAME_MS = 30;

const element = (id) => document.getElementById(id);
const about = JSON.parse(element("model-about").textContent);
const bytes = Uint8Array.from(atob(element("model-arrays").textContent.trim()), (each) => each.charCodeAt(0));
const model = new LanguageModel(about, readArrays(about.arrays, bytes));
let words = WORDS.en, history = [], skipped = 0, running = false, chosen = -1;

// What is visible of white space in the list of likely tokens.
const shown = (token) => ({ " ": "␣", "\n": "⏎", "\t": "⇥" }[token] || token.replace(/^ /, "␣"));

function say() {
  words = WORDS[element("language").value];
  document.documentElement.lang = element("language").value;
  for (const each of document.querySelectorAll("[data-say]")) each.textContent = words[each.dataset.say];
  element("title").textContent = document.title = about.title;
  const loss = about.loss ? words.loss(about.loss) : "";
  const kinds = [...new Set(about.layers)].map((cell) => words.cells[cell] || words.rnn(cell.slice(4))).join(", ");
  element("about").textContent = words.about({ ...about, loss, kinds });
  drawStates();
  choose(chosen);
}

// Reads one token: what it was predicted with, and the state after it.
function read(index, text, given) {
  const before = history.length ? history[history.length - 1] : null;
  const logP = before && before.logP;
  if (before) before.logits = null;
  const step = model.step(before ? before.state : model.begin(), index);
  const entry = { index, text, given, predicted: logP, bits: logP ? -logP[index] / Math.LN2 : null,
    state: step.state, logits: step.logits, logP: logProbabilities(step.logits) };
  if (before && history.length > NUM_COLUMNS) history[history.length - NUM_COLUMNS].state = null;
  history.push(entry);
  return entry;
}

function append(entry, place) {
  const span = document.createElement("span");
  span.textContent = entry.text;
  span.setAttribute("role", "option");
  span.dataset.place = place;
  if (entry.given) span.classList.add("given");
  if (entry.unknown) span.classList.add("unknown");
  if (entry.bits !== null && entry.bits !== undefined) {
    span.style.backgroundColor = `rgba(var(--mark), ${Math.min(entry.bits / 10, 0.85)})`;
    if (entry.bits >= VERY) span.classList.add("very");
    else if (entry.bits >= ODD) span.classList.add("odd");
  }
  element("text").append(span);
}

function choose(place) {
  const spans = element("text").children;
  if (chosen >= 0 && spans[chosen]) spans[chosen].removeAttribute("aria-selected");
  chosen = place;
  element("detail").replaceChildren();
  if (place < 0 || !spans[place]) return;
  spans[place].setAttribute("aria-selected", "true");
  const entry = history[place], line = document.createElement("p");
  line.textContent = `${shown(entry.text)}: ${entry.bits === null ? words.first : words.bits(entry.bits.toFixed(2))}`;
  element("detail").append(line);
  if (!entry.predicted) return;
  const likely = Array.from(entry.predicted.keys()).sort((a, b) => entry.predicted[b] - entry.predicted[a]).slice(0, NUM_LIKELY);
  const table = document.createElement("table");
  for (const index of likely) {
    const row = table.insertRow(), p = Math.exp(entry.predicted[index]);
    if (index === entry.index) row.className = "chosen";
    row.insertCell().textContent = shown(about.shown[index]);
    row.insertCell().textContent = `${(100 * p).toFixed(1)}%`;
    const bar = row.insertCell(), filled = document.createElement("div");
    bar.className = "bar";
    filled.style.width = `${(100 * p).toFixed(1)}%`;
    bar.append(filled);
  }
  element("detail").append(table);
}

function drawStates() {
  const canvas = element("states"), last = history.slice(-NUM_COLUMNS).filter((entry) => entry.state);
  const units = Math.min(about.num_hiddens, Math.max(4, Math.floor(96 / about.layers.length)));
  canvas.width = NUM_COLUMNS;
  canvas.height = about.layers.length * (units + 1);
  canvas.setAttribute("aria-label", words.statesOf(about.layers.length, units, last.length));
  const style = getComputedStyle(document.documentElement), context = canvas.getContext("2d");
  const [low, middle, high] = ["--low", "--middle", "--high"].map((name) => style.getPropertyValue(name).trim().match(/\w\w/g)
    .map((each) => parseInt(each, 16)));
  const image = context.createImageData(canvas.width, canvas.height);
  last.forEach((entry, column) => entry.state.forEach(({ h }, layer) => {
    for (let unit = 0; unit < units; unit++) {
      const value = Math.max(-1, Math.min(1, h[unit])), end = value < 0 ? low : high, share = Math.abs(value);
      const at = 4 * ((layer * (units + 1) + unit) * canvas.width + column);
      for (let k = 0; k < 3; k++) image.data[at + k] = middle[k] + share * (end[k] - middle[k]);
      image.data[at + 3] = 255;
    }
  }));
  context.putImageData(image, 0, 0);
}

function report(extra = "") {
  const counted = history.filter((entry) => entry.bits !== null);
  const mean = counted.reduce((sum, entry) => sum + entry.bits, 0) / counted.length;
  const leftOut = skipped ? words.leftOut(skipped, (100 * skipped / (skipped + history.length)).toFixed(1)) : "";
  const said = counted.length ? words.mean(mean.toFixed(2), counted.length) + leftOut : "";
  element("status").textContent = [extra, said].filter(Boolean).join("; ");
}

function begin() {
  history = [];
  element("text").replaceChildren();
  choose(-1);
  const parts = model.encode(element("prefix").value), unknown = [];
  if (about.begin !== null) read(about.begin, "", true);
  for (const part of parts) {
    if (part.index < 0) unknown.push(part.text);
    else read(part.index, part.text, true);
  }
  skipped = unknown.length;
  history.forEach(append);
  drawStates();
  if (!history.length) element("status").textContent = words.empty;
  else report(unknown.length ? words.unknown(Array.from(new Set(unknown)).map(shown).join(" ")) : "");
  return history.length > 0;
}

async function write() {
  running = true;
  setButtons();
  const temperature = Number(element("temperature").value), topK = Math.max(0, Math.floor(Number(element("top-k").value) || 0));
  const never = new Set(about.special.filter((index) => index !== about.end));
  let left = Math.max(1, Math.floor(Number(element("length").value) || 1)), written = 0, computing = 0;
  const decoder = about.kind === "byte" ? new TextDecoder() : null;
  element("status").textContent = words.writing;
  while (running && left > 0) {
    const start = performance.now(), first = history.length;
    while (running && left > 0 && performance.now() - start < FRAME_MS) {
      const token = sample(history[history.length - 1].logits, temperature, topK, never);
      left -= 1;
      if (token === about.end) { left = 0; break; }
      const text = decoder ? decoder.decode(Uint8Array.of(parseInt(about.tokens[token], 16)), { stream: true }) : about.shown[token];
      read(token, text, false);
      written += 1;
    }
    computing += performance.now() - start;
    const box = element("text"), atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 40;
    for (let place = first; place < history.length; place++) append(history[place], place);
    if (atEnd) box.scrollTop = box.scrollHeight;
    drawStates();
    await new Promise((resolve) => setTimeout(resolve));
  }
  running = false;
  setButtons();
  report(written ? words.speed(Math.round(1000 * written / computing).toLocaleString("en")) : "");
}

function setButtons() {
  element("write").disabled = running;
  element("more").disabled = running || !history.length;
  element("stop").disabled = !running;
}

element("write").addEventListener("click", () => { if (begin()) write(); else setButtons(); });
element("more").addEventListener("click", write);
element("stop").addEventListener("click", () => { running = false; });
element("language").addEventListener("change", say);
element("temperature").addEventListener("input", () => { element("degrees").textContent = element("temperature").value; });
element("prefix").addEventListener("change", () => { if (!running) { begin(); setButtons(); } });
element("prefix").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !running && begin()) write();
});
element("text").addEventListener("click", (event) => {
  const span = event.target.closest("span");
  if (span) choose(Number(span.dataset.place));
});
element("text").addEventListener("keydown", (event) => {
  const moves = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };
  if (!(event.key in moves) || !history.length) return;
  event.preventDefault();
  choose(Math.max(0, Math.min(history.length - 1, Math.max(chosen, 0) + moves[event.key])));
  element("text").children[chosen].scrollIntoView({ block: "nearest" });
});
document.addEventListener("keydown", (event) => { if (event.key === "Escape") running = false; });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawStates);

element("language").value = (navigator.language || "en").startsWith("ko") ? "ko" : "en";
element("prefix").value = about.prefix;
say();
begin();
setButtons();
