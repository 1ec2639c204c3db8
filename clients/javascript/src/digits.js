// The task `digits`: handwritten digits, as the Python package trains them. The same division of the
// data, the same models and layout, the same loss, step sizes and calibration; only the order of the
// samples within an epoch is this client's own.
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { F64 } from './canonical.js';
import { demand } from './errors.js';
import { dirichlet, iid } from './partition.js';
import { Pcg64 } from './pcg64.js';

export const DIGITS = 'digits';
const CLASSES = 10;
const PIXELS = 64;
const DEEPEST = 16;
const SMALLEST_PART = 40;
const HELD_OUT_EVERY = 5;
const CALIBRATION = 0.7;
const RAREST = 1e-3;
const COSINES = 1024;
const SPREAD = 0.7;
const MAX_FILE = 64 << 20;

/** @typedef {{ pixels: Float32Array, labels: Uint8Array }} Samples images of 64 values of 0..1, one after the other */

/**
 * Samples from a file of lines `p1,…,p64,label`, pixels 0..16, label 0..9.
 * @param {string} path @returns {Samples}
 * @throws {import('./errors.js').QrfldError} `data`, with the line
 */
export function readSamples(path) {
  const lines = readText(path).split('\n').filter((line) => line.trim() !== '');
  const pixels = new Float32Array(lines.length * PIXELS);
  const labels = new Uint8Array(lines.length);
  lines.forEach((line, row) => {
    const values = line.split(',').map(Number);
    const label = values.pop() ?? NaN;
    const good = values.length === PIXELS && values.every((value) => value >= 0 && value <= DEEPEST);
    demand(good && Number.isInteger(label) && label >= 0 && label < CLASSES, 'data', `${path}:${row + 1}: not 64 pixels of 0..16 and a label of 0..9`);
    pixels.set(values.map((value) => value / DEEPEST), row * PIXELS);
    labels[row] = label;
  });
  demand(lines.length > 0, 'data', `${path} holds no samples`);
  return { pixels, labels };
}

/** @param {string} path */
function readText(path) {
  const file = openSync(path, 'r');
  try {
    demand(fstatSync(file).size <= MAX_FILE, 'data', `${path} has more than ${MAX_FILE} bytes`);
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(file);
  }
}

/** Kinds of parameters of a run: integers stand for floats too, as in the Python task. */
const whole = (/** @type {number} */ low, /** @type {number} */ high) => (/** @type {any} */ value) =>
  Number.isInteger(value) && value >= low && value <= high ? value : undefined;
const real = (/** @type {(value: number) => boolean} */ fits) => (/** @type {any} */ value) => {
  const number = value instanceof F64 ? value.value : value;
  return typeof number === 'number' && fits(number) ? number : undefined;
};
const oneOf = (/** @type {string[]} */ ...names) => (/** @type {any} */ value) => (names.includes(value) ? value : undefined);

/** @type {Record<string, (value: any) => any>} */
const PARAMETERS = {
  model: oneOf('fourier', 'softmax'),
  partition: oneOf('dirichlet', 'iid'),
  alpha: real((value) => value >= 1e-3 && value <= 1e6),
  epochs: whole(1, 1000),
  lr: real((value) => value > 0 && value <= 100),
  batch: whole(1, 1797),
};

/** @param {[string, any][]} params @returns {any} */
function settings(params) {
  /** @type {any} */
  const chosen = { model: 'fourier', partition: 'dirichlet', alpha: 0.5, epochs: 5, batch: 16 };
  for (const [name, value] of params) {
    demand(Object.hasOwn(PARAMETERS, name), 'task', `unknown parameter ${JSON.stringify(name)}`);
    chosen[name] = PARAMETERS[name](value);
    demand(chosen[name] !== undefined, 'task', `this client's digits does not take this ${name}`);
  }
  chosen.lr ??= chosen.model === 'fourier' ? 1.0 : 0.3;
  return chosen;
}

