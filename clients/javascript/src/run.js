// Section 12.1 for a member: one run, from RUN_OFFER to RUN_END.
//
// Messages only note what is to do; `work` does it, one job at a time, so that reading never waits for
// training. What could not be sent because a session ended is asked for again by the coordinator.
import { blobHash } from './blobs.js';
import { hex, same } from './bytes.js';
import { Chain } from './chain.js';
import { codeName, demand, QrfldError } from './errors.js';
import { sign } from './statements.js';
import { Download } from './streams.js';
import { readFloats, writeFloats } from './tensors.js';

export const END_STATES = Object.freeze({ 1: 'finished', 2: 'stopped', 3: 'failed' });
const RECORDS_A_SYNC = 256;
const RETRY_MS = 500;

/** @param {string} text @returns {string} that fits a reason field */
const reasonOf = (text) => [...text.toWellFormed()].slice(0, 255).join('');

/**
 * What a run needs of its member.
 * @typedef {object} Surroundings
 * @property {import('./identity.js').Identity} identity
 * @property {import('./files.js').Files} files
 * @property {number} maxModelBytes
 * @property {Map<string, import('./task.js').Task>} tasks by name
 * @property {(event: object) => void} report
 */

export class Run {
  /**
   * @param {import('./statements.js').Statement} config verified
   * @param {import('./directory.js').Entry} coordinator
   * @param {Surroundings} surroundings
   */
  constructor(config, coordinator, surroundings) {
    this.id = config.id.slice(0, 16);
    this.name = hex(this.id);
    this.config = config.body;
    this.coordinator = coordinator.id;
    this.surroundings = surroundings;
    this.chain = new Chain(this.id, config.body, coordinator.key);
    this.task = surroundings.tasks.get(config.body.task);
    this.place = config.body.members.findIndex((/** @type {Uint8Array} */ id) => same(id, surroundings.identity.id));
    this.refusal = this.#refusal();
    /** @type {any} */
    this.start = null;
    /** @type {any} */
    this.evaluate = null;
    /** @type {any} the signed update of the newest round */
    this.update = surroundings.files.update(this.name);
    /** @type {Download | null} */
    this.download = null;
    /** @type {{ hash: string, blob: Uint8Array } | null} the newest model */
    this.model = null;
    /** @type {any} */
    this.ended = null;
    this.working = false;
    this.synced = 0;
    /** @type {import('./session.js').Session | null} */
    this.session = null;
  }

