"use strict";
/* The panel beside the maps: how the selected cell was computed, down to the single products. */

const LARGEST_NUMBERED = 9; // cells of a patch that are shown as numbers

const panel = {
  open() {
    this.where = new Grid(element("where"), 1, SIDE, 1);
    this.where.fit();
    const sheet = (id) => [id, new Grid(element(id), 1, 1, 1)];
    this.sheets = Object.fromEntries(["patches", "filters", "products"].map(sheet));
  },

  /** Show the cell `state.cell` of the current run. */
  render() {
    const { name, map, y, x } = state.cell;
    const cell = trace(state.network, state.run, name, map, y, x);
    this.where.marks = [{ map: 0, ...receptiveField(name, y, x) }];
    this.where.paint(state.image, 255);
    element("cell-title").textContent = cellTitle(state.cell);
    element("cell-text").textContent = cellText(state.cell, cell);
    element("cell-total").textContent = cellTotal(state.cell, cell);
    element("cell-hold").textContent = state.held
      ? "Pinned. Click the cell again to unpin it."
      : "Click a cell to pin it.";
    this.renderNumbers(cell.terms);
    this.renderSheets(cell.terms);
  },

  /** The strongest term's numbers: patch × filter = products; a pooled cell has only a patch. */
  renderNumbers(terms) {
    const box = element("numbers");
    box.hidden = !terms.length || terms[0].patch.length > LARGEST_NUMBERED || terms[0].size === 1;
    if (box.hidden) return;
    const term = terms.reduce((a, b) => (Math.abs(b.sum) > Math.abs(a.sum) ? b : a));
    element("numbers-title").textContent =
      terms.length > 1
        ? `Map ${term.channel + 1} of ${LAYERS[state.cell.name].from} contributes most: ${number(term.sum)}`
        : "";
    const parts = [numberGrid(term.patch, term.size, "cells")];
    if (term.filter) {
      const products = term.filter.map((weight, at) => weight * term.patch[at]);
      parts.push(sign("×"), numberGrid(term.filter, term.size, "filter"));
      parts.push(sign("="), numberGrid(products, term.size, "products"));
    }
    element("number-grids").replaceChildren(...parts);
  },

  /** All terms as small maps: patches, filters, products. */
  renderSheets(terms) {
    const box = element("sheets");
    box.hidden = terms.length < 2;
    if (box.hidden) return;
    const { size } = terms[0];
    const columns = size === 1 ? 10 : 8;
    const rows = {
      patches: terms.map((term) => [...term.patch]),
      filters: terms.map((term) => [...term.filter]),
      products: terms.map((term) => [...term.filter].map((w, at) => w * term.patch[at])),
    };
    for (const [id, maps] of Object.entries(rows)) {
      const grid = this.sheets[id];
      grid.shape(terms.length, size, columns);
      grid.fit();
      grid.paint(maps.flat());
    }
  },
};

function cellTitle({ name, map, y, x }) {
  const { kind } = LAYERS[name];
  if (name === "fc2") return `fc2, the score of ${map}`;
  if (kind === "full") return `${name}, unit ${map + 1}`;
  const place = `row ${y + 1}, column ${x + 1}`;
  return kind === "input" ? `Pixel, ${place}` : `${name}, map ${map + 1}, ${place}`;
}

function cellText({ name, map, y, x }, { terms, value }) {
  const { kind, from } = LAYERS[name];
  if (kind === "input") {
    const ink = state.image[y * SIDE + x] / 255;
    const [mean, std] = model.norm;
    return `Ink ${percent(ink)}. The network's input is (${number(ink)} − ${number(mean)}) / ${number(std)} = ${number(value)}.`;
  }
  const { size } = receptiveField(name, y, x);
  const field = `It depends on the ${size}×${size} pixels framed in the picture.`;
  if (kind === "pool") return `The largest of four cells of ${from}, map ${map + 1}, is kept. ${field}`;
  const count = terms.length * terms[0].size ** 2;
  if (kind === "full") return `It is a weighted sum of all ${count} numbers of ${from}. ${field}`;
  const maps = terms.length > 1 ? ` in each of the ${terms.length} maps of ${from}` : "";
  return `It multiplies nine cells${maps} by the nine weights of a filter and adds all ${count} products. ${field}`;
}

function cellTotal({ name }, { bias, total, value }) {
  const { kind } = LAYERS[name];
  if (kind === "input") return "";
  if (kind === "pool") return `Kept: ${number(value)}`;
  const sum = `Products ${number(total - bias)}, bias ${number(bias)}, total ${number(total)}.`;
  if (name === "fc2") return sum;
  return total < 0 ? `${sum} Below zero, so ReLU makes it 0.` : `${sum} ReLU leaves it unchanged.`;
}

/** A grid of numbers, each on its colour. */
function numberGrid(values, size, caption) {
  const limit = reach(values);
  const cells = document.createElement("div");
  cells.className = `cells size-${size}`;
  for (const value of values) {
    const cell = document.createElement("span");
    cell.textContent = number(value).replace(/^(−?)0\./, "$1.");
    cell.style.backgroundColor = scale.css(value / limit);
    cell.className = Math.abs(value) / limit > 0.55 ? "strong" : "";
    cells.append(cell);
  }
  const figure = document.createElement("figure");
  const text = document.createElement("figcaption");
  text.textContent = caption;
  figure.append(cells, text);
  return figure;
}

function sign(text) {
  const span = document.createElement("span");
  span.className = "sign";
  span.textContent = text;
  return span;
}
