import { LineError } from '../errors.ts';
import { type AdmissionLimits, DEFAULT_ADMISSION_LIMITS } from './admission/admission-limits.ts';
import type { Bucket } from './admission/bucket.ts';
import { type Busy, busyFor } from './admission/busy.ts';
import { type Guess, GuessBudgets, type KnownKeys } from './admission/guess-budgets.ts';
import type { Charge } from './admission/guess-window.ts';
import { type HalfOpenConnection, HalfOpenPlaces } from './admission/half-open-places.ts';
import { HelloRate } from './admission/hello-rate.ts';
import { type Source, sourcesOf } from './admission/sources.ts';

/**
 * What a listener grants to connections that have not logged in (docs/protocol/1-handshake.md; docs/limits.md says what
 * each figure can cost). One `Admission` for all connections of a listener; every call looks and charges in one step, so
 * connections held open side by side get nothing that connections one after another would not get.
 *
 * 1. `arrive` gives a connection one of the few half-open places, taking the oldest one's if there is none free.
 * 2. `hello` asks the rate limits, before any public-key work.
 * 3. `replied` says that REPLY was sent: from here on, leaving is a guess.
 * 4. `guess` asks the guess budgets when FINISH has named its static key, before anything is tried with the passphrase.
 *    They are asked nowhere else: only here is it known whether a client has logged in before, and such a client is
 *    never kept out by the wrong guesses of strangers.
 * 5. `succeeded`, `failed`, `left` settle it.
 *
 * Time is an argument: milliseconds of any clock that does not run backwards.
 */
export class Admission {
  readonly #tables: Tables;

  /** @param knownKeys who has logged in before; without it nobody has */
  constructor(limits: Partial<AdmissionLimits> = {}, knownKeys: KnownKeys = { has: () => false }) {
    const all: AdmissionLimits = { ...DEFAULT_ADMISSION_LIMITS, ...limits };
    for (const [name, figure] of Object.entries(all)) {
      if (!(figure > 0)) throw new LineError('USAGE', `the limit ${name} must be above zero, not ${figure}`);
    }
    this.#tables = {
      halfOpen: new HalfOpenPlaces(all),
      passphraseHellos: new HelloRate(all),
      pairedHellos: new HelloRate(all),
      guesses: new GuessBudgets(all, knownKeys),
    };
  }

  /**
   * A connection begins. The newcomer always gets a place: who holds connections open keeps nobody out.
   * @param address as the transport tells it (`TransportPeer.source`)
   * @param onEvict called when a later arrival takes the place; the connection must be closed. Called at most once.
   */
  arrive(address: string, nowMs: number, onEvict: () => void): AdmissionTicket {
    const ticket = new Ticket(sourcesOf(address), this.#tables, onEvict);
    this.#tables.halfOpen.enter(ticket, nowMs);
    return ticket;
  }

  /** Forgets that the one-time code of this realm was used, because the realm is gone or has a new code. */
  releaseRealm(name: string): void {
    this.#tables.guesses.releaseRealm(name);
  }

  /** How full the tables are, for the operator's log. */
  get load(): AdmissionLoad {
    const { halfOpen, passphraseHellos, pairedHellos, guesses } = this.#tables;
    return {
      halfOpenCount: halfOpen.count,
      helloSourceCount: passphraseHellos.sourceCount + pairedHellos.sourceCount,
      ...guesses.load,
    };
  }
}

/** One connection until it has logged in or ended. A ticket that has ended admits nothing, and its ends may be repeated. */
export interface AdmissionTicket {
  /** A HELLO has come (again after RETRY). Takes a token from its source's bucket and from the one for all, or none. */
  hello(mode: HelloMode, nowMs: number): 'admit' | Busy;
  /** REPLY was handed to the transport. */
  replied(): void;
  /**
   * Only PASSPHRASE, once: a FINISH has come and its static key is read. `admit` has charged one guess. `gone` is a
   * one-time code that was used; nothing is charged for it.
   */
  guess(guess: Guess, nowMs: number): 'admit' | 'gone' | Busy;
  /** Whether this FINISH has used up a one-time code, right or wrong: the owner is to be told (R-A2). */
  readonly usedUpCode: boolean;
  /**
   * Logged in: gives the tokens back and frees the place. By a passphrase also gives the charge back and clears what its
   * source has guessed wrong; a key proves nothing about a passphrase.
   */
  succeeded(): void;
  /** Not logged in. The charge stays, and so does the place, until `left`. */
  failed(nowMs: number): void;
  /** The connection has ended. After REPLY without FINISH this is a wrong guess of its source, though not of all. */
  left(nowMs: number): void;
}

