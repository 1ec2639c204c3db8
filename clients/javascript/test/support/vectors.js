// The files of spec/vectors, with hex strings turned into bytes.
import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../../../spec/vectors/', import.meta.url);

/** @param {string} name of a file below spec/vectors @returns {any} */
export const vectors = (name) => JSON.parse(readFileSync(new URL(name, ROOT), 'utf8'));

/** Names of the JSON files in one folder of spec/vectors. @param {string} folder @returns {string[]} */
export const files = (folder) =>
  readdirSync(new URL(folder, ROOT)).filter((name) => name.endsWith('.json')).sort().map((name) => `${folder}${name}`);
