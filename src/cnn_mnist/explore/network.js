"use strict";
/* The network in plain JavaScript: 24,488 weights, half a million multiplications, about a
   millisecond. Every intermediate value is kept, so that the page can show it. */

/** The layers. A map is a square of side × side cells. */
const LAYERS = {
  input: { kind: "input", channels: 1, side: 28 },
  conv1: { kind: "conv", channels: 8, side: 26, from: "input" },
  pool1: { kind: "pool", channels: 8, side: 13, from: "conv1" },
  conv2: { kind: "conv", channels: 16, side: 11, from: "pool1" },
  conv3: { kind: "conv", channels: 24, side: 9, from: "conv2" },
  pool2: { kind: "pool", channels: 24, side: 4, from: "conv3" },
  fc1: { kind: "full", channels: 50, side: 1, from: "pool2" },
  fc2: { kind: "full", channels: 10, side: 1, from: "fc1" },
};
const KERNEL = 3;

class Network {
  /** weights: {"conv1.weight": Float32Array, …}; norm: mean and std of the input's pixels in 0..1 */
  constructor(weights, norm) {
    this.weights = weights;
    this.norm = norm;
  }

  /**
   * Uint8Array 784, light ink on black → the values of each layer, and for convolutions and
   * linear layers also the sums before ReLU. `logits` are log-probabilities.
   */
  run(image) {
    const [mean, std] = this.norm;
    const values = { input: Float32Array.from(image, (pixel) => (pixel / 255 - mean) / std) };
    const sums = {};
    for (const [name, layer] of Object.entries(LAYERS)) {
      if (layer.kind === "input") continue;
      const input = values[layer.from];
      if (layer.kind === "pool") {
        values[name] = pool(input, layer);
        continue;
      }
      const compute = layer.kind === "conv" ? convolve : multiply;
      sums[name] = compute(input, layer, this.weights[`${name}.weight`], this.weights[`${name}.bias`]);
      values[name] = name === "fc2" ? sums[name] : sums[name].map((sum) => Math.max(0, sum));
    }
    return { values, sums, logits: logSoftmax(sums.fc2) };
  }

  /**
   * How much each of the 784 pixels contributed to a weighted sum of the ten scores: the sum's
   * gradient at the pixel times the pixel's difference from blank paper.
   */
  attribution(run, image, mix) {
    const gradient = this.gradient(run, mix);
    return gradient.map((slope, at) => (slope * image[at]) / 255 / this.norm[1]);
  }

  /** The gradient of a weighted sum of the ten scores with respect to the 784 normalised pixels. */
  gradient(run, mix) {
    let gradient = Float32Array.from(mix);
    for (const name of Object.keys(LAYERS).reverse()) {
      const layer = LAYERS[name];
      if (layer.kind === "input") break;
      const input = run.values[layer.from];
      if (layer.kind === "pool") {
        gradient = poolBackward(gradient, input, layer);
        continue;
      }
      if (name !== "fc2") gradient = gradient.map((g, at) => (run.sums[name][at] > 0 ? g : 0));
      const backward = layer.kind === "conv" ? convolveBackward : multiplyBackward;
      gradient = backward(gradient, layer, this.weights[`${name}.weight`]);
    }
    return gradient;
  }
}

function convolve(input, { channels, side, from }, weight, bias) {
  const source = LAYERS[from];
  const area = side * side;
  const sums = new Float32Array(channels * area);
  for (let channel = 0; channel < channels; channel++) {
    sums.fill(bias[channel], channel * area, (channel + 1) * area);
    for (let c = 0; c < source.channels; c++) {
      const [a, b, d, e, f, g, h, i, j] = filterOf(weight, source.channels, channel, c);
      for (let y = 0; y < side; y++) {
        let top = (c * source.side + y) * source.side;
        let middle = top + source.side;
        let bottom = middle + source.side;
        const end = channel * area + (y + 1) * side;
        for (let at = end - side; at < end; at++, top++, middle++, bottom++) {
          sums[at] +=
            a * input[top] + b * input[top + 1] + d * input[top + 2] +
            e * input[middle] + f * input[middle + 1] + g * input[middle + 2] +
            h * input[bottom] + i * input[bottom + 1] + j * input[bottom + 2];
        }
      }
    }
  }
  return sums;
}

