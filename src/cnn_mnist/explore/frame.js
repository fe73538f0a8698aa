"use strict";
/* A drawing → a 28×28 image like MNIST's. It follows, step by step, what the Python reader does with
   black ink on white paper (its modules ink, segment and normalize). */

const SIDE = 28;
const BOX = 20; // the digit's longer side within the 28
const CENTRE = 14.0; // pixel index of the centre of mass in MNIST
const RIM = 0.35; // ink above this is part of a stroke; its neighbours are the stroke's soft edge
const STROKE = 2.7; // width of MNIST's strokes, of BOX
const THICK = 3.6; // broader strokes are thinned; the pad's pen is never thinner than 2
const MAX_CHANGE = 24; // px; for larger changes a reduced copy is used
const MEASURABLE = 40; // px; strokes of smaller drawings cannot be measured

/**
 * Uint8Array 784 of a drawing, light ink on black, or null if nothing is drawn.
 * coverage: Uint8 per pixel, 0 = paper, 255 = ink, width × height of them.
 */
function frameOf(coverage, width, height) {
  const digit = cropToInk(coverage, width, height);
  return digit && toMnist(evenStroke(digit));
}

/** The ink of all strokes with their soft edges, cropped; null if there is none. */
function cropToInk(coverage, width, height) {
  let { top, bottom, left, right } = bounds(width, height, (at) => coverage[at] / 255 > RIM);
  if (bottom < 0) return null;
  [top, left] = [Math.max(0, top - 1), Math.max(0, left - 1)];
  [bottom, right] = [Math.min(height - 1, bottom + 1), Math.min(width - 1, right + 1)];

  const crop = picture(right - left + 1, bottom - top + 1);
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const value = coverage[y * width + x] / 255;
      if (value > RIM || (value > 0 && nearStroke(coverage, width, height, x, y))) {
        crop.pixels[(y - top) * crop.width + x - left] = value;
      }
    }
  }
  return crop;
}

function nearStroke(coverage, width, height, x, y) {
  for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
    for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
      if (coverage[row * width + column] / 255 > RIM) return true;
    }
  }
  return false;
}

/** Thin the strokes to MNIST's mean width if they are broader than any of MNIST's. */
function evenStroke(digit) {
  const side = Math.max(digit.width, digit.height);
  if (side < MEASURABLE) return digit;
  const width = strokeWidth(digit);
  if ((width * BOX) / side <= THICK) return digit;
  // Thinning makes the box smaller, too: solve width' / (side + width' - width) for STROKE.
  const change = (BOX * width - STROKE * side) / (BOX - STROKE);
  const factor = Math.ceil(change / MAX_CHANGE);
  const [columns, rows] = [digit.width, digit.height].map((s) => Math.max(1, roundHalfEven(s / factor)));
  const smaller = factor === 1 ? digit : resized(digit, areaShares, columns, rows);
  const thinner = erode(smaller, 1 + roundHalfEven(change / factor));
  return thinner.pixels.some((value) => value > 0.5) ? thinner : digit;
}

/** The typical stroke width: twice the distance to paper along the middle of the strokes. */
function strokeWidth(digit) {
  const distance = distanceToPaper(digit);
  const { width, height, pixels } = distance;
  const ridge = [];
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const here = pixels[y * width + x];
      if (here === 0) continue;
      let highest = true;
      for (let at = (y - 1) * width + x; at <= (y + 1) * width + x; at += width) {
        highest &&= here >= pixels[at - 1] && here >= pixels[at] && here >= pixels[at + 1];
      }
      if (highest) ridge.push(here);
    }
  }
  if (!ridge.length) return 1;
  ridge.sort((a, b) => a - b);
  const middle = ridge.length >> 1;
  const median = ridge.length % 2 ? ridge[middle] : (ridge[middle - 1] + ridge[middle]) / 2;
  return 2 * median - 1;
}

/** The distance of every inked pixel from paper by steps of 5×5 (Borgefors 1986), in two passes;
    with a margin of two pixels of paper. In float32, so that ties match OpenCV's. */
function distanceToPaper(digit) {
  const margin = 2;
  const width = digit.width + 2 * margin;
  const distance = picture(width, digit.height + 2 * margin);
  const { pixels } = distance;
  const STRAIGHT = 1, DIAGONAL = Math.fround(1.4), KNIGHT = Math.fround(2.1969);
  const steps = [1, width, width + 1, width - 1, 2 * width + 1, 2 * width - 1, width + 2, width - 2];
  const lengths = [STRAIGHT, STRAIGHT, DIAGONAL, DIAGONAL, KNIGHT, KNIGHT, KNIGHT, KNIGHT];
  const nearest = (at, direction, found) => {
    for (let k = 0; k < steps.length; k++) {
      const length = pixels[at + direction * steps[k]] + lengths[k];
      if (length < found) found = length;
    }
    return found;
  };
  for (let y = 0; y < digit.height; y++) {
    for (let x = 0; x < digit.width; x++) {
      if (digit.pixels[y * digit.width + x] <= 0.5) continue;
      const at = (y + margin) * width + x + margin;
      pixels[at] = nearest(at, -1, Infinity);
    }
  }
  for (let at = pixels.length - 1; at >= 0; at--) {
    if (pixels[at]) pixels[at] = nearest(at, 1, pixels[at]);
  }
  return distance;
}

