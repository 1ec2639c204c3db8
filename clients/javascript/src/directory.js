// Who is a member, by certificate, and where, by address record: what DIGEST and MEMBERS carry.
import { demand, QrfldError } from './errors.js';
import { hex } from './bytes.js';
import { verify, verifyAdmission } from './statements.js';

const MAX_ENTRIES = 7;
/** Two entries of the largest size and their heads still fit one message. */
const MAX_BYTES = 60_000;
const ENTRY_OVERHEAD = 16;

/**
 * @typedef {object} Entry
 * @property {Uint8Array} id
 * @property {string} name
 * @property {{ suite: number, publicKey: Uint8Array }} key
 * @property {Uint8Array} certificate
 * @property {import('./statements.js').Statement | null} addresses
 */

export class Directory {
  /** @param {import('./statements.js').Statement} genesis */
  constructor(genesis) {
    this.genesis = genesis;
    /** @type {Map<string, Entry>} */
    this.entries = new Map();
  }

  /** @param {Uint8Array} id @returns {Entry | undefined} */
  get(id) {
    return this.entries.get(hex(id));
  }

  /**
   * Learns a member.
   * @param {Uint8Array} certificate @param {Uint8Array} [addresses]
   * @returns {Entry}
   * @throws {QrfldError} `encoding`, `statement`; `not-admitted` beyond the federation's size
   */
  add(certificate, addresses) {
    const member = verifyAdmission(certificate, this.genesis);
    const known = this.get(member.id);
    demand(known || this.entries.size < this.genesis.body.limits.maxMembers, 'not-admitted', 'more members than the federation allows');
    const entry = known ?? { id: member.id, name: member.name, key: member.key, certificate, addresses: null };
    const record = addresses && this.#addresses(entry, addresses);
    this.entries.set(hex(entry.id), entry);
    if (record && (!entry.addresses || record.body.sequence > entry.addresses.body.sequence)) entry.addresses = record;
    return entry;
  }

  /** @param {Entry} entry @param {Uint8Array} envelope */
  #addresses(entry, envelope) {
    return verify(envelope, 3, entry.key, this.genesis.id);
  }

  /** @returns {{ members: [Uint8Array, bigint][] }} DIGEST */
  digest() {
    return { members: [...this.entries.values()].map(({ id, addresses }) => [id, addresses?.body.sequence ?? 0n]) };
  }

  /**
   * What a digest lacks or has older, as the fields of MEMBERS messages.
   * @param {{ members: [Uint8Array, bigint][] }} digest
   * @returns {{ entries: { certificate: Uint8Array, addresses?: Uint8Array }[] }[]}
   */
  missingIn({ members }) {
    const has = new Map(members.map(([id, sequence]) => [hex(id), sequence]));
    const messages = [];
    let bytes = Infinity;
    for (const [id, { certificate, addresses }] of this.entries) {
      const known = has.get(id);
      if (known !== undefined && known >= (addresses?.body.sequence ?? 0n)) continue;
      const size = certificate.length + (addresses?.bytes.length ?? 0) + ENTRY_OVERHEAD;
      if (bytes + size > MAX_BYTES || messages[messages.length - 1].entries.length === MAX_ENTRIES) {
        messages.push({ entries: [] });
        bytes = 0;
      }
      messages[messages.length - 1].entries.push(addresses ? { certificate, addresses: addresses.bytes } : { certificate });
      bytes += size;
    }
    return messages;
  }
}
