// Section 9.1: how many bytes of messages each side may send.
import { demand } from './errors.js';

export const WINDOW = 262144;
const STEP = 65536;

/** What the peer grants to this side. */
export class CreditToSend {
  limit = WINDOW;
  sent = 0;

  /** @param {number} limit of a CREDIT frame */
  grant(limit) {
    demand(limit >= this.limit, 'credit-exceeded', 'a grant was lowered');
    this.limit = limit;
  }

  /** Counts a message in if it may go now. @param {number} bytes of its body @returns {boolean} */
  take(bytes) {
    if (this.sent + bytes > this.limit) return false;
    this.sent += bytes;
    return true;
  }
}

/** What this side grants to the peer. */
export class CreditToReceive {
  limit = WINDOW;
  received = 0;
  consumed = 0;

  /** @param {number} bytes of a message's body */
  arrived(bytes) {
    this.received += bytes;
    demand(this.received <= this.limit, 'credit-exceeded', 'a message beyond the credit');
  }

  /** @param {number} bytes @returns {number | null} the limit to send, if it is time */
  consume(bytes) {
    this.consumed += bytes;
    const limit = this.consumed + WINDOW;
    if (limit - this.limit < STEP) return null;
    this.limit = limit;
    return limit;
  }
}
