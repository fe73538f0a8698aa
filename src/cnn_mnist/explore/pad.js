"use strict";
/* The pad: strokes drawn with mouse, finger, pen or keyboard. They are shown at the screen's
   resolution, and read from a canvas of PAD × PAD pixels. */

const PAD = 280;
const PEN = 30; // px; for a digit as tall as the pad, one of MNIST's narrower strokes
const KEY_STEP = 7; // px per press of an arrow key

class Pad {
  /** onDraw is called after every change of the strokes, onLift at the end of a stroke. */
  constructor(canvas, onDraw, onLift) {
    Object.assign(this, { canvas, onDraw, onLift });
    this.strokes = [];
    this.pointer = null; // that draws: a mouse, a pen or one finger
    this.pen = null; // the keyboard's: {point, down}
    this.backdrop = null; // a picture from the test set, as an OffscreenCanvas
    this.ink = new OffscreenCanvas(PAD, PAD).getContext("2d", { willReadFrequently: true });
    this.sight = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(type, (event) => this.lift(event));
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.putPenAway());
  }

  /** Adapt to the canvas's current size. */
  fit() {
    const side = Math.round(this.canvas.clientWidth * (window.devicePixelRatio || 1));
    [this.canvas.width, this.canvas.height] = [side, side];
    this.redraw();
  }

  /** How much of each of the PAD × PAD pixels is covered by ink, 0..255. */
  coverage() {
    const { data } = this.ink.getImageData(0, 0, PAD, PAD);
    const alpha = new Uint8Array(PAD * PAD);
    for (let at = 0; at < alpha.length; at++) alpha[at] = data[4 * at + 3];
    return alpha;
  }

  /** Replace all strokes; each is a list of points [x, y] in 0..PAD. */
  write(strokes) {
    this.backdrop = null;
    this.strokes = strokes.map((stroke) => stroke.map(inside));
    this.redraw();
    this.onDraw();
  }

  undo() {
    this.write(this.strokes.slice(0, -1));
  }

  /** Show a picture instead of strokes. */
  show(backdrop) {
    this.strokes = [];
    this.backdrop = backdrop;
    this.redraw();
  }

  begin(event) {
    event.preventDefault();
    if (this.pointer !== null) return;
    this.canvas.focus({ preventScroll: true });
    this.pointer = event.pointerId;
    this.canvas.setPointerCapture(this.pointer);
    this.putPenAway();
    this.start(this.pointOf(event));
  }

  move(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.extend(this.pointOf(each));
    this.onDraw();
  }

  lift(event) {
    if (event.pointerId !== this.pointer) return;
    this.pointer = null;
    this.onLift();
  }

  start(point) {
    if (this.backdrop) this.write([]);
    this.strokes.push([point]);
    this.segment(point, point);
    this.onDraw();
  }

  extend(point) {
    const stroke = this.strokes.at(-1);
    this.segment(stroke.at(-1), point);
    stroke.push(point);
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    this.pen ??= { point: [PAD / 2, PAD / 4], down: false };
    if (step) {
      this.pen.point = inside(this.pen.point.map((at, axis) => at + KEY_STEP * step[axis]));
      if (this.pen.down) this.extend(this.pen.point);
    } else if (!event.repeat) {
      this.pen.down = !this.pen.down;
      if (this.pen.down) this.start(this.pen.point);
      else this.onLift();
    }
    this.redraw();
    this.onDraw();
  }

  putPenAway() {
    if (!this.pen) return;
    this.pen = null;
    this.redraw();
  }

  redraw() {
    const { sight, canvas } = this;
    sight.clearRect(0, 0, canvas.width, canvas.height);
    this.ink.clearRect(0, 0, PAD, PAD);
    if (this.backdrop) {
      sight.imageSmoothingEnabled = false;
      sight.drawImage(this.backdrop, 0, 0, canvas.width, canvas.height);
    }
    for (const stroke of this.strokes) {
      stroke.forEach((point, index) => this.segment(stroke[Math.max(0, index - 1)], point));
    }
    if (this.pen) this.drawPen();
  }

  segment(from, to) {
    for (const context of [this.sight, this.ink]) {
      const size = context.canvas.width / PAD;
      context.strokeStyle = context === this.ink ? "#000" : scale.ink;
      context.lineWidth = PEN * size;
      context.lineCap = "round";
      context.beginPath();
      context.moveTo(from[0] * size, from[1] * size);
      context.lineTo(to[0] * size + (from === to ? 0.01 : 0), to[1] * size); // so that a dot is drawn, too
      context.stroke();
    }
  }

  /** The keyboard's pen: a ring, filled while it writes. */
  drawPen() {
    const { sight, canvas, pen } = this;
    const size = canvas.width / PAD;
    sight.lineWidth = 2 * size;
    sight.strokeStyle = scale.mark;
    sight.fillStyle = scale.halo;
    sight.beginPath();
    sight.arc(pen.point[0] * size, pen.point[1] * size, (PEN / 3) * size, 0, 2 * Math.PI);
    if (pen.down) sight.fill();
    sight.stroke();
  }

  pointOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (client, start) => ((client - start) / box.width) * PAD;
    return inside([at(event.clientX, box.left), at(event.clientY, box.top)]);
  }
}

/** The pen stays on the pad: a stroke that the border cuts would be measured as a thin one. */
function inside(point) {
  return point.map((at) => Math.min(PAD - PEN / 2, Math.max(PEN / 2, at)));
}
