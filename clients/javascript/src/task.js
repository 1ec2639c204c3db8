// What a member trains. A task's code never travels: both ends have it, and compare digests.

/**
 * @typedef {object} Model the model of a round, as `readFloats` gives it
 * @property {Uint8Array} manifest
 * @property {import('./tensors.js').Tensor[]} tensors
 * @property {number} start
 * @property {Float32Array} data
 */

/**
 * @typedef {object} Circumstances
 * @property {any} config body of the run configuration
 * @property {number} round from 1
 * @property {number} place of this node among the run's members, from 0
 */

/**
 * @typedef {object} Task
 * @property {string} name
 * @property {Uint8Array} digest 32: what a run configuration has to name
 * @property {(params: [string, any][]) => void} accept throws with the reason if it does not know a parameter
 * @property {(model: Model, circumstances: Circumstances) => Promise<{ delta: Float32Array, samples: number, loss: number }>} train
 * @property {(model: Model, circumstances: Circumstances) => Promise<{ accuracy: number, loss: number, samples: number }>} evaluate
 */

export {};