  /** Why this node takes no part. @returns {string | null} */
  #refusal() {
    const { task, taskDigest, params } = this.config;
    if (this.place < 0) return 'this node is not named in the run';
    if (!this.task) return `this node has no task ${task}`;
    if (!same(this.task.digest, taskDigest)) return `this node's task ${task} has another digest`;
    try {
      this.task.accept(params);
      return null;
    } catch (error) {
      return /** @type {Error} */ (error).message;
    }
  }

  /** The coordinator is there, with a new session: ask for what was missed. @param {import('./session.js').Session} session */
  attach(session) {
    if (this.session === session) return;
    this.session = session;
    if (!this.ended) this.#sync();
  }

  #sync() {
    this.synced = 0;
    this.session?.send('RUN_SYNC', { run: this.id, nextRound: this.chain.round + 1 });
  }

  /** @param {any} fields of ROUND_START */
  onStart(fields) {
    this.#open(fields.modelBytes);
    if (this.ended) return;
    const reason = this.refusal ?? this.#misfit(fields);
    if (reason !== null) return this.#fail(fields.round, reason);
    this.start = fields;
    if (fields.round > this.chain.round + 1) this.#sync();
    void this.work();
  }

  /** @param {any} fields of EVALUATE */
  onEvaluate(fields) {
    this.#open(fields.modelBytes);
    if (this.ended) return;
    if (this.refusal !== null) return this.#fail(fields.round, this.refusal);
    this.evaluate = fields;
    void this.work();
  }

  /** Why a round cannot open here. @param {any} start @returns {string | null} */
  #misfit(start) {
    const { round } = this.chain;
    if (start.round <= round || start.round > this.config.rounds) return `round ${start.round} cannot open after round ${round} of ${this.config.rounds}`;
    return start.round === round + 1 && !this.#follows(start) ? `round ${start.round} does not follow the records held here` : null;
  }

  /** @param {number} round @param {string} reason */
  #fail(round, reason) {
    this.surroundings.report({ event: 'failed', run: this.name, round, reason });
    this.session?.send('TRAINING_FAILED', { run: this.id, round, reason: reasonOf(reason) });
  }

  /** @param {bigint} modelBytes */
  #open(modelBytes) {
    demand(modelBytes <= this.surroundings.maxModelBytes, 'refused', `a model of ${modelBytes} bytes`);
  }

  /** Whether a ROUND_START follows the newest record. @param {any} start */
  #follows({ round, previous, model }) {
    const { chain } = this;
    return round === chain.round + 1 && hex(previous) === chain.id && (chain.model === null || chain.model === hex(model));
  }

  /** @param {any} fields of UPDATE_RECEIPT */
  onReceipt({ round, update, accepted, reason }) {
    if (!this.update || round !== this.update.round || hex(blobHash(this.update.blob)) !== hex(update)) return;
    this.surroundings.report({ event: 'receipt', run: this.name, round, accepted, reason });
  }

  /** @param {any} fields of ROUND_RECORD */
  onRecord({ statement }) {
    this.synced += 1;
    const record = this.chain.add(statement);
    if (record) {
      if (this.update && this.update.round <= record.round) this.#forgetUpdate();
      const own = record.updates.find((/** @type {any} */ { node }) => same(node, this.surroundings.identity.id));
      this.surroundings.report({
        event: 'round', run: this.name, round: record.round, accuracy: record.accuracy ?? null, verdict: own?.verdict ?? null, record: this.chain.id,
      });
    }
    if (this.synced === RECORDS_A_SYNC) this.#sync();
    void this.work();
  }

  /** @param {any} fields of RUN_END */
  onEnd({ state, reason }) {
    if (state === 1 && this.chain.round < this.config.rounds) {
      this.#sync(); // the end is told again after the records
      return;
    }
    if (this.ended) return;
    this.ended = { state: END_STATES[/** @type {1|2|3} */ (state)], reason };
    this.#forgetUpdate();
    this.model = null;
    this.surroundings.report({ event: 'end', run: this.name, ...this.ended, round: this.chain.round });
  }

  #forgetUpdate() {
    this.update = null;
    this.surroundings.files.forgetUpdate(this.name);
  }

  /** The blob that the coordinator may fetch. @param {Uint8Array} hash @returns {Uint8Array | null} */
  supply(hash) {
    return this.update && same(blobHash(this.update.blob), hash) ? this.update.blob : null;
  }

  /** Does what is noted; one call at a time works, others return at once. */
  async work() {
    if (this.working) return;
    this.working = true;
    try {
      while (!this.ended && (await this.#next()));
    } finally {
      this.working = false;
    }
  }

  /** @returns {Promise<boolean>} whether there may be more to do */
  async #next() {
    if (this.evaluate) {
      const job = this.evaluate;
      this.evaluate = null;
      await this.#attempt(job, () => this.#score(job));
      return true;
    }
    if (this.start && this.#follows(this.start)) {
      const job = this.start;
      this.start = null;
      await this.#attempt(job, () => this.#train(job));
      return true;
    }
    return false;
  }

  /** A failure is told to the coordinator, unless it is the session's end. @param {any} job @param {() => Promise<void>} action */
  async #attempt({ round }, action) {
    const { session } = this;
    try {
      await action();
    } catch (error) {
      if (!session || session.cause) return;
      const message = error instanceof QrfldError ? `${error.code}: ${error.message}` : String(error);
      this.#fail(round, message);
    }
  }

  /** @param {any} job with `model` and `modelBytes` @returns {Promise<Uint8Array>} */
  async #fetch({ model, modelBytes }) {
    const hash = hex(model);
    if (this.model?.hash === hash) return this.model.blob;
    if (!this.download || !same(this.download.hash, model)) this.download = new Download(model, Number(modelBytes));
    const blob = await this.#pull(this.download);
    this.download = null;
    this.model = { hash, blob };
    return blob;
  }

  /** A supplier that asks for patience gets some. @param {Download} download */
  async #pull(download) {
    for (let attempt = 0; ; attempt++) {
      const streams = this.session?.streams;
      demand(streams, 'truncated', 'no bulk connection to the coordinator');
      try {
        return await streams.fetch(download);
      } catch (error) {
        if (/** @type {any} */ (error).code !== codeName(4) || attempt === 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS << attempt));
      }
    }
  }

  /** @param {any} job */
  async #train(job) {
    const { round, model } = job;
    const kept = this.update;
    if (!kept || kept.round !== round || kept.model !== hex(model)) await this.#makeUpdate(job);
    this.session?.send('UPDATE', { statement: this.update.statement });
  }

  /** @param {any} job */
  async #makeUpdate(job) {
    const { surroundings } = this;
    const base = readFloats(await this.#fetch(job), surroundings.maxModelBytes);
    const task = /** @type {import('./task.js').Task} */ (this.task);
    const { delta, samples, loss } = await task.train(base, { config: this.config, round: job.round, place: this.place });
    demand(delta.length === base.data.length && delta.every(Number.isFinite), 'task', 'training gave numbers that are not finite');
    const blob = writeFloats(base.manifest, delta);
    const body = {
      run: this.id, round: job.round, baseModel: job.model, update: blobHash(blob), updateBytes: BigInt(blob.length), samples, loss,
    };
    const statement = sign(17, body, surroundings.identity).bytes;
    this.update = { round: job.round, model: hex(job.model), statement, blob };
    surroundings.files.saveUpdate(this.name, this.update);
    surroundings.report({ event: 'trained', run: this.name, round: job.round, samples, loss });
  }

  /** @param {any} job */
  async #score(job) {
    const model = readFloats(await this.#fetch(job), this.surroundings.maxModelBytes);
    const task = /** @type {import('./task.js').Task} */ (this.task);
    const { accuracy, loss, samples } = await task.evaluate(model, { config: this.config, round: job.round, place: this.place });
    this.session?.send('EVALUATION', { run: this.id, round: job.round, model: job.model, accuracy, loss, samples });
  }
}