function convolveBackward(gradient, { channels, side, from }, weight) {
  const source = LAYERS[from];
  const result = new Float32Array(source.channels * source.side * source.side);
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const g = gradient[(channel * side + y) * side + x];
        if (g === 0) continue;
        for (let c = 0; c < source.channels; c++) {
          let w = (channel * source.channels + c) * KERNEL * KERNEL;
          for (let dy = 0; dy < KERNEL; dy++) {
            const at = (c * source.side + y + dy) * source.side + x;
            for (let dx = 0; dx < KERNEL; dx++) result[at + dx] += g * weight[w++];
          }
        }
      }
    }
  }
  return result;
}

/** The largest of each 2×2; an odd last row or column is dropped. */
function pool(input, layer) {
  return Float32Array.from(strongest(input, layer), (at) => input[at]);
}

function poolBackward(gradient, input, layer) {
  const result = new Float32Array(input.length);
  strongest(input, layer).forEach((at, cell) => (result[at] = gradient[cell]));
  return result;
}

/** For each pooled cell, the index of the largest of its four inputs. */
function strongest(input, { channels, side, from }) {
  const wide = LAYERS[from].side;
  const found = new Int32Array(channels * side * side);
  let cell = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        let best = (channel * wide + 2 * y) * wide + 2 * x;
        for (const at of [best + 1, best + wide, best + wide + 1]) {
          if (input[at] > input[best]) best = at;
        }
        found[cell++] = best;
      }
    }
  }
  return found;
}

function multiply(input, { channels }, weight, bias) {
  const sums = Float32Array.from(bias);
  for (let channel = 0, w = 0; channel < channels; channel++) {
    for (let at = 0; at < input.length; at++) sums[channel] += weight[w++] * input[at];
  }
  return sums;
}

function multiplyBackward(gradient, { channels }, weight) {
  const result = new Float32Array(weight.length / channels);
  for (let channel = 0, w = 0; channel < channels; channel++) {
    for (let at = 0; at < result.length; at++) result[at] += gradient[channel] * weight[w++];
  }
  return result;
}

function logSoftmax(scores) {
  const highest = Math.max(...scores);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - highest), 0);
  return scores.map((score) => score - highest - Math.log(total));
}

/** The filter, of `area` weights, between one channel of a layer and one of the layer below. */
function filterOf(weight, sources, channel, source, area = KERNEL * KERNEL) {
  const at = (channel * sources + source) * area;
  return weight.subarray(at, at + area);
}

/**
 * How a cell was computed: its terms, one per channel of the layer below, each with its input
 * `patch`, its `filter` and the `sum` of their products; its `bias`, the `total`, and its `value`
 * after ReLU. A pooled cell has one patch and no filter, a pixel has no terms.
 */
function trace(network, run, name, channel, y, x) {
  const layer = LAYERS[name];
  const source = LAYERS[layer.from];
  const value = run.values[name][(channel * layer.side + y) * layer.side + x];
  if (layer.kind === "input") return { terms: [], value };
  const input = run.values[layer.from];
  const { top, left, size } = window_(name, y, x);
  const patchOf = (c) => {
    const patch = new Float32Array(size * size);
    for (let at = 0; at < patch.length; at++) {
      const row = top + Math.floor(at / size), column = left + (at % size);
      patch[at] = input[(c * source.side + row) * source.side + column];
    }
    return patch;
  };
  if (layer.kind === "pool") return { terms: [{ channel, patch: patchOf(channel), size }], value };
  const weight = network.weights[`${name}.weight`];
  const bias = network.weights[`${name}.bias`][channel];
  const terms = Array.from({ length: source.channels }, (_, c) => {
    const patch = patchOf(c);
    const filter = filterOf(weight, source.channels, channel, c, size * size);
    return { channel: c, patch, filter, size, sum: filter.reduce((s, w, k) => s + w * patch[k], 0) };
  });
  return { terms, bias, total: terms.reduce((sum, term) => sum + term.sum, bias), value };
}

/** The square of the layer below that is a cell's input. */
function window_(name, y, x) {
  const { kind, from } = LAYERS[name];
  if (kind === "conv") return { top: y, left: x, size: KERNEL };
  if (kind === "pool") return { top: 2 * y, left: 2 * x, size: 2 };
  return { top: 0, left: 0, size: LAYERS[from].side };
}

/** The square of the input that a cell depends on: its receptive field. */
function receptiveField(name, y, x) {
  let field = { top: y, left: x, size: 1 };
  for (let layer = name; LAYERS[layer].from; layer = LAYERS[layer].from) {
    const first = window_(layer, field.top, field.left);
    const step = LAYERS[layer].kind === "pool" ? 2 : LAYERS[layer].kind === "conv" ? 1 : 0;
    field = { top: first.top, left: first.left, size: first.size + step * (field.size - 1) };
  }
  return field;
}
