// A member's whole life: redeem a token, keep sessions with the other members, take part in runs.
import { parseAddress } from './addresses.js';
import { hex, same } from './bytes.js';
import { Directory } from './directory.js';
import { codeName, demand, QrfldError } from './errors.js';
import { Initiator } from './handshake.js';
import { Resumption, TICKET_MS } from './resumption.js';
import { Run } from './run.js';
import { dial } from './session.js';
import { peek, verify, verifyAdmission, verifyGenesis } from './statements.js';

export const SOFTWARE = 'qrfld-js/0.1.0';
const MAX_RUNS = 64;
const MAX_PEERS = 127;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 15_000;
/** Messages that can be read but are wrong; beyond this many in a session the peer is not worth it. */
const MAX_REFUSED = 100;
/** What this client is willing to hold in memory, whatever the federation allows. */
const DEFAULT_MODEL_BYTES = 256 << 20;

/** Runs one attempt at each address until one succeeds. @template T @param {string[]} addresses @param {(address: {host: string, port: number}) => Promise<T>} attempt @returns {Promise<T>} */
async function firstOf(addresses, attempt) {
  let error = new QrfldError('unreachable', 'no address is known');
  for (const address of addresses) {
    try {
      return await attempt(parseAddress(address));
    } catch (failed) {
      error = /** @type {QrfldError} */ (failed);
    }
  }
  throw error;
}

/**
 * Sections 12 and 14: becomes a member, and keeps identity, genesis and certificate.
 * @param {any} token parsed
 * @param {string} name
 * @param {import('./files.js').Files} files
 * @returns {Promise<import('./files.js').Membership>}
 * @throws {QrfldError} `refused-join` with the issuer's reason, or why no session came about
 */
export async function join(token, name, files) {
  const identity = files.identity(token.suiteId);
  const session = await firstOf(token.addresses, (address) => dial(address, new Initiator(identity, token.federation, token.issuer)));
  const { genesis, certificate } = await welcome(session, token, name);
  const federation = verifyGenesis(genesis);
  demand(same(federation.id, token.federation), 'statement', 'the genesis of another federation');
  demand(same(verifyAdmission(certificate, federation).id, identity.id), 'statement', 'a certificate for another node');
  files.saveMembership({ genesis, certificate, issuer: { id: token.issuer, addresses: token.addresses } });
  return files.membership();
}

/** @param {import('./session.js').Session} session @param {any} token @param {string} name @returns {Promise<{ genesis: Uint8Array, certificate: Uint8Array }>} */
async function welcome(session, token, name) {
  const timer = setTimeout(() => session.end(new QrfldError('truncated', 'no answer to JOIN')), 30_000);
  session.send('JOIN', { tokenId: token.tokenId, secret: token.secret, name });
  /** @type {any} */
  let answer;
  try {
    await session.run((message, fields) => {
      if (message === 'WELCOME') answer = fields;
      if (message === 'REFUSED' && fields.about === 2) throw new QrfldError('refused-join', `${codeName(fields.error)}: ${JSON.stringify(fields.reason)}`);
      if (answer) throw new QrfldError('normal', 'joined');
    });
  } catch (error) {
    if (!answer) throw error;
  } finally {
    clearTimeout(timer);
  }
  return answer;
}

/**
 * @typedef {object} MemberOptions
 * @property {import('./task.js').Task[]} tasks
 * @property {(event: any) => void} [report] what people and tests may want to know
 * @property {number} [maxModelBytes]
 * @property {import('./session.js').SessionOptions} [session]
 */

export class Member {
  /** @param {import('./files.js').Membership} membership @param {import('./files.js').Files} files @param {MemberOptions} options */
  constructor(membership, files, { tasks, report = () => {}, maxModelBytes = DEFAULT_MODEL_BYTES, session = {} }) {
    this.membership = membership;
    this.identity = membership.identity;
    this.federation = membership.genesis.id;
    this.report = report;
    this.sessionOptions = session;
    this.directory = new Directory(membership.genesis);
    this.directory.add(membership.certificate);
    this.surroundings = {
      identity: this.identity,
      files,
      tasks: new Map(tasks.map((task) => [task.name, task])),
      maxModelBytes: Math.min(maxModelBytes, membership.genesis.body.limits.maxModelBytes),
      report,
    };
    /** @type {Map<string, Run>} */
    this.runs = new Map();
    /** @type {Map<string, import('./resumption.js').Ticket>} by peer, in memory only */
    this.tickets = new Map();
    /** @type {Map<string, import('./session.js').Session>} */
    this.sessions = new Map();
    /** @type {Map<string, Promise<void>>} */
    this.dialling = new Map();
    this.stopping = new AbortController();
  }

