// What a node keeps on disk: secrets, so everything is for its owner's eyes only.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { demand } from './errors.js';
import { hex, unhex } from './bytes.js';
import { Identity } from './identity.js';
import { suiteOf } from './suites.js';
import { verifyAdmission, verifyGenesis } from './statements.js';

const FILE = 'member.json';
const FORMAT = 1;

/** Writes a file of mode 0600 that appears whole or not at all. @param {string} path @param {unknown} value */
function writePrivate(path, value) {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  writeFileSync(fresh, JSON.stringify(value), { mode: 0o600, flag: 'wx', flush: true });
  renameSync(fresh, path);
}

/**
 * Who this node is and where it belongs.
 * @typedef {object} Membership
 * @property {Identity} identity
 * @property {import('./statements.js').Statement} genesis
 * @property {Uint8Array} certificate
 * @property {{ id: Uint8Array, addresses: string[] }} issuer whom it met first
 */

/** The files of one node. */
export class Files {
  /** @param {string} home a directory, made with mode 0700 if need be */
  constructor(home) {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    this.home = home;
  }

  #path(/** @type {string} */ name) {
    return join(this.home, name);
  }

  /** @param {string} name @returns {any} null if there is no such file */
  #read(name) {
    try {
      return JSON.parse(readFileSync(this.#path(name), 'utf8'));
    } catch (error) {
      if (/** @type {any} */ (error).code === 'ENOENT') return null;
      throw error;
    }
  }

  /** The identity that JOIN uses: made once, so that a repeated JOIN is the same node's. @param {number} suite */
  identity(suite) {
    const kept = this.#read('identity.json');
    if (kept) {
      demand(kept.suite === suite, 'home', `the identity in ${this.home} is of suite ${kept.suite}`);
      return new Identity(suiteOf(suite), unhex(kept.seed));
    }
    const identity = Identity.make(suite);
    writePrivate(this.#path('identity.json'), { format: FORMAT, suite, seed: hex(identity.seed) });
    return identity;
  }

  /** @param {Omit<Membership, 'identity' | 'genesis'> & { genesis: Uint8Array }} membership */
  saveMembership({ genesis, certificate, issuer }) {
    writePrivate(this.#path(FILE), {
      format: FORMAT, genesis: hex(genesis), certificate: hex(certificate), issuer: { id: hex(issuer.id), addresses: issuer.addresses },
    });
  }

  /** @returns {Membership} checked again, @throws {import('./errors.js').QrfldError} `home` if there is none */
  membership() {
    const kept = this.#read(FILE);
    const key = this.#read('identity.json');
    demand(kept && key, 'home', `${this.home} holds no member: qrfld-js join TOKEN --home ${this.home}`);
    const genesis = verifyGenesis(unhex(kept.genesis));
    const certificate = unhex(kept.certificate);
    const identity = new Identity(suiteOf(key.suite), unhex(key.seed));
    demand(hex(verifyAdmission(certificate, genesis).id) === hex(identity.id), 'home', 'the certificate is another node\'s');
    return { identity, genesis, certificate, issuer: { id: unhex(kept.issuer.id), addresses: kept.issuer.addresses } };
  }

  /** A signed update outlives a restart: a member has one a round. @param {string} run @param {any} update */
  saveUpdate(run, { round, model, statement, blob }) {
    writePrivate(this.#path(`update-${run}.json`), { round, model, statement: hex(statement), blob: hex(blob) });
  }

  /** @param {string} run in hex @returns {any} */
  update(run) {
    const kept = this.#read(`update-${run}.json`);
    return kept && { ...kept, statement: unhex(kept.statement), blob: unhex(kept.blob) };
  }

  /** @param {string} run in hex */
  forgetUpdate(run) {
    rmSync(this.#path(`update-${run}.json`), { force: true });
  }
}