/** The fixed random cosines: frequencies (64, 1024) and phases. */
function cosines() {
  const size = (PIXELS + 1) * COSINES;
  const bits = new Pcg64(0n);
  const rows = [0, 1, 2, 3].map(() => bits.uniform(size));
  const root3 = Math.sqrt(3);
  const frequencies = new Float64Array(PIXELS * COSINES);
  for (let i = 0; i < frequencies.length; i++) {
    const at = COSINES + i;
    frequencies[i] = (rows[0][at] + rows[1][at] + rows[2][at] + rows[3][at] - 2) * root3 * SPREAD;
  }
  const phases = rows[0].slice(0, COSINES).map((value) => value * 2 * Math.PI);
  return { frequencies, phases };
}

/** @type {ReturnType<typeof cosines> | undefined} */
let table;

/** @param {Samples} samples @returns {Float32Array} (n, 1024) */
function fourier({ pixels, labels }) {
  table ??= cosines();
  const { frequencies, phases } = table;
  const scale = Math.sqrt(32 / COSINES);
  const out = new Float32Array(labels.length * COSINES);
  const angles = new Float64Array(COSINES);
  for (let n = 0; n < labels.length; n++) {
    angles.set(phases);
    for (let p = 0; p < PIXELS; p++) {
      const pixel = pixels[n * PIXELS + p];
      if (pixel === 0) continue;
      for (let c = 0; c < COSINES; c++) angles[c] += pixel * frequencies[p * COSINES + c];
    }
    for (let c = 0; c < COSINES; c++) out[n * COSINES + c] = Math.cos(angles[c]) * scale;
  }
  return out;
}

/** @typedef {{ width: number, features: Float32Array, labels: Uint8Array }} Prepared */

/** @param {Samples} samples @param {string} model @returns {Prepared} */
function prepare(samples, model) {
  if (model === 'softmax') return { width: PIXELS, features: samples.pixels, labels: samples.labels };
  return { width: COSINES, features: fourier(samples), labels: samples.labels };
}

/** @param {Samples} samples @param {number[]} indices @returns {Samples} */
function pick({ pixels, labels }, indices) {
  const chosen = new Float32Array(indices.length * PIXELS);
  indices.forEach((from, to) => chosen.set(pixels.subarray(from * PIXELS, (from + 1) * PIXELS), to * PIXELS));
  return { pixels: chosen, labels: Uint8Array.from(indices, (index) => labels[index]) };
}

/** Softmax of ten logits in place, without overflow. @param {Float32Array} logits */
function softmax(logits) {
  const top = Math.max(...logits);
  let sum = 0;
  for (let c = 0; c < CLASSES; c++) sum += logits[c] = Math.exp(logits[c] - top);
  for (let c = 0; c < CLASSES; c++) logits[c] /= sum;
}

/** Views of the model's one vector. @param {import('./task.js').Model} model @param {Float32Array} data @param {number} width */
function parameters({ tensors, start }, data, width) {
  const view = (/** @type {string} */ name, /** @type {number[]} */ ...shape) => {
    const tensor = tensors.find((each) => each.name === name);
    demand(tensor && String(tensor.shape) === String(shape), 'task', `a model without ${name} of shape ${shape}`);
    const first = (tensor.offset - start) / 4;
    return data.subarray(first, first + tensor.bytes / 4);
  };
  demand(tensors.length === 2, 'task', 'a model of other tensors');
  return { weights: view('weights', width, CLASSES), biases: view('biases', CLASSES) };
}

/** @param {Prepared} prepared @param {number} n @param {{ weights: Float32Array, biases: Float32Array }} model @param {Float32Array} out */
function logits({ features, width }, n, { weights, biases }, out) {
  out.set(biases);
  for (let i = 0; i < width; i++) {
    const feature = features[n * width + i];
    for (let c = 0; c < CLASSES; c++) out[c] += feature * weights[i * CLASSES + c];
  }
}

/** @param {Prepared} prepared @param {{ weights: Float32Array, biases: Float32Array }} model */
function scores(prepared, model) {
  const { labels } = prepared;
  const out = new Float32Array(CLASSES);
  let correct = 0;
  let loss = 0;
  labels.forEach((label, n) => {
    logits(prepared, n, model, out);
    if (out.indexOf(Math.max(...out)) === label) correct += 1;
    softmax(out);
    loss -= Math.log(Math.max(out[label], 1e-30));
  });
  return { accuracy: correct / labels.length, loss: Math.max(0, loss / labels.length), samples: labels.length };
}

