import type { AdmissionLimits } from './admission-limits.ts';
import { type Busy, busyFor } from './busy.ts';
import { type Charge, GuessWindow } from './guess-window.ts';
import { RecencyTable } from './recency-table.ts';
import { SourceGuesses } from './source-guesses.ts';
import type { Source } from './sources.ts';

/** The budgets of wrong guesses, per source and over all, and the one-time codes that are used up. */
export class GuessBudgets {
  readonly #limits: AdmissionLimits;
  readonly #knownKeys: KnownKeys;
  readonly #chosen: GuessWindow;
  readonly #generated: GuessWindow;
  /**
   * Two tables, so that wrong guesses from many sources, one each, do not make us forget those that are locked: a lock
   * is forgotten only after as many other sources were locked too.
   */
  readonly #counting: RecencyTable<SourceGuesses>;
  readonly #locked: RecencyTable<SourceGuesses>;
  /** Names of the operator's realms, so bounded by how many codes he gives out; `releaseRealm` removes them. */
  readonly #usedUpRealms = new Set<string>();

  constructor(limits: AdmissionLimits, knownKeys: KnownKeys) {
    this.#limits = limits;
    this.#knownKeys = knownKeys;
    this.#chosen = new GuessWindow(limits.wrongGuessesChosen, limits.allGuessesWindowMs);
    this.#generated = new GuessWindow(limits.wrongGuessesGenerated, limits.allGuessesWindowMs);
    this.#counting = new RecencyTable(limits.rememberedSources);
    this.#locked = new RecencyTable(limits.rememberedSources);
  }

  get load(): { guessSourceCount: number; lockedSourceCount: number } {
    return { guessSourceCount: this.#counting.size, lockedSourceCount: this.#locked.size };
  }

  /** Look, charge and take the one-time code: one step. */
  take(sources: readonly Source[], guess: Guess, nowMs: number): { charge?: Charge } | 'gone' | Busy {
    const { realm, staticKey } = guess;
    if (realm.uses === 1 && this.#usedUpRealms.has(realm.name)) return 'gone';
    if (this.#knownKeys.has(staticKey, realm.name)) {
      this.#useUp(realm);
      return {};
    }
    const all = realm.generated ? this.#generated : this.#chosen;
    const waitMs = Math.max(this.#lockedForMs(sources, nowMs), all.waitMs(nowMs));
    if (waitMs > 0) return busyFor(waitMs);
    const charge: Charge = { atMs: nowMs, isPending: true };
    all.add(charge);
    this.#chargeSources(sources, charge);
    this.#useUp(realm);
    return { charge };
  }

  /** While a source is locked its leaving counts no further, so it fills no table and its neighbours wait no longer. */
  left(sources: readonly Source[], nowMs: number): void {
    if (this.#lockedForMs(sources, nowMs) > 0) return;
    this.#chargeSources(sources, { atMs: nowMs, isPending: false });
  }

  succeeded(sources: readonly Source[], charge: Charge | undefined): void {
    if (charge) {
      charge.isPending = false;
      this.#chosen.remove(charge);
      this.#generated.remove(charge);
    }
    for (const { key } of sources) {
      const guesses = this.#find(key);
      if (!guesses) continue;
      this.#locked.delete(key);
      this.#counting.delete(key);
      guesses.clear();
      // Guesses that are being tried at this moment were not proven by this success.
      if (guesses.count > 0) this.#counting.set(key, guesses);
    }
  }

  releaseRealm(name: string): void {
    this.#usedUpRealms.delete(name);
  }

  #useUp(realm: GuessedRealm): void {
    if (realm.uses === 1) this.#usedUpRealms.add(realm.name);
  }

  #lockedForMs(sources: readonly Source[], nowMs: number): number {
    return Math.max(...sources.map(({ key }) => this.#find(key)?.lockedForMs(nowMs) ?? 0));
  }

  #chargeSources(sources: readonly Source[], charge: Charge): void {
    for (const { key, weight } of sources) {
      const guesses = this.#find(key) ?? new SourceGuesses(this.#limits, weight);
      guesses.add(charge);
      const [table, other] = guesses.wasLocked ? [this.#locked, this.#counting] : [this.#counting, this.#locked];
      other.delete(key);
      table.set(key, guesses);
    }
  }

  #find(key: string): SourceGuesses | undefined {
    return this.#locked.get(key) ?? this.#counting.get(key);
  }
}

export interface Guess {
  readonly realm: GuessedRealm;
  /** The client's static key as FINISH names it: 32 bytes, held by the client or not. */
  readonly staticKey: Uint8Array;
}

export interface GuessedRealm {
  readonly name: string;
  /**
   * Whether the passphrase was generated, with at least 40 bits. For an unknown realm what the listener's own realm has,
   * so that the two answer alike.
   */
  readonly generated: boolean;
  /** 1 for a one-time code. The first FINISH that the budgets admit takes it. */
  readonly uses?: 1 | undefined;
}

/**
 * Which static keys have logged in to a realm with the passphrase it has now. A changed passphrase must empty this: these
 * keys are never refused, so a key that knew only the old one could otherwise guess the new one without end. Who names
 * such a key without holding it fails whatever the passphrase, so a FINISH that names one is worth no guess.
 */
export interface KnownKeys {
  has(staticKey: Uint8Array, realm: string): boolean;
}
