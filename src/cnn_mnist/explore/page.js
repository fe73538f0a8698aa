"use strict";
/* The page: runs one picture through the network and updates every part of the page. */

const STAGES = {
  // columns on a wide and on a narrow page
  input: [1, 1], conv1: [4, 4], pool1: [8, 4], conv2: [8, 4], conv3: [8, 6], pool2: [12, 8],
  fc1: [25, 10], fc2: [10, 10],
};
const NARROW = 480; // CSS px of a stage's width
const element = (id) => document.getElementById(id);
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}%`;
/** A probability that is never quite 0 or 1. */
const chance = (share) =>
  share > 0.999 ? "over 99.9%" : share < 0.001 ? "under 0.1%" : percent(share, 1);
const number = (value) => value.toFixed(2).replace("-", "−");
const BLANK = new Uint8Array(SIDE * SIDE);

/** What is currently shown; `run` is computed from the rest. */
const state = {
  image: BLANK, // 784 bytes
  truth: null, // the label of a picture from the test set
  epoch: 0, // an index into model.epochs
  cell: { name: "conv1", map: 0, y: 13, x: 13 },
  mistake: -1, // which of the mistakes is shown
  held: false, // the selected cell stays, wherever the pointer goes
  run: null,
  network: null,
};
let model = null; // the result of unpack
let pad = null;
const grids = {}; // by the id of their canvas
let waiting = false;

async function open() {
  scale.read();
  model = await unpack(MODEL);
  state.epoch = model.epochs.length - 1;
  for (const [name, { channels, side }] of Object.entries(LAYERS)) {
    grids[name] = new Grid(element(name), channels, side, STAGES[name][0]);
    pointAt(name);
  }
  grids.for = new Grid(element("for"), 1, SIDE, 1);
  grids.against = new Grid(element("against"), 1, SIDE, 1);
  grids.filters1 = new Grid(element("filters1"), 8, KERNEL, 8);
  grids.filters2 = new Grid(element("filters2"), 128, KERNEL, 16);
  grids.mistakes = new Grid(element("mistakes"), model.mistakes.length, SIDE, 12);
  panel.open();
  pad = new Pad(element("pad"), drawn, announce);
  element("clear").addEventListener("click", () => pad.write([]));
  element("undo").addEventListener("click", () => pad.undo());
  openAnswer();
  openEpochs();
  openExamples();
  openMistakes();
  describeRun();
  new ResizeObserver(fit).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", fit);
  fit();
  show(model.examples[3]);
  state.cell = strongestCell("conv1");
  paintAll();
  document.body.dataset.ready = "";
}

/** Repaint everything, also what depends only on the epoch or the window. */
function paintAll() {
  grids.input.fill(state.image, 255);
  renderEpoch();
  grids.mistakes.paint(model.mistakes.flatMap(({ image }) => [...image]), 255);
  render();
}

/** Adapt to the window's current size and colours. */
function fit() {
  scale.read();
  for (const [name, grid] of Object.entries(grids)) {
    const wide = grid.canvas.parentElement.clientWidth > NARROW;
    if (STAGES[name]) grid.fit(STAGES[name][wide ? 0 : 1]);
    else if (name === "mistakes") grid.fit(wide ? 12 : 7);
    else grid.fit();
  }
  panel.where.fit();
  if (state.run) paintAll();
  pad.fit();
}

// --- the picture ---

/** The strokes have changed: update before the next frame is drawn. */
function drawn() {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => {
    waiting = false;
    const image = frameOf(pad.coverage(), PAD, PAD);
    if (!image && pad.backdrop) return;
    state.image = image ?? BLANK;
    state.truth = null;
    chooseMistake(-1);
    render();
  });
}

/** Run a picture from the test set through the network. */
function show({ image, label }, mistake = -1) {
  state.image = image;
  state.truth = label;
  chooseMistake(mistake);
  render();
  grids.input.fill(image, 255);
  pad.show(grids.input.bitmap);
  announce();
}

function openExamples() {
  model.examples.forEach((example) => {
    const button = document.createElement("button");
    button.textContent = example.label;
    button.title = `A ${example.label} from the test set`;
    button.addEventListener("click", () => show(example));
    element("examples").append(button);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const example = model.examples.find(({ label }) => String(label) === event.key);
    if (example) show(example);
    if (event.key === "Backspace" || event.key === "Delete") pad.write([]);
    if (event.key === "z") pad.undo();
    if (event.key === "Escape") closePanel();
  });
}

// --- the answer ---

/** Compute everything from the picture and show it. */
function render() {
  state.network = new Network(model.epochs[state.epoch].weights, model.norm);
  state.run = state.network.run(state.image);
  setMarks();
  for (const name of Object.keys(LAYERS)) {
    if (name === "input") grids.input.paint(state.image, 255);
    else grids[name].paint(state.run.values[name]);
  }
  element("hint").hidden = !isBlank() && state.truth === null;
  renderAnswer();
  renderWhy();
  renderMistake();
  panel.render();
}

function openAnswer() {
  for (let digit = 0; digit < 10; digit++) {
    const [column, track, bar, name] = ["li", "span", "i", "b"].map((tag) => document.createElement(tag));
    track.append(bar);
    name.textContent = digit;
    column.append(track, name);
    element("bars").append(column);
  }
}

/** The digits by probability, most likely first: [{digit, probability}]. */
function ranking() {
  return Array.from(state.run.logits, (logit, digit) => ({ digit, probability: Math.exp(logit) }))
    .sort((a, b) => b.probability - a.probability);
}

const isBlank = () => state.image === BLANK;

function renderAnswer() {
  const [first, second] = ranking();
  element("answer").textContent = isBlank() ? "" : first.digit;
  element("sure").textContent = isBlank() ? "Draw a digit." : `${chance(first.probability)} sure`;
  element("next-best").textContent =
    isBlank() ? "" : `Runner-up: ${second.digit}, ${chance(second.probability)}.`;
  element("truth").textContent = state.truth === null ? "" : `A test image, labelled ${state.truth}.`;
  [...element("bars").children].forEach((column, digit) => {
    const share = isBlank() ? 0 : Math.exp(state.run.logits[digit]);
    column.querySelector("i").style.height = `${100 * share}%`;
    column.title = `${digit}: ${chance(share)}`;
    column.setAttribute("aria-label", column.title);
    column.className = digit === first.digit && !isBlank() ? "first" : "";
  });
}

/** Announce the answer to screen readers at the end of a stroke. */
function announce() {
  const [first, second] = ranking();
  element("status").textContent = isBlank()
    ? "The pad is empty."
    : `Read as ${first.digit}, ${chance(first.probability)} sure. Runner-up: ${second.digit}.`;
}

function renderWhy() {
  const [first, second] = ranking().map(({ digit }) => digit);
  const mix = new Float32Array(10);
  mix[first] = 1;
  const spoke = smooth(state.network.attribution(state.run, state.image, mix));
  mix[second] = -1;
  const decided = smooth(state.network.attribution(state.run, state.image, mix));
  const limit = Math.max(reach(spoke), reach(decided));
  grids.for.paint(spoke, limit);
  grids.against.paint(decided, limit);
  element("for-text").textContent = isBlank() ? "" : `For ${first}.`;
  element("against-text").textContent = isBlank() ? "" : `For ${first} rather than ${second}, the runner-up.`;
}

/** Smooth with weights 1-2-1 in both directions: single pixels say little. */
function smooth(pixels) {
  const along = (values, step) =>
    values.map((value, at) => (2 * value + (values[at - step] ?? 0) + (values[at + step] ?? 0)) / 4);
  return along(along(pixels, 1), SIDE);
}

// --- pointing at a cell ---

/** Make a layer's maps respond to pointer and arrow keys. */
function pointAt(name) {
  const { canvas } = grids[name];
  const choose = (cell) => {
    if (!cell) return;
    state.cell = { name, ...cell };
    showCell();
  };
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse" && !state.held) choose(grids[name].cellAt(event));
  });
  canvas.addEventListener("click", (event) => {
    const cell = grids[name].cellAt(event);
    if (!cell) return;
    const same = JSON.stringify({ name, ...cell }) === JSON.stringify(state.cell);
    state.held = !(state.held && same);
    document.body.classList.add("panel-open");
    choose(cell);
  });
  canvas.addEventListener("keydown", (event) => {
    const here = state.cell.name === name ? state.cell : strongestCell(name);
    const next = grids[name].neighbour(here, event.key);
    if (!next) return;
    event.preventDefault();
    state.held = true;
    document.body.classList.add("panel-open");
    choose(next);
    element("status").textContent = `${cellTitle(state.cell)}: ${element("cell-total").textContent}`;
  });
  canvas.addEventListener("focus", () => {
    if (canvas.matches(":focus-visible")) choose(state.cell.name === name ? state.cell : strongestCell(name));
  });
}

function strongestCell(name) {
  const { side } = LAYERS[name];
  const values = state.run.values[name];
  const at = values.indexOf(Math.max(...values));
  const rest = at % (side * side);
  return { name, map: Math.floor(at / (side * side)), y: Math.floor(rest / side), x: rest % side };
}

/** Frame the selected cell, its inputs in the layer below, and its receptive field. */
function setMarks() {
  for (const name of Object.keys(LAYERS)) grids[name].marks = [];
  const { name, map, y, x } = state.cell;
  const { kind, from } = LAYERS[name];
  grids[name].marks = [{ map, top: y, left: x, size: 1 }];
  if (kind === "input") return;
  grids.input.marks = [{ map: 0, ...receptiveField(name, y, x) }];
  if (kind === "full" || from === "input") return;
  const maps = kind === "pool" ? [map] : Array.from({ length: LAYERS[from].channels }, (_, c) => c);
  grids[from].marks = maps.map((each) => ({ map: each, ...window_(name, y, x) }));
}

function showCell() {
  const marked = new Set(Object.keys(LAYERS).filter((name) => grids[name].marks.length));
  setMarks();
  for (const name of Object.keys(LAYERS)) {
    if (grids[name].marks.length || marked.has(name)) grids[name].draw();
  }
  panel.render();
}

function closePanel() {
  state.held = false;
  document.body.classList.remove("panel-open");
  panel.render();
}

// --- the epochs ---

function openEpochs() {
  const slider = element("epoch");
  for (const node of document.querySelectorAll(".epochs")) node.hidden = model.epochs.length < 2;
  slider.max = model.epochs.length - 1;
  slider.value = state.epoch;
  slider.addEventListener("input", () => {
    state.epoch = Number(slider.value);
    renderEpoch();
    render();
    announce();
  });
  element("close").addEventListener("click", closePanel);
}

function renderEpoch() {
  const { epoch, accuracy, weights } = model.epochs[state.epoch];
  const name = epoch === 0 ? "untrained" : epoch === 1 ? "after 1 epoch" : `after ${epoch} epochs`;
  const right = `${percent(accuracy, 2)} of ${model.run.num_test.toLocaleString("en")} test images read correctly`;
  element("epoch-name").textContent = name;
  element("epoch-text").textContent = right;
  element("epoch").setAttribute("aria-valuetext", `${name}, ${right}`);
  grids.filters1.paint(weights["conv1.weight"]);
  grids.filters2.paint(byChannel(weights["conv2.weight"], 16, 8));
}

/** Reorder filters from map by map to channel by channel, so that a map's filters form a column. */
function byChannel(weight, maps, channels) {
  const area = KERNEL * KERNEL;
  return weight.map((_, at) => {
    const [tile, cell] = [Math.floor(at / area), at % area];
    const [channel, map] = [Math.floor(tile / maps), tile % maps];
    return weight[(map * channels + channel) * area + cell];
  });
}

// --- the mistakes ---

function openMistakes() {
  const { canvas } = grids.mistakes;
  element("mistakes-section").hidden = model.mistakes.length === 0;
  if (!model.mistakes.length) return;
  const step = (by) => {
    const count = model.mistakes.length;
    const next = state.mistake < 0 && by < 0 ? count - 1 : (state.mistake + by + count) % count;
    show(model.mistakes[next], next);
  };
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));
  canvas.addEventListener("click", (event) => {
    const cell = grids.mistakes.cellAt(event);
    if (cell) show(model.mistakes[cell.map], cell.map);
  });
  canvas.addEventListener("keydown", (event) => {
    const { columns } = grids.mistakes;
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
    if (!by) return;
    event.preventDefault();
    const next = Math.max(0, state.mistake) + (state.mistake < 0 ? 0 : by);
    if (next >= 0 && next < model.mistakes.length) show(model.mistakes[next], next);
  });
}

function chooseMistake(index) {
  if (state.mistake === index) return;
  state.mistake = index;
  grids.mistakes.marks = index < 0 ? [] : [{ map: index, top: 0, left: 0, size: SIDE }];
  grids.mistakes.draw();
}

function renderMistake() {
  const count = model.mistakes.length;
  if (state.mistake < 0) {
    element("mistake-text").textContent = `${count} pictures. Choose one.`;
    return;
  }
  const [first] = ranking();
  const right = first.digit === state.truth;
  const answer = right
    ? `With these weights it reads ${first.digit}, correctly`
    : `The label says ${state.truth}, the network reads ${first.digit}`;
  element("mistake-text").textContent =
    `${state.mistake + 1} of ${count}. ${answer}, ${chance(first.probability)} sure.`;
}

function describeRun() {
  const { recipe, seed, dataset, num_train, num_test } = model.run;
  const last = model.epochs.at(-1);
  const counted = (value) => value.toLocaleString("en");
  element("run").textContent =
    `These weights come from one training run: recipe ${recipe}, seed ${seed}, ${last.epoch} epochs on ${counted(num_train)} ` +
    `images of ${dataset}; ${percent(last.accuracy, 2)} of ${counted(num_test)} test images are read correctly.`;
  const all = Math.round((1 - last.accuracy) * num_test);
  element("mistakes-lead").textContent =
    `Of ${counted(num_test)} test images, ${counted(all)} are misread. They are shown here, the most confident mistakes first. ` +
    "Select one to run it through the whole network.";
}

open();
