"use strict";
/* Unpacks what `cnn-mnist export` packed into MODEL (model.js): the weights of every epoch shown,
   and pictures from the test set. The last epoch's weights are exact, the others are quantized. */

/** MODEL → {norm, run, epochs: [{epoch, accuracy, weights}], examples, mistakes}, pictures as
    {image: Uint8Array 784, label}. */
async function unpack(model) {
  const bytes = await inflate(model.data);
  const count = model.tensors.reduce((sum, tensor) => sum + tensor.size, 0);
  const last = new Float32Array(bytes.buffer, 0, count);
  const codes = new Int8Array(count); // each epoch is stored as its difference from the one before
  let at = last.byteLength;
  const epochs = model.epochs.map((epoch, index) => {
    if (index === model.epochs.length - 1) return { ...epoch, weights: named(last, model.tensors) };
    for (let i = 0; i < count; i++) codes[i] += bytes[at++];
    return { ...epoch, weights: named(codes, model.tensors) };
  });
  const picture = (label) => {
    const image = bytes.subarray(at, at + SIDE * SIDE);
    at += SIDE * SIDE;
    return { image, label };
  };
  return {
    norm: model.norm,
    run: model.run,
    epochs,
    examples: model.examples.map(picture),
    mistakes: model.mistakes.map(picture),
  };
}

async function inflate(base64) {
  const packed = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Split an array into its tensors; bytes are multiplied by their tensor's step. */
function named(numbers, tensors) {
  let at = 0;
  const weights = {};
  for (const { name, size, step } of tensors) {
    const part = numbers.subarray(at, (at += size));
    const exact = part instanceof Float32Array;
    weights[name] = exact ? part : Float32Array.from(part, (code) => code * step);
  }
  return weights;
}
