/**
 * Every bound of the classic wing, in one place and apart from those of the line (protocol/limits.ts): whoever removes the
 * wing removes them too. docs/classic.md has them as a table, which a test compares. What is of the wire and cannot change
 * stands beside its codec.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

/** What the originals give recv(): a message that has no frame is never longer. */
export const MAX_MESSAGE_BYTES = 1 * KiB;
/** Output of a command that is taken from a peer or sent to one, whatever length the peer announces. */
export const MAX_OUTPUT_BYTES = 16 * MiB;
/** The JSON header before an output. The originals' has 18 bytes and a number. */
export const MAX_HEADER_BYTES = 4 * KiB;
/** Digits of a length that is sent as text, before it is read as a number. */
export const MAX_LENGTH_DIGITS = 16;
/** One block of the first tutorial's answer: 4 bytes of length, then so much. */
export const MAX_BLOCK_BYTES = 64 * KiB;

/** Connections that a serving side talks to at once; one more is closed. */
export const MAX_CALLERS = 64;
/** Messages of callers that wait for the operator's answer; a caller with one more waits himself. */
export const MAX_WAITING_MESSAGES = 64;
/** Callers of a datagram service that are remembered; who was quiet longest is forgotten. */
export const MAX_REMEMBERED_CALLERS = 1024;

/** A message without a frame ends when nothing has followed for so long: it may have come in pieces. */
export const QUIET_MS = 50;
/** How long a peer that has begun a frame, or owes a fixed answer, may say nothing. */
export const SILENCE_MS = 30_000;
/** How long a caller of a service for many may say nothing between two messages, and a frame that answers may take to begin. */
export const IDLE_MS = 600_000;
/** How long a datagram's answer is waited for: it may be lost. */
export const ANSWER_MS = 5_000;
/** How long a command may run for a peer, and how long an answer without a frame is waited for. */
export const COMMAND_MS = 60_000;
/** From asking a command to end to killing it. */
export const COMMAND_GRACE_MS = 2_000;
/** How long a connection that is closing waits for the peer to close its side. */
export const LINGER_MS = 1_000;

/** Answers of the time server a second, to one address and to all; datagrams beyond it are dropped. */
export const TIME_ANSWERS_PER_SECOND_PER_SOURCE = 10;
export const TIME_ANSWERS_PER_SECOND = 100;

/** An object of the file server after it was inflated: twice the pieces that the originals send. */
export const MAX_INFLATED_BYTES = 64 * KiB;