/** What training adds to the logits, so that it is not paid for knowing which labels are frequent here. @param {Uint8Array} labels */
function calibration(labels) {
  const counts = new Float64Array(CLASSES);
  for (const label of labels) counts[label] += 1;
  return Float32Array.from(counts, (count) => CALIBRATION * Math.log(count / labels.length + RAREST));
}

/** @param {number} count @returns {number[]} 0..count-1 in random order */
function anyOrder(count) {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** One step of gradient descent. @param {Prepared} prepared @param {number[]} batch @param {{ weights: Float32Array, biases: Float32Array }} model @param {Float32Array} adjustment @param {number} rate */
function step(prepared, batch, model, adjustment, rate) {
  const { features, labels, width } = prepared;
  const slopes = batch.map((n) => {
    const slope = new Float32Array(CLASSES);
    logits(prepared, n, model, slope);
    for (let c = 0; c < CLASSES; c++) slope[c] += adjustment[c];
    softmax(slope);
    slope[labels[n]] -= 1;
    return slope.map((value) => (value * rate) / batch.length);
  });
  batch.forEach((n, at) => {
    const slope = slopes[at];
    for (let i = 0; i < width; i++) {
      const feature = features[n * width + i];
      for (let c = 0; c < CLASSES; c++) model.weights[i * CLASSES + c] -= feature * slope[c];
    }
    for (let c = 0; c < CLASSES; c++) model.biases[c] -= slope[c];
  });
}

/** Lets pings and messages pass. */
const breathe = () => new Promise((resolve) => setImmediate(resolve));

/**
 * The task on these samples, of which a run gives each member its part.
 * @param {Uint8Array} digest that the operator vouches for @param {Samples} samples
 * @returns {import('./task.js').Task}
 */
export function makeDigits(digest, samples) {
  /** @type {Map<string, { own: Prepared, held: Prepared }>} of the newest run only */
  const parts = new Map();

  /** @param {any} chosen @param {import('./task.js').Circumstances} circumstances */
  function part(chosen, { config, place }) {
    const nodes = config.members.length;
    const key = [place, nodes, config.seed, chosen.partition, chosen.alpha, chosen.model].join();
    const known = parts.get(key);
    if (known) return known;
    const { length } = samples.labels;
    const least = Math.max(HELD_OUT_EVERY, Math.min(SMALLEST_PART, Math.floor(length / (2 * nodes))));
    const division = chosen.partition === 'iid' ? iid(length, nodes, config.seed, least) : dirichlet(samples.labels, nodes, chosen.alpha, config.seed, least);
    const held = (/** @type {number} */ _, /** @type {number} */ i) => i % HELD_OUT_EVERY === HELD_OUT_EVERY - 1;
    const indices = division[place];
    const made = {
      own: prepare(pick(samples, indices.filter((index, i) => !held(index, i))), chosen.model),
      held: prepare(pick(samples, indices.filter(held)), chosen.model),
    };
    parts.clear();
    parts.set(key, made);
    return made;
  }

  return {
    name: DIGITS,
    digest,
    accept: (params) => void settings(params),
    async train(model, circumstances) {
      const chosen = settings(circumstances.config.params);
      const { own } = part(chosen, circumstances);
      const data = Float32Array.from(model.data);
      const trained = parameters(model, data, own.width);
      const adjustment = calibration(own.labels);
      for (let epoch = 0; epoch < chosen.epochs; epoch++) {
        await breathe();
        const order = anyOrder(own.labels.length);
        for (let at = 0; at < order.length; at += chosen.batch) step(own, order.slice(at, at + chosen.batch), trained, adjustment, chosen.lr);
      }
      const { loss, samples: count } = scores(own, trained);
      return { delta: data.map((value, i) => value - model.data[i]), samples: count, loss };
    },
    async evaluate(model, circumstances) {
      const { held } = part(settings(circumstances.config.params), circumstances);
      return scores(held, parameters(model, model.data, held.width));
    },
  };
}