/** DEVICE and JOIN have a rate of their own, so that a flood of passphrases does not starve paired machines. */
export type HelloMode = 'passphrase' | 'device' | 'join';

export interface AdmissionLoad {
  readonly halfOpenCount: number;
  readonly helloSourceCount: number;
  readonly guessSourceCount: number;
  readonly lockedSourceCount: number;
}

interface Tables {
  readonly halfOpen: HalfOpenPlaces;
  readonly passphraseHellos: HelloRate;
  readonly pairedHellos: HelloRate;
  readonly guesses: GuessBudgets;
}

type TicketState = 'arrived' | 'greeted' | 'replied' | 'admitted' | 'refused' | 'failed' | 'ended';

class Ticket implements AdmissionTicket, HalfOpenConnection {
  readonly sources: readonly Source[];
  readonly #tables: Tables;
  readonly #onEvict: () => void;
  #state: TicketState = 'arrived';
  #mode: HelloMode = 'passphrase';
  #takenFrom: Bucket[] = [];
  #charge: Charge | undefined;
  #usedUpCode = false;

  constructor(sources: readonly Source[], tables: Tables, onEvict: () => void) {
    this.sources = sources;
    this.#tables = tables;
    this.#onEvict = onEvict;
  }

  get usedUpCode(): boolean {
    return this.#usedUpCode;
  }

  hello(mode: HelloMode, nowMs: number): 'admit' | Busy {
    if (this.#state === 'ended') return busyFor(0);
    this.#expect('hello', 'arrived', 'greeted');
    const { passphraseHellos, pairedHellos } = this.#tables;
    const taken = (mode === 'passphrase' ? passphraseHellos : pairedHellos).take(this.sources, nowMs);
    if (!Array.isArray(taken)) return taken;
    this.#takenFrom.push(...taken);
    this.#mode = mode;
    this.#state = 'greeted';
    return 'admit';
  }

  replied(): void {
    if (this.#state === 'ended') return;
    this.#expect('replied', 'greeted');
    this.#state = 'replied';
  }

  guess(guess: Guess, nowMs: number): 'admit' | 'gone' | Busy {
    if (this.#state === 'ended') return busyFor(0);
    this.#expect('guess', 'replied');
    if (this.#mode !== 'passphrase') throw new LineError('INTERNAL', `a guess in mode ${this.#mode}`);
    const verdict = this.#tables.guesses.take(this.sources, guess, nowMs);
    if (verdict === 'gone' || 'retryAfterSeconds' in verdict) {
      this.#state = 'refused';
      return verdict;
    }
    this.#charge = verdict.charge;
    this.#usedUpCode = guess.realm.uses === 1;
    this.#state = 'admitted';
    return 'admit';
  }

  succeeded(): void {
    if (this.#state === 'ended') return;
    this.#expect('succeeded', this.#mode === 'passphrase' ? 'admitted' : 'replied');
    if (this.#mode === 'passphrase') this.#tables.guesses.succeeded(this.sources, this.#charge);
    for (const bucket of this.#takenFrom) bucket.giveBack();
    this.#end();
  }

  failed(nowMs: number): void {
    if (this.#state === 'ended' || this.#state === 'failed') return;
    this.#settle(nowMs);
    this.#state = 'failed';
  }

  left(nowMs: number): void {
    if (this.#state === 'ended') return;
    this.#settle(nowMs);
    this.#end();
  }

  evict(): void {
    if (this.#charge) this.#charge.isPending = false;
    this.#end();
  }

  notify(): void {
    this.#onEvict();
  }

  #settle(nowMs: number): void {
    if (this.#charge) this.#charge.isPending = false;
    else if (this.#state === 'replied' && this.#mode === 'passphrase') this.#tables.guesses.left(this.sources, nowMs);
  }

  #end(): void {
    this.#state = 'ended';
    this.#tables.halfOpen.leave(this);
  }

  #expect(call: string, ...states: TicketState[]): void {
    if (!states.includes(this.#state)) throw new LineError('INTERNAL', `${call} in state ${this.#state}`);
  }
}
