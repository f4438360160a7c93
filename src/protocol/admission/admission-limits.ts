export interface AdmissionLimits {
  readonly halfOpenConnections: number;
  readonly halfOpenConnectionsPerSource: number;
  readonly hellosPerSecond: number;
  readonly helloBurst: number;
  readonly hellosPerSecondPerSource: number;
  readonly helloBurstPerSource: number;
  /** Wrong guesses of one source in `wrongGuessWindowMs` before it is locked. */
  readonly wrongGuessesPerSource: number;
  readonly wrongGuessWindowMs: number;
  /** The first lock; each further wrong guess doubles it. */
  readonly firstLockMs: number;
  readonly longestLockMs: number;
  /** A source that has made no wrong guess for so long, and is not locked, starts anew. */
  readonly quietMs: number;
  /** Wrong guesses of all sources in `allGuessesWindowMs`, counted apart for the two kinds of passphrase. */
  readonly wrongGuessesChosen: number;
  readonly wrongGuessesGenerated: number;
  readonly allGuessesWindowMs: number;
  /** Of each table; the source that has been quiet longest is forgotten first. */
  readonly rememberedSources: number;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/** Ours, not the protocol's: a peer only sees BUSY sooner or later. */
export const DEFAULT_ADMISSION_LIMITS: AdmissionLimits = {
  halfOpenConnections: 256,
  halfOpenConnectionsPerSource: 8,
  hellosPerSecond: 50,
  helloBurst: 100,
  hellosPerSecondPerSource: 10,
  helloBurstPerSource: 20,
  wrongGuessesPerSource: 10,
  wrongGuessWindowMs: 10 * MINUTE_MS,
  firstLockMs: 1 * MINUTE_MS,
  longestLockMs: 1 * HOUR_MS,
  quietMs: 1 * HOUR_MS,
  wrongGuessesChosen: 100,
  wrongGuessesGenerated: 10_000,
  allGuessesWindowMs: 1 * HOUR_MS,
  rememberedSources: 10_000,
};
