// Section 12: messages of the control connection.
import { demand, QrfldError } from './errors.js';
import { array, BOOL, bytes, FRACTION, HASH, integer, NODE, NONNEG, RUN, SECONDS, structure, text, tuple, U16, U32, U63 } from './structures.js';

const MAX_STRUCTURE = 65536;
const STATEMENT = bytes(1, 65472);
const DOCUMENT = bytes(1, 16384);
const REASON = text(0, 255);
const MEMBER = structure({ certificate: [0, DOCUMENT], addresses: [1, DOCUMENT, 'optional'] });

/** Code and structure by name. @type {Record<string, [number, ReturnType<typeof structure>]>} */
const TABLE = {
  HELLO: [1, structure({ software: [0, text(0, 64)], certificate: [2, DOCUMENT, 'optional'], addresses: [3, DOCUMENT, 'optional'] })],
  JOIN: [2, structure({ tokenId: [0, bytes(16)], secret: [2, bytes(32)], name: [4, text(1, 64)] })],
  WELCOME: [3, structure({ genesis: [0, DOCUMENT], certificate: [2, DOCUMENT] })],
  REFUSED: [4, structure({ about: [0, U16], error: [2, U16], reason: [4, REASON] })],
  MEMBERS: [5, structure({ entries: [0, array(MEMBER, 0, 7)] })],
  DIGEST: [6, structure({ members: [0, array(tuple(NODE, U63), 0, 1000)] })],
  RUN_OFFER: [10, structure({ config: [0, STATEMENT] })],
  ROUND_START: [11, structure({ run: [0, RUN], round: [2, U32], model: [4, HASH], modelBytes: [6, U63], previous: [8, HASH], secondsLeft: [10, SECONDS] })],
  UPDATE: [12, structure({ statement: [0, STATEMENT] })],
  UPDATE_RECEIPT: [13, structure({ run: [0, RUN], round: [2, U32], update: [4, HASH], accepted: [6, BOOL], reason: [8, REASON] })],
  EVALUATE: [14, structure({ run: [0, RUN], round: [2, U32], model: [4, HASH], modelBytes: [6, U63] })],
  EVALUATION: [15, structure({ run: [0, RUN], round: [2, U32], model: [4, HASH], accuracy: [6, FRACTION], loss: [8, NONNEG], samples: [10, U32] })],
  ROUND_RECORD: [16, structure({ statement: [0, STATEMENT] })],
  RUN_END: [17, structure({ run: [0, RUN], state: [2, integer(1, 3)], reason: [4, REASON] })],
  TRAINING_FAILED: [18, structure({ run: [0, RUN], round: [2, U32], reason: [4, REASON] })],
  RUN_SYNC: [19, structure({ run: [0, RUN], nextRound: [2, U32] })],
};

const BY_CODE = new Map(Object.entries(TABLE).map(([name, [code, type]]) => [code, { name, type }]));

/** @param {string} name @param {any} fields @returns {{ code: number, structure: Uint8Array }} */
export function encodeMessage(name, fields) {
  const [code, type] = TABLE[name];
  return { code, structure: type.encode(fields) };
}

/**
 * @param {number} code @param {Uint8Array} data
 * @returns {{ name: string, fields: any } | null} null for an unknown odd code, which is ignored
 * @throws {import('./errors.js').QrfldError} `bad-message`: an unknown even code, or a structure that is refused
 */
export function decodeMessage(code, data) {
  const found = BY_CODE.get(code);
  if (!found) {
    demand(code % 2 === 1, 'bad-message', `an unknown message ${code}`);
    return null;
  }
  try {
    return { name: found.name, fields: found.type.decode(data, MAX_STRUCTURE) };
  } catch (error) {
    throw new QrfldError('bad-message', `${found.name}: ${/** @type {Error} */ (error).message}`);
  }
}