/** The minimum under an ellipse of that many pixels; outside pixels are ignored. */
function erode(digit, size) {
  const { width, height, pixels } = digit;
  const radius = size >> 1;
  const rows = [];
  for (let dy = -radius; dy < size - radius; dy++) {
    const reach = roundHalfEven(radius * Math.sqrt((radius * radius - dy * dy) / (radius * radius)));
    rows.push([dy, -reach, Math.min(reach, size - 1 - radius)]);
  }
  const thinner = picture(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      let least = pixels[y * width + x];
      for (let row = 0; row < rows.length && least > 0; row++) {
        const [dy, from, to] = rows[row];
        if (y + dy < 0 || y + dy >= height) continue;
        const end = (y + dy) * width + Math.min(width - 1, x + to);
        for (let at = (y + dy) * width + Math.max(0, x + from); at <= end; at++) {
          if (pixels[at] < least) least = pixels[at];
        }
      }
      thinner.pixels[y * width + x] = least;
    }
  }
  return thinner;
}

/** Scale the digit's box to 20×20, by averaging areas where it is larger, then shift it by whole pixels until its
    centre of mass lies on pixel 14. */
function toMnist(digit) {
  const { width, height, pixels, left, top } = inkBox(digit);
  const scale = BOX / Math.max(width, height);
  const [newWidth, newHeight] = [width, height].map((s) => Math.max(1, roundHalfEven(s * scale)));
  const shares = scale < 1 ? areaShares : linearShares;
  const box = picture(width, height);
  for (let y = 0; y < height; y++) {
    const begin = (y + top) * digit.width + left;
    box.pixels.set(pixels.subarray(begin, begin + width), y * width);
  }
  const small = resized(box, shares, newWidth, newHeight);

  const [dx, dy] = offsets(small);
  const frame = new Uint8Array(SIDE * SIDE);
  for (let y = 0; y < newHeight; y++) {
    for (let x = 0; x < newWidth; x++) {
      const value = Math.fround(small.pixels[y * newWidth + x] * 255);
      frame[(y + dy) * SIDE + x + dx] = roundHalfEven(Math.min(255, value));
    }
  }
  return frame;
}

/** The first and last row and column with ink; none has if `bottom` is negative. */
function bounds(width, height, isInk) {
  let top = height, bottom = -1, left = width, right = -1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!isInk(y * width + x)) continue;
      top = Math.min(top, y);
      bottom = y;
      left = Math.min(left, x);
      right = Math.max(right, x);
    }
  }
  return { top, bottom, left, right };
}

/** The bounding box of all ink, with its picture. */
function inkBox({ width, height, pixels }) {
  const { top, bottom, left, right } = bounds(width, height, (at) => pixels[at] !== 0);
  return { left, top, width: right - left + 1, height: bottom - top + 1, pixels };
}

/** Resize a picture; `shares` gives the old pixels that make up each new one. */
function resized({ width, height, pixels }, shares, newWidth, newHeight) {
  const [across, down] = [shares(width, newWidth), shares(height, newHeight)];
  const result = picture(newWidth, newHeight);
  down.forEach((rows, y) => {
    across.forEach((columns, x) => {
      let sum = 0;
      for (const [row, rowShare] of rows) {
        for (const [column, share] of columns) sum += rowShare * share * pixels[row * width + column];
      }
      result.pixels[y * newWidth + x] = sum;
    });
  });
  return result;
}

/** For each new pixel the old ones under it, with their shares of its area. Shares of less than a
    thousandth of an old pixel are dropped, as in OpenCV. */
function areaShares(oldSize, newSize) {
  const scale = oldSize / newSize;
  return Array.from({ length: newSize }, (_, index) => {
    const from = index * scale;
    const to = from + scale;
    const area = Math.min(scale, oldSize - from);
    const covered = [];
    const first = Math.min(Math.ceil(from), oldSize - 1);
    const last = Math.min(Math.floor(to), oldSize - 1);
    if (first - from > 1e-3) covered.push([first - 1, (first - from) / area]);
    for (let at = first; at < last; at++) covered.push([at, 1 / area]);
    if (to - last > 1e-3) {
      covered.push([last, Math.min(Math.min(to - last, 1), area) / area]);
    }
    return covered;
  });
}

/** The same for enlarging: the two nearest old pixels, weighted by distance. */
function linearShares(oldSize, newSize) {
  return Array.from({ length: newSize }, (_, index) => {
    const at = Math.min(Math.max(((index + 0.5) * oldSize) / newSize - 0.5, 0), oldSize - 1);
    const from = Math.floor(at);
    return at === from ? [[from, 1]] : [[from, from + 1 - at], [from + 1, at - from]];
  });
}

/** Offset in whole pixels from the frame's edges to the digit's box that puts its centre of mass on CENTRE. */
function offsets({ width, height, pixels }) {
  let mass = 0, massX = 0, massY = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = pixels[y * width + x];
      mass += value;
      massX += value * x;
      massY += value * y;
    }
  }
  const offset = (centre, size) =>
    Math.min(SIDE - size, Math.max(0, roundHalfEven(CENTRE - centre)));
  return [offset(massX / mass, width), offset(massY / mass, height)];
}

/** Round to the nearest integer, halves to even, like Python's round. */
function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

function picture(width, height) {
  return { width, height, pixels: new Float32Array(width * height) };
}
