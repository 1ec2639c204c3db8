// Section 13: what is signed.
import { sha256 } from '@noble/hashes/sha2.js';
import { isName, parseAddress } from './addresses.js';
import { ascii, concat, hex, same, u8 } from './bytes.js';
import { F64 } from './canonical.js';
import { demand } from './errors.js';
import { nodeId } from './identity.js';
import {
  array, bytes, float, FRACTION, HASH, integer, NODE, NONNEG, RUN, structure, text, tuple, U16, U32, U63, U8,
} from './structures.js';
import { SUITES, suiteOf, verifies } from './suites.js';

export const MAX_ENVELOPE = 65536;
const MAX_BODY = 61440;
const MAX_KEY = 4096;
const ENVELOPE = structure(
  { kind: [1, U8], body: [2, bytes(0, MAX_BODY)], signer: [3, NODE], signature: [4, bytes(0, 5000)] },
  { closed: true },
);

const NAME = text(1, 64);
const NO_RECORD = new Uint8Array(32);
/** What stands for the record before the first. */
export const FIRST = hex(NO_RECORD);

export const VERDICTS = Object.freeze({ used: 1, suspect: 2, refused: 3 });

/** A `params` value: an integer of 64 bits, a float, a bool or text 255. */
const PARAM = {
  read(/** @type {any} */ value) {
    const number = typeof value === 'number' || typeof value === 'bigint';
    const fits = number ? value <= (1n << 63n) - 1n : typeof value === 'boolean' || value instanceof F64;
    if (!fits) text(0, 255).read(value);
    return value;
  },
  write(/** @type {any} */ value) {
    return PARAM.read(value);
  },
};

const UPDATE_ENTRY = structure({ node: [0, NODE], update: [2, HASH], samples: [4, U32], verdict: [6, integer(1, 3)] });
const LIMITS = structure({ maxMembers: [1, integer(1, 1000)], maxModelBytes: [2, integer(1, 2 ** 40)] });

/**
 * The kinds: name, body, `rules` between the body's fields, and what `check` compares with the signer.
 * @type {Record<number, { name: string, body: any, rules?: (body: any) => void, check?: (body: any, signer: Uint8Array) => void }>}
 */
const KINDS = {
  1: {
    name: 'genesis',
    body: structure({
      format: [0, U8],
      name: [2, NAME],
      suites: [4, array(U8, 1, 8)],
      founderSuite: [6, U8],
      founderKey: [8, bytes(0, MAX_KEY)],
      validators: [10, array(NODE, 1, 13)],
      limits: [12, LIMITS],
      createdAt: [14, U63],
      nonce: [16, bytes(16)],
    }),
    check: checkGenesis,
  },
  2: {
    name: 'admission',
    body: structure({
      federation: [0, HASH],
      suiteId: [2, U8],
      publicKey: [4, bytes(0, MAX_KEY)],
      name: [6, NAME],
      issuedAt: [8, U63],
      issuer: [10, NODE],
      serial: [12, bytes(16)],
    }),
    check(/** @type {any} */ body, /** @type {Uint8Array} */ signer) {
      demand(same(body.issuer, signer), 'statement', 'a certificate whose issuer did not sign it');
      demand(isName(body.name), 'statement', 'a name that is not allowed');
      demand(SUITES.get(body.suiteId)?.publicKeyBytes === body.publicKey.length, 'statement', 'a key of another size');
    },
  },
  3: {
    name: 'address-record',
    body: structure({ federation: [0, HASH], node: [2, NODE], sequence: [4, U63], addresses: [6, array(text(3, 255), 0, 8)] }),
    check(/** @type {any} */ body, /** @type {Uint8Array} */ signer) {
      demand(same(body.node, signer), 'statement', 'an address record of another node');
      body.addresses.forEach(parseAddress);
    },
  },
  16: {
    name: 'run-config',
    body: structure({
      federation: [0, HASH],
      coordinator: [2, NODE],
      task: [4, NAME],
      taskDigest: [6, HASH],
      params: [8, array(tuple(NAME, PARAM), 0, 32)],
      rounds: [10, integer(1, 100000)],
      rule: [12, text(1, 32)],
      f: [14, U16],
      quorum: [16, integer(1, 512)],
      deadlineSeconds: [18, float((value) => value > 0 && value <= 604800, 'a deadline')],
      seed: [20, U63],
      members: [22, array(NODE, 0, 512)],
      startedAt: [24, U63],
      nonce: [26, bytes(16)],
    }),
    rules: checkConfig,
    check(/** @type {any} */ body, /** @type {Uint8Array} */ signer) {
      demand(same(body.coordinator, signer), 'statement', 'a run that its coordinator did not sign');
    },
  },
  17: {
    name: 'update',
    body: structure({
      run: [0, RUN], round: [2, U32], baseModel: [4, HASH], update: [6, HASH], updateBytes: [8, U63], samples: [10, U32], loss: [12, NONNEG],
    }),
  },
  18: {
    name: 'round-record',
    body: structure({
      run: [0, RUN],
      round: [2, U32],
      previous: [4, HASH],
      baseModel: [6, HASH],
      model: [8, HASH],
      rule: [10, text(1, 32)],
      f: [12, U16],
      updates: [14, array(UPDATE_ENTRY, 0, 512)],
      stragglers: [16, array(NODE, 0, 512)],
      evaluations: [18, integer(0, 512)],
      accuracy: [20, FRACTION, 'optional'],
      loss: [22, NONNEG, 'optional'],
      seconds: [24, NONNEG],
      bytesSent: [26, U63],
      bytesReceived: [28, U63],
      finishedAt: [30, U63],
    }),
    rules: checkRecord,
  },
};

