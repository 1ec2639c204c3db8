// Section 15.2: models.
import { ascii, concat, same, u32, view } from './bytes.js';
import { decode, encode } from './canonical.js';
import { demand, QrfldError } from './errors.js';

const MAGIC = ascii('QRFT');
const MAX_MANIFEST = 65536;
const MAX_TENSORS = 4096;
const MAX_DIMENSIONS = 8;
const MAX_TENSOR_BYTES = 2n ** 48n;
const ALIGNMENT = 64;
const DTYPES = new Map([['f2', 2], ['f4', 4], ['f8', 8], ['i4', 4], ['i8', 8], ['u1', 1]]);

/**
 * @typedef {object} Tensor
 * @property {string} name
 * @property {string} dtype
 * @property {number[]} shape
 * @property {number} offset of its block from the beginning of the blob
 * @property {number} bytes
 */

const roundUp = (/** @type {number} */ n, /** @type {number} */ to) => Math.ceil(n / to) * to;

/** @param {import('./canonical.js').Value} entry @returns {Omit<Tensor, 'offset'>} */
function readEntry(entry) {
  demand(Array.isArray(entry) && entry.length === 3, 'tensor', 'a manifest entry that is not [name, dtype, shape]');
  const [name, dtype, shape] = entry;
  demand(typeof name === 'string' && /^[\x20-\x7e]{1,256}$/.test(name), 'tensor', 'a name that is not printable ASCII');
  demand(typeof dtype === 'string' && DTYPES.has(dtype), 'tensor', 'an unknown dtype');
  demand(Array.isArray(shape) && shape.length <= MAX_DIMENSIONS, 'tensor', 'a shape of more than 8 dimensions');
  const item = BigInt(/** @type {number} */ (DTYPES.get(dtype)));
  let span = item; // without the zeros: what bounds it
  let size = item;
  for (const side of shape) {
    demand(typeof side === 'number' ? side >= 0 : typeof side === 'bigint' && side >= 0n, 'tensor', 'a negative dimension');
    if (BigInt(side)) span *= BigInt(side);
    size *= BigInt(side);
    demand(span <= MAX_TENSOR_BYTES, 'tensor', 'a tensor of more than 2^48 bytes');
  }
  return { name, dtype, shape: shape.map(Number), bytes: Number(size) };
}

/** @param {Uint8Array} manifest @returns {Omit<Tensor, 'offset'>[]} */
function readManifest(manifest) {
  let entries;
  try {
    entries = decode(manifest, MAX_MANIFEST);
  } catch (error) {
    throw new QrfldError('tensor', `the manifest: ${/** @type {Error} */ (error).message}`);
  }
  demand(Array.isArray(entries) && entries.length >= 1 && entries.length <= MAX_TENSORS, 'tensor', 'a manifest of 0 or of more than 4,096 entries');
  const tensors = entries.map(readEntry);
  demand(new Set(tensors.map(({ name }) => name)).size === tensors.length, 'tensor', 'a name twice');
  return tensors;
}

/** Blocks follow from dtype and shape. @param {Omit<Tensor, 'offset'>[]} tensors @param {number} start @param {number} limit */
function place(tensors, start, limit) {
  let end = start;
  const placed = tensors.map((tensor) => {
    const offset = roundUp(end, /** @type {number} */ (DTYPES.get(tensor.dtype)));
    end = offset + tensor.bytes;
    // Each block is at most 2^48 bytes: the sum is exact as long as it stops here.
    demand(end <= limit, 'tensor', 'more data than allowed');
    return { ...tensor, offset };
  });
  return { tensors: placed, end };
}

/**
 * Checks everything that section 15.2 says of a blob.
 * @param {Uint8Array} blob
 * @param {number} limit the most bytes it may have
 * @returns {{ manifest: Uint8Array, tensors: Tensor[], start: number }} `start`: where the data begins
 * @throws {QrfldError} `tensor`
 */
export function readModel(blob, limit) {
  demand(blob.length <= limit, 'tensor', `a model of ${blob.length} bytes`);
  demand(blob.length >= 8 && same(blob.subarray(0, 4), MAGIC), 'tensor', 'no model: the magic is missing');
  const size = view(blob).getUint32(4);
  demand(size <= MAX_MANIFEST && 8 + size <= blob.length, 'tensor', 'a manifest that is too long');
  const manifest = blob.slice(8, 8 + size);
  const start = roundUp(8 + size, ALIGNMENT);
  const { tensors, end } = place(readManifest(manifest), start, blob.length);
  demand(end === blob.length, 'tensor', 'the blob does not end with its last block');
  let at = 8 + size;
  for (const { offset, bytes } of tensors) {
    demand(blob.subarray(at, offset).every((byte) => byte === 0), 'tensor', 'padding that is not zero');
    at = offset + bytes;
  }
  return { manifest, tensors, start };
}

/**
 * The data of a model whose tensors are all `f4`, as one vector.
 * @param {Uint8Array} blob @param {number} limit
 * @returns {{ manifest: Uint8Array, tensors: Tensor[], start: number, data: Float32Array }}
 */
export function readFloats(blob, limit) {
  const model = readModel(blob, limit);
  demand(model.tensors.every(({ dtype }) => dtype === 'f4'), 'tensor', 'a model that is trained has f4 tensors only');
  const data = new Float32Array((blob.length - model.start) / 4);
  const source = view(blob);
  for (let i = 0; i < data.length; i++) data[i] = source.getFloat32(model.start + 4 * i, true);
  demand(data.every(Number.isFinite), 'tensor', 'a number that is not finite');
  return { ...model, data };
}

/** A blob with this manifest, byte for byte. @param {Uint8Array} manifest @param {Float32Array} data @returns {Uint8Array} */
export function writeFloats(manifest, data) {
  const start = roundUp(8 + manifest.length, ALIGNMENT);
  const blob = new Uint8Array(start + 4 * data.length);
  blob.set(concat(MAGIC, u32(manifest.length), manifest));
  const target = view(blob);
  data.forEach((value, i) => target.setFloat32(start + 4 * i, value, true));
  return blob;
}

/** @param {[string, string, number[]][]} entries @returns {Uint8Array} the manifest of these tensors */
export const writeManifest = (entries) => encode(entries);