  /** Keeps sessions until `stop`. */
  async live() {
    this.#keep(this.membership.issuer.id);
    while (!this.stopping.signal.aborted) await this.#pause(LONGEST_PAUSE_MS);
    await Promise.all(this.dialling.values());
  }

  /** Ends all sessions and lets `live` return. */
  stop() {
    this.stopping.abort();
    for (const session of this.sessions.values()) session.end(new QrfldError('shutting-down', 'this node stops'));
  }

  /** @param {number} ms */
  #pause(ms) {
    const { signal } = this.stopping;
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve(undefined);
      }
      if (signal.aborted) done();
      else signal.addEventListener('abort', done);
    });
  }

  /** @param {Uint8Array} id @returns {string[]} */
  #addresses(id) {
    const { issuer } = this.membership;
    const record = this.directory.get(id)?.addresses?.body.addresses ?? [];
    return [...new Set([...record, ...(same(id, issuer.id) ? issuer.addresses : [])])];
  }

  /** Begins to dial a member, once. @param {Uint8Array} id */
  #keep(id) {
    const peer = hex(id);
    if (same(id, this.identity.id) || this.dialling.has(peer) || this.dialling.size >= MAX_PEERS) return;
    const member = this.directory.get(id);
    if (member && member.key.suite !== this.identity.suite.id) return; // they cannot talk in this version
    this.dialling.set(peer, this.#dialForEver(id));
  }

  /** @param {Uint8Array} id */
  async #dialForEver(id) {
    let pause = FIRST_PAUSE_MS;
    while (!this.stopping.signal.aborted) {
      try {
        const session = await this.#dial(id);
        pause = FIRST_PAUSE_MS;
        await this.#attend(session);
      } catch (error) {
        const { code = 'internal', message } = /** @type {QrfldError} */ (error);
        this.report({ event: 'session-ended', peer: hex(id), code, reason: message });
      }
      await this.#pause(pause * (0.75 + Math.random() / 2));
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
  }

  /**
   * By ticket if there is one, else, or if that fails, by a full handshake.
   * @param {Uint8Array} id
   * @returns {Promise<Attended>}
   */
  async #dial(id) {
    const ticket = this.tickets.get(hex(id));
    this.tickets.delete(hex(id));
    if (ticket && performance.now() - ticket.fullAt < TICKET_MS) {
      try {
        const handshake = new Resumption(this.identity.id, this.federation, id, ticket);
        return { session: await dial(ticket.address, handshake, this.sessionOptions), fullAt: ticket.fullAt, resumed: true };
      } catch (error) {
        this.report({ event: 'resumption-failed', peer: hex(id), reason: /** @type {Error} */ (error).message });
      }
    }
    const full = (/** @type {{host: string, port: number}} */ address) =>
      dial(address, new Initiator(this.identity, this.federation, id), this.sessionOptions);
    return { session: await firstOf(this.#addresses(id), full), fullAt: performance.now(), resumed: false };
  }

  /** From HELLO to the end. @param {Attended} attended */
  async #attend(attended) {
    const { session, resumed } = attended;
    const peer = hex(session.peer);
    this.sessions.set(peer, session);
    if (this.stopping.signal.aborted) session.end(new QrfldError('shutting-down', 'this node stops'));
    let met = false;
    let refused = 0;
    session.send('HELLO', resumed ? { software: SOFTWARE } : { software: SOFTWARE, certificate: this.membership.certificate });
    try {
      await session.run((name, fields) => {
        if (!met) {
          if (name !== 'HELLO') return;
          this.#meet(attended, fields);
          met = true;
          return;
        }
        try {
          this.#onMessage(session, name, fields);
        } catch (error) {
          if (!(error instanceof QrfldError)) throw error;
          this.report({ event: 'refused', peer, message: name, code: error.code, reason: error.message });
          if (++refused > MAX_REFUSED) throw new QrfldError('rate-limited', 'too many messages that are wrong');
        }
      });
    } finally {
      if (this.sessions.get(peer) === session) this.sessions.delete(peer);
    }
  }

  /** The peer's HELLO. @param {Attended} attended @param {any} hello */
  #meet({ session, fullAt, resumed }, { certificate, addresses, software }) {
    const { peer, secrets } = session;
    try {
      demand(certificate ?? resumed, 'not-admitted', 'a HELLO without a certificate');
      const entry = certificate ? this.directory.add(certificate, addresses) : this.directory.get(peer);
      demand(entry && same(entry.id, peer), 'not-admitted', 'the certificate of another node');
    } catch (error) {
      throw new QrfldError('not-admitted', /** @type {Error} */ (error).message);
    }
    const { suite, aead, ticket } = secrets;
    this.tickets.set(hex(peer), { suite, aead, id: ticket.id, secret: ticket.secret, fullAt, address: session.address });
    this.report({ event: 'session', peer: hex(peer), software, resumed, aead });
    void this.#openBulk(session);
  }

  /** @param {import('./session.js').Session} session */
  async #openBulk(session) {
    try {
      await session.openBulk((hash) => this.#supply(session.peer, hash));
      session.send('DIGEST', this.directory.digest());
    } catch (error) {
      this.report({ event: 'no-bulk', peer: hex(session.peer), reason: /** @type {Error} */ (error).message });
      session.end(new QrfldError('normal', 'no bulk connection'));
    }
  }

  /** A node gives its update to the run's coordinator only. @param {Uint8Array} peer @param {Uint8Array} hash */
  #supply(peer, hash) {
    for (const run of this.runs.values()) {
      const blob = same(run.coordinator, peer) ? run.supply(hash) : null;
      if (blob) return blob;
    }
    return null;
  }

  /** @param {import('./session.js').Session} session @param {string} name @param {any} fields */
  #onMessage(session, name, fields) {
    switch (name) {
      case 'DIGEST':
        for (const members of this.directory.missingIn(fields)) session.send('MEMBERS', members);
        return;
      case 'MEMBERS':
        return this.#onMembers(fields.entries);
      case 'REFUSED':
        this.report({ event: 'refused-by-peer', peer: hex(session.peer), about: fields.about, error: codeName(fields.error), reason: fields.reason });
        return;
      case 'RUN_OFFER':
        this.#offered(session, fields.config).attach(session);
        return;
      case 'ROUND_START': return this.#onStart(session, fields);
      case 'EVALUATE': return this.#run(session, fields).onEvaluate(fields);
      case 'UPDATE_RECEIPT': return this.#run(session, fields).onReceipt(fields);
      case 'RUN_END': return this.#run(session, fields).onEnd(fields);
      case 'ROUND_RECORD': return this.#onRecord(session, fields);
      default: throw new QrfldError('refused', `a ${name} to a member`);
    }
  }

  /** Entry by entry: one of a suite that is not known here hides none after it. @param {{ certificate: Uint8Array, addresses?: Uint8Array }[]} entries */
  #onMembers(entries) {
    /** @type {unknown[]} */
    const refused = [];
    for (const { certificate, addresses } of entries) {
      try {
        this.#keep(this.directory.add(certificate, addresses).id);
      } catch (error) {
        refused.push(error);
      }
    }
    if (refused.length) throw refused[0];
  }

  /** @param {import('./session.js').Session} session @param {Uint8Array} envelope @returns {Run} */
  #offered(session, envelope) {
    const coordinator = /** @type {import('./directory.js').Entry} */ (this.directory.get(session.peer));
    const config = verify(envelope, 16, coordinator.key, this.federation);
    const known = this.runs.get(hex(config.id.slice(0, 16)));
    if (known) return known;
    if (this.runs.size >= MAX_RUNS) this.#dropOldest();
    const run = new Run(config, coordinator, this.surroundings);
    this.runs.set(run.name, run);
    this.report({ event: 'run', run: run.name, task: config.body.task, rounds: config.body.rounds, place: run.place, refusal: run.refusal });
    return run;
  }

  /** The oldest run that is over, else the oldest. */
  #dropOldest() {
    const runs = [...this.runs.values()];
    const oldest = runs.find(({ ended }) => ended) ?? runs[0];
    oldest.onEnd({ state: 3, reason: 'too many runs' });
    this.runs.delete(oldest.name);
  }

  /** A run's messages come from its coordinator. @param {import('./session.js').Session} session @param {any} fields @returns {Run} */
  #run({ peer }, { run }) {
    const found = this.runs.get(hex(run));
    demand(found && same(found.coordinator, peer), 'refused', 'a run that this peer does not coordinate');
    return found;
  }

  /** @param {import('./session.js').Session} session @param {any} fields */
  #onStart(session, fields) {
    if (this.runs.has(hex(fields.run))) return this.#run(session, fields).onStart(fields);
    session.send('TRAINING_FAILED', { run: fields.run, round: fields.round, reason: 'this node does not know the run' });
  }

  /** Which run a record is of stands inside. @param {import('./session.js').Session} session @param {any} fields */
  #onRecord(session, fields) {
    return this.#run(session, peek(fields.statement, 18)).onRecord(fields);
  }
}

/**
 * @typedef {object} Attended
 * @property {import('./session.js').Session} session
 * @property {number} fullAt monotonic time of the last full handshake
 * @property {boolean} resumed
 */