/** @param {any} body @param {Uint8Array} signer */
function checkGenesis(body, signer) {
  demand(body.format === 1, 'statement', `a genesis of format ${body.format}`);
  demand(isName(body.name), 'statement', 'a name that is not allowed');
  demand(distinct(body.suites) && body.suites.includes(body.founderSuite), 'statement', 'the suites of the genesis');
  demand(SUITES.get(body.founderSuite)?.publicKeyBytes === body.founderKey.length, 'statement', 'the key of the founder');
  demand(same(nodeId(body.founderSuite, body.founderKey), signer), 'statement', 'a genesis that its founder did not sign');
  demand(body.validators.length === 1 && same(body.validators[0], signer), 'statement', 'a validator beside the founder');
}

/** @param {any} body */
function checkConfig(body) {
  demand(distinct(body.members.map(hex)), 'encoding', 'a member twice');
  demand(body.quorum <= body.members.length, 'encoding', 'a quorum above the number of members');
  const names = body.params.map(([name]) => name);
  demand(names.every((name, i) => i === 0 || comparePoints(names[i - 1], name) < 0), 'encoding', 'params that do not ascend');
}

/** @param {any} body */
function checkRecord(body) {
  const nodes = [...body.updates.map(({ node }) => node), ...body.stragglers].map(hex);
  demand(nodes.length <= 512 && distinct(nodes), 'encoding', 'a node twice in a record');
  const counted = body.evaluations !== 0;
  demand(counted === (body.accuracy !== undefined) && counted === (body.loss !== undefined), 'encoding', 'a record\'s scores');
}

/** @param {unknown[]} items */
const distinct = (items) => new Set(items).size === items.length;

/** Order of code points; JavaScript's `<` is that of UTF-16. @param {string} a @param {string} b */
function comparePoints(a, b) {
  const [left, right] = [[...a], [...b]].map((points) => points.map((point) => /** @type {number} */ (point.codePointAt(0))));
  const at = left.findIndex((point, i) => point !== right[i]);
  if (at === -1) return left.length - right.length;
  return at < right.length ? left[at] - right[at] : 1;
}

/** @param {number} kind */
const context = (kind) => `qrfld-1 statement ${KINDS[kind].name}`;
/** @param {number} kind @param {Uint8Array} signer @param {Uint8Array} body */
const signed = (kind, signer, body) => concat(u8(kind), signer, body);

