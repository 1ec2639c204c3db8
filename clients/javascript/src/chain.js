// Sections 12 (ROUND_RECORD) and 13.6: the records of one run, each checked against the one before.
import { demand } from './errors.js';
import { hex } from './bytes.js';
import { FIRST, VERDICTS, verify } from './statements.js';

const USED = new Set([VERDICTS.used, VERDICTS.suspect]);

export class Chain {
  /** @param {Uint8Array} run @param {any} config body of the run configuration @param {{ suite: number, publicKey: Uint8Array }} coordinator */
  constructor(run, config, coordinator) {
    this.run = run;
    this.config = config;
    this.coordinator = coordinator;
    this.members = new Set(config.members.map(hex));
    /** Number of the newest record; records begin with round 1. */
    this.round = 0;
    this.id = FIRST;
    /** @type {string | null} */
    this.model = null;
    /** @type {any} */
    this.newest = null;
  }

  /**
   * @param {Uint8Array} envelope
   * @returns {any} the record's body, or null for one of a round that is already held: the first stands
   * @throws {import('./errors.js').QrfldError} `encoding`, `statement`: signed by another, or `record`: breaks the chain or the configuration
   */
  add(envelope) {
    const { id, body } = verify(envelope, 18, this.coordinator);
    return this.follow(id, body);
  }

  /** The rules of a record whose signature is right. @param {Uint8Array} id @param {any} body @returns {any} */
  follow(id, body) {
    demand(hex(body.run) === hex(this.run), 'record', 'a record of another run');
    if (body.round >= 1 && body.round <= this.round) return null;
    demand(body.round === this.round + 1, 'record', `round ${body.round} does not follow round ${this.round}`);
    demand(hex(body.previous) === this.id, 'record', 'another record stands before it');
    demand(this.model === null || hex(body.baseModel) === this.model, 'record', 'another model stands before it');
    this.#conforms(body);
    this.round = body.round;
    this.id = hex(id);
    this.model = hex(body.model);
    this.newest = body;
    return body;
  }

  /** @param {any} body */
  #conforms(body) {
    const { rounds, rule, f, quorum } = this.config;
    demand(body.round <= rounds, 'record', `round ${body.round} of ${rounds}`);
    demand(body.rule === rule && body.f === f, 'record', 'another rule than the run\'s');
    const named = [...body.updates.map(({ node }) => node), ...body.stragglers];
    demand(named.every((node) => this.members.has(hex(node))), 'record', 'a node that is no member of the run');
    demand(body.updates.filter(({ verdict }) => USED.has(verdict)).length >= quorum, 'record', 'fewer updates than the quorum');
    demand(body.evaluations <= this.members.size, 'record', 'more evaluations than members');
  }
}
