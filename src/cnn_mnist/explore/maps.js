"use strict";
/* Painting: values are shown as colours of one diverging scale, with the paper's colour at zero. Maps
   are laid out in rows on a canvas whose cells can be pointed at. */

const STEPS = 255; // of the scale, on each side of zero
const GAP = 6; // CSS px between maps

/** The colour scale of the maps, read from the page's style sheet. */
const scale = {
  colours: new Uint32Array(2 * STEPS + 1),
  ink: "",
  mark: "",
  halo: "",

  read() {
    const style = getComputedStyle(document.documentElement);
    const rgb = (name) => {
      const hex = parseInt(style.getPropertyValue(name).trim().slice(1), 16);
      return [hex >> 16, (hex >> 8) & 255, hex & 255];
    };
    const [minus, zero, plus] = ["--minus", "--zero", "--plus"].map(rgb);
    for (let step = -STEPS; step <= STEPS; step++) {
      const share = (Math.abs(step) / STEPS) ** 0.8; // makes small values visible
      const end = step < 0 ? minus : plus;
      const [r, g, b] = zero.map((from, i) => Math.round(from + share * (end[i] - from)));
      this.colours[step + STEPS] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
    this.ink = style.getPropertyValue("--plus").trim();
    this.mark = style.getPropertyValue("--text").trim();
    this.halo = style.getPropertyValue("--page").trim();
  },

  /** The colour of a value in -1..1 as 0xAABBGGRR, the order of a canvas's bytes. */
  colour(value) {
    return this.colours[STEPS + Math.round(STEPS * Math.max(-1, Math.min(1, value)))];
  },

  css(value) {
    const colour = this.colour(value);
    return `rgb(${colour & 255} ${(colour >> 8) & 255} ${(colour >> 16) & 255})`;
  },
};

/** The largest absolute value, never zero. */
function reach(values) {
  let most = 1e-9;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** `count` maps of side × side cells on a canvas, in rows of `columns`, across its whole width. */
class Grid {
  constructor(canvas, count, side, columns) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.marks = [];
    this.shown = null; // the values and the limit of the last paint
    this.inView = true;
    this.shape(count, side, columns);
    new IntersectionObserver(([entry]) => this.enter(entry.isIntersecting)).observe(canvas);
  }

  shape(count, side, columns) {
    Object.assign(this, { count, side, columns });
    this.bitmap = new OffscreenCanvas(side, side * Math.max(1, count)); // one map below the other
    this.pixels = this.bitmap.getContext("2d").createImageData(side, this.bitmap.height);
    this.words = new Uint32Array(this.pixels.data.buffer);
  }

  /** Adapt to the canvas's current width and its number of columns. */
  fit(columns = this.columns) {
    const ratio = window.devicePixelRatio || 1;
    this.columns = columns;
    this.gap = Math.round((this.side === 1 ? 3 : GAP) * ratio);
    const width = Math.round(this.canvas.clientWidth * ratio);
    this.size = (width - this.gap * (columns - 1)) / columns;
    const rows = Math.ceil(this.count / columns);
    this.canvas.width = Math.max(1, width);
    this.canvas.height = Math.max(1, Math.round(rows * (this.size + this.gap) - this.gap));
    this.context.imageSmoothingEnabled = false;
  }

  /** A canvas out of view is not painted until it comes into view. */
  enter(inView) {
    this.inView = inView;
    if (!inView || !this.shown) return;
    this.fit();
    this.paint(...this.shown);
  }

  /** Show values, count maps of side × side; the colour scale ends at ±limit. */
  paint(values, limit = reach(values)) {
    this.shown = [values, limit];
    if (!this.inView) return;
    this.fill(values, limit);
    this.draw();
  }

  fill(values, limit) {
    for (let at = 0; at < this.words.length; at++) {
      this.words[at] = scale.colour(values[at] / limit);
    }
    this.bitmap.getContext("2d").putImageData(this.pixels, 0, 0);
  }

  /** Draw the painted maps, and the marks on top. */
  draw() {
    const { context, side, size } = this;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (let map = 0; map < this.count; map++) {
      const [x, y] = this.corner(map);
      const [left, top] = [Math.round(x), Math.round(y)];
      const [width, height] = [Math.round(x + size) - left, Math.round(y + size) - top];
      context.drawImage(this.bitmap, 0, map * side, side, side, left, top, width, height);
    }
    for (const mark of this.marks) this.outline(mark);
  }

  /** Frame a square of cells of one map. */
  outline({ map, top, left, size }) {
    const { context } = this;
    const unit = this.size / this.side;
    const ratio = window.devicePixelRatio || 1;
    const [x, y] = this.corner(map);
    const box = [x + left * unit, y + top * unit, size * unit, size * unit].map(Math.round);
    for (const [colour, width] of [[scale.halo, 4], [scale.mark, 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = width * ratio;
      context.strokeRect(...box);
    }
  }

  corner(map) {
    const pitch = this.size + this.gap;
    return [(map % this.columns) * pitch, Math.floor(map / this.columns) * pitch];
  }

  /** The cell under a pointer, or null between the maps. */
  cellAt(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / box.width;
    const [px, py] = [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
    const pitch = this.size + this.gap;
    const [column, row] = [Math.floor(px / pitch), Math.floor(py / pitch)];
    const map = row * this.columns + column;
    const unit = this.size / this.side;
    const [x, y] = [(px - column * pitch) / unit, (py - row * pitch) / unit].map(Math.floor);
    const inside = column >= 0 && column < this.columns && map >= 0 && map < this.count;
    return inside && Math.min(x, y) >= 0 && Math.max(x, y) < this.side ? { map, y, x } : null;
  }

  /** The cell that an arrow key leads to, across the border into the next map; or null. */
  neighbour({ map, y, x }, key) {
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[key];
    if (!step) return null;
    const row = Math.floor(map / this.columns) * this.side + y + step[0];
    const column = (map % this.columns) * this.side + x + step[1];
    const next = Math.floor(row / this.side) * this.columns + Math.floor(column / this.side);
    const inside = row >= 0 && column >= 0 && column < this.columns * this.side;
    if (!inside || next >= this.count) return { map, y, x };
    return { map: next, y: row % this.side, x: column % this.side };
  }
}