/** @param {number} kind @param {Uint8Array} signer @param {Uint8Array} body @returns {Uint8Array} */
export const statementId = (kind, signer, body) => sha256(concat(ascii('qrfld-1 statement'), signed(kind, signer, body)));

/**
 * @typedef {object} Statement
 * @property {Uint8Array} bytes the envelope, as received
 * @property {Uint8Array} id
 * @property {Uint8Array} signer
 * @property {any} body
 */

/** @param {number} kind @param {any} body @param {import('./identity.js').Identity} identity @returns {Statement} */
export function sign(kind, body, identity) {
  const data = writeBody(kind, body);
  const signature = identity.sign(signed(kind, identity.id, data), context(kind));
  const envelope = ENVELOPE.encode({ kind, body: data, signer: identity.id, signature });
  return { bytes: envelope, id: statementId(kind, identity.id, data), signer: identity.id, body };
}

/** A body with the rules between its fields. @param {number} kind @param {Uint8Array} data @returns {any} @throws {import('./errors.js').QrfldError} `encoding` */
export function readBody(kind, data) {
  const body = KINDS[kind].body.decode(data, MAX_BODY);
  KINDS[kind].rules?.(body);
  return body;
}

/** @param {number} kind @param {any} body @returns {Uint8Array} */
export const writeBody = (kind, body) => KINDS[kind].body.encode(body);

/**
 * Section 13's order: envelope, kind, signer, signature, body.
 * @param {Uint8Array} envelope
 * @param {number} kind
 * @param {{ suite: number, publicKey: Uint8Array }} key of the signer
 * @param {Uint8Array} [federation] to which the body has to belong if it names one
 * @returns {Statement}
 * @throws {import('./errors.js').QrfldError} `encoding`, `statement`
 */
export function verify(envelope, kind, key, federation) {
  const read = ENVELOPE.decode(envelope, MAX_ENVELOPE);
  demand(read.kind === kind, 'statement', `a statement of kind ${read.kind} instead of ${kind}`);
  demand(same(read.signer, nodeId(key.suite, key.publicKey)), 'statement', 'another signer');
  const data = signed(kind, read.signer, read.body);
  demand(verifies(suiteOf(key.suite), read.signature, data, key.publicKey, context(kind)), 'statement', 'the signature is wrong');
  const body = readBody(kind, read.body);
  KINDS[kind].check?.(body, read.signer);
  demand(!body.federation || (federation && same(body.federation, federation)), 'statement', 'a statement of another federation');
  return { bytes: envelope, id: statementId(kind, read.signer, read.body), signer: read.signer, body };
}

/** The body of a statement that is not verified yet: to find the key that shall verify it. @param {Uint8Array} envelope @param {number} kind @returns {any} */
export function peek(envelope, kind) {
  const read = ENVELOPE.decode(envelope, MAX_ENVELOPE);
  demand(read.kind === kind, 'statement', `a statement of kind ${read.kind} instead of ${kind}`);
  return readBody(kind, read.body);
}

/** The document that proves itself: it holds the key that signed it. @param {Uint8Array} envelope @returns {Statement} */
export function verifyGenesis(envelope) {
  const { founderSuite, founderKey } = peek(envelope, 1);
  return verify(envelope, 1, { suite: founderSuite, publicKey: founderKey });
}

/**
 * An admission certificate of a federation.
 * @param {Uint8Array} envelope @param {Pick<Statement, 'id' | 'body'>} genesis
 * @returns {{ statement: Statement, id: Uint8Array, name: string, key: { suite: number, publicKey: Uint8Array } }} the member
 */
export function verifyAdmission(envelope, genesis) {
  const founder = { suite: genesis.body.founderSuite, publicKey: genesis.body.founderKey };
  const statement = verify(envelope, 2, founder, genesis.id);
  const { body } = statement;
  demand(genesis.body.suites.includes(body.suiteId), 'statement', 'a suite that the federation does not allow');
  return { statement, id: nodeId(body.suiteId, body.publicKey), name: body.name, key: { suite: body.suiteId, publicKey: body.publicKey } };
}
