/**
 * Every bound in one place, in two groups: what the protocol fixes (changing it breaks peers) and what we chose
 * (changing it costs only us). docs/limits.md says what each one can cost.
 */

const KiB = 1024;
const MiB = 1024 * KiB;

// ── Fixed by the protocol (docs/protocol) ──────────────────────────────────────────────────────────────────────────

/** The wire version this build speaks (1-handshake.md). */
export const PROTOCOL_VERSION = 1;
/** Suite 1: X25519, AES-256-GCM, SHA-512. */
export const SUITE = 1;

/** Caps on the body of each handshake message, checked before anything is allocated (1-handshake.md §3). */
export const MAX_HELLO_BYTES = 4096;
export const MAX_REPLY_BYTES = 4096;
export const MAX_FINISH_BYTES = 1024;
export const MAX_NOTICE_BYTES = 128;

/** Plaintext of a record: frames of up to 1 MiB, and 4 KiB for small frames beside them (2-records.md). */
export const RECORD_MARGIN_BYTES = 4 * KiB;
/** What a sender keeps to until it has read the peer's SETTINGS. */
export const INITIAL_RECORD_BYTES = 16 * KiB + RECORD_MARGIN_BYTES;
export const MIN_RECORD_BYTES = 64 * KiB + RECORD_MARGIN_BYTES;
export const MAX_RECORD_BYTES = 1 * MiB + RECORD_MARGIN_BYTES;
export const RECORD_HEADER_BYTES = 4;
export const TAG_BYTES = 16;
/** Records sealed under one key before it ratchets. */
export const RECORDS_PER_EPOCH = 65_536;
/** Record plaintexts below this are padded to a multiple of `PAD_STEP_BYTES`. */
export const PAD_BELOW_BYTES = 1024;
export const PAD_STEP_BYTES = 128;

export const FRAME_HEADER_BYTES = 8;
export const MAX_SETTINGS_BYTES = 8 * KiB;
export const MAX_OPEN_BYTES = 16 * KiB;
export const MAX_MESSAGE_BYTES = 64 * KiB;
export const MAX_REASON_BYTES = 256;
/** Depth of JSON from a peer, counted over its bytes before it is parsed. */
export const MAX_JSON_DEPTH = 8;

/** Arguments and variables of one command (4-services.md §2); all of them together fill at most one message. */
export const MAX_EXEC_ARGUMENTS = 4096;
export const MAX_EXEC_VARIABLES = 256;
/** Machines that one server lets in by their key (1-handshake.md §7), and code points of the name of one. */
export const MAX_DEVICES = 1000;
export const MAX_DEVICE_NAME_LENGTH = 64;

/** Input of a process that its host holds until the process takes it. */
export const EXEC_STDIN_WINDOW_BYTES = 1 * MiB;
/** What a timer can hold: 24 days. */
export const MAX_EXEC_TIMEOUT_MS = 2 ** 31 - 1;

/** Bytes of a terminal that may be under way and not yet told to be received (4-services.md §6), in each direction. */
export const SHELL_OUTPUT_WINDOW_BYTES = 256 * KiB;
export const SHELL_INPUT_WINDOW_BYTES = 64 * KiB;
/** Columns or rows of a terminal. */
export const MAX_TERMINAL_SIDE = 10_000;

/** A datagram, in bytes of UDP payload: what passes everywhere in one piece (5-datagrams.md §3). */
export const MAX_DATAGRAM_BYTES = 1200;
/** Packets of one connection and direction: a number is never used twice. */
export const DATAGRAM_NUMBERS = 2 ** 24;
/** How far below the highest number a packet may be late. */
export const DATAGRAM_WINDOW = 1024;
/** A connection ends after so much silence, after so much time, and after so many packets that did not verify. */
export const DATAGRAM_IDLE_MS = 180_000;
export const DATAGRAM_LIFE_MS = 86_400_000;
export const MAX_DATAGRAM_FORGERIES = 2 ** 32;

/** UTF-8 bytes of what one message of a chat says (4-services.md §3); however JSON escapes it, it fits into a message. */
export const MAX_CHAT_TEXT_BYTES = 8 * KiB;
/** Code points of the name of a person or a room. */
export const MAX_CHAT_NAME_LENGTH = 32;
/** What a search is for: characters, and words. */
export const MAX_CHAT_SEARCH_LENGTH = 256;
export const MAX_CHAT_SEARCH_WORDS = 16;
/** What one search finds, unless it is told, and at most. */
export const DEFAULT_CHAT_FOUND = 50;
export const MAX_CHAT_FOUND = 1000;
/** Names that joining tells; rooms with more members do not tell who comes and goes. */
export const MAX_CHAT_NAMES_TOLD = 100;

/** Credit a peer must be granted at least, per channel and per lane. */
export const MIN_CREDIT_BYTES = 128 * KiB;
export const MIN_LANE_CREDIT_BYTES = 1 * MiB;
export const MAX_CREDIT_BYTES = 16 * MiB;
export const MAX_LANE_CREDIT_BYTES = 64 * MiB;
export const MIN_CHANNELS = 16;

// ── Chosen by us ───────────────────────────────────────────────────────────────────────────────────────────────────

/** What we announce in SETTINGS. */
export const OUR_CREDIT_BYTES = 4 * MiB;
export const OUR_LANE_CREDIT_BYTES = 16 * MiB;
export const OUR_MAX_CHANNELS = 256;

/** A bulk frame while another channel wants to send, or the socket is slow; else a frame may fill a record. */
export const SHARED_BULK_FRAME_BYTES = 64 * KiB;
/** How long the socket must have refused bytes to count as slow. */
export const SLOW_SOCKET_MS = 20;
/** And how long one that has taken none of what waits. */
export const STOPPED_SOCKET_MS = 1_000;
/** Bytes handed to the socket and not yet taken by it. */
export const SOCKET_QUEUE_BYTES = 4 * MiB;
/** The same on a slow socket, so that a command typed meanwhile does not wait behind megabytes. */
export const SLOW_SOCKET_QUEUE_BYTES = 256 * KiB;
/** Writes of up to this size are copied and gathered; larger ones are sealed from the caller's buffer. */
export const GATHERED_WRITE_BYTES = 32 * KiB;
/** Gathered bytes and messages of a channel that may wait for credit before its writer waits too. */
export const CHANNEL_SEND_QUEUE_BYTES = 256 * KiB;
/** Answers that the peer makes us owe (PONG, RESET, CREDIT, CTRL) and has not read; beyond, we stop reading it. */
export const MAX_OWED_ANSWER_BYTES = 256 * KiB;
/** Received and not yet read, over all lines of a listener; beyond, only the smallest windows are granted. */
export const MAX_UNREAD_BYTES_ALL_LINES = 256 * MiB;
/** Bytes held for a connection that has not logged in, beside the socket's own chunk. */
export const MAX_BYTES_BEFORE_LOGIN = 8 * KiB;

/** Lines that one device key may have open at one listener. */
export const MAX_LINES_PER_DEVICE = 32;

/** Processes at once that a host has started for one device, and for all. */
export const MAX_PROCESSES_PER_DEVICE = 256;
export const MAX_PROCESSES = 1024;
/** Output of a process that the asking side holds for each of the two until it is read. */
export const EXEC_OUTPUT_QUEUE_BYTES = 1 * MiB;
/** Outputs that have carried more than this go behind interactive ones. */
export const EXEC_BULK_AFTER_BYTES = 256 * KiB;
/** From HUP and TERM to KILL. */
export const PROCESS_KILL_GRACE_MS = 2_000;
/**
 * How long and how far the outputs of a process that has ended are read on while others hold them open: far more than lies
 * in the system's buffers is none of its own.
 */
export const PROCESS_DRAIN_MS = 1_000;
export const PROCESS_DRAIN_BYTES = 64 * MiB;

/** Terminals at once that a host has started for one device, and for all. */
export const MAX_TERMINALS_PER_DEVICE = 16;
export const MAX_TERMINALS = 64;
/** How long a terminal waits for its line to come back, and for its last output to be fetched. */
export const SHELL_AWAY_MS = 600_000;
/** From the HUP of a terminal to KILL; a host that is told to stop takes no longer than 3 s for all (cli/run.ts). */
export const SHELL_KILL_GRACE_MS = 2_000;
/** How long a host that ends waits for those who look at its terminals to hear of it. */
export const SHELL_LAST_WORDS_MS = 2_000;
/** What has been received of a terminal is told this late at the latest. */
export const SHELL_TELL_MS = 200;

/** What a host keeps of a room for those who are in it, as entries and as bytes of them, and of all rooms together. */
export const CHAT_RING_ENTRIES = 4096;
export const CHAT_RING_BYTES = 1 * MiB;
export const CHAT_ALL_RINGS_BYTES = 64 * MiB;
/** How long a busy room gathers what it tells its members. */
export const CHAT_GATHER_MS = 50;
/** What a history in memory keeps. */
export const CHAT_MEMORY_MESSAGES = 10_000;
export const CHAT_MEMORY_BYTES = 16 * MiB;
/** Of the messages of a range no more than the last ones are read. */
export const MAX_CHAT_LAST = 10_000;
/** Missed messages are counted so far and no further. */
export const MAX_CHAT_MISSED_COUNT = 10_000;
/** Being in rooms: of one device, and of all. */
export const MAX_CHAT_MEMBERS_PER_DEVICE = 64;
export const MAX_CHAT_MEMBERS = 20_000;
/** Rooms that somebody is in. */
export const MAX_CHAT_ROOMS = 10_000;
/** Channels at once that one device reads history, members and rooms over. */
export const MAX_CHAT_READS_PER_DEVICE = 16;
/** Names that are kept: of one device, and of all. */
export const MAX_CHAT_NAMES_PER_DEVICE = 8;
export const MAX_CHAT_NAMES = 100_000;
/** Rooms of which is kept how far a name has seen them. */
export const MAX_CHAT_SEEN_PER_NAME = 64;
/** What a device says in a second, and at once. */
export const CHAT_FLOOD_PER_SECOND = 5;
export const CHAT_FLOOD_BURST = 20;
/** Messages of one member that wait to be stored; beyond, it is not read. */
export const MAX_CHAT_UNSTORED_PER_MEMBER = 32;
/** Messages of one member that the server has not acknowledged: what a client remembers. */
export const MAX_CHAT_UNACKNOWLEDGED = 256;
/** Events that wait at a client for whoever iterates; what comes beyond is read from history later. */
export const CHAT_EVENT_QUEUE = 1024;
/** How late it is told what was seen, at most. */
export const CHAT_TELL_MS = 1_000;

/** Of files of rooms: their ids, 128 bits in base64url (4-services.md §3). */
export const CHAT_FILE_ID_CHARACTERS = 22;
/** What a file of a room counts besides its bytes, and how many there may be. */
export const CHAT_FILE_OVERHEAD_BYTES = 4 * KiB;
export const MAX_CHAT_FILES = 65_536;
/** Uploads to rooms at once: of one device, and of all. */
export const MAX_CHAT_UPLOADS_PER_DEVICE = 4;
export const MAX_CHAT_UPLOADS = 64;
/** How long a file stays that no message names. */
export const CHAT_FILE_UNSAID_MS = 86_400_000;

/** First credit of a channel on lines that others' channels lie on: an agent's, and all of a server that agents join. */
export const SHARED_LINE_CREDIT_BYTES = 256 * KiB;
/** Machines that have joined a server, and names of such that were there. */
export const MAX_AGENTS = 10_000;
export const MAX_RESERVED_AGENT_NAMES = 10_000;
/** Channels to one agent at once: in all, and of one operator's line. The agent takes `OUR_MAX_CHANNELS`. */
export const MAX_REACHES_PER_AGENT = 192;
export const MAX_REACHES_PER_OPERATOR = 64;
/** Channels that an agent may have to an operator at once, for each that it is reached over. */
export const MAX_BACK_CHANNELS_PER_REACH = 32;

/** Every request by datagram is padded to this: an answer is always shorter than its request. */
export const DATAGRAM_REQUEST_BYTES = 512;
/** Requests of one session that are handled: in a second, and as many at once. */
export const DATAGRAM_REQUESTS_PER_SECOND = 50;
/** Connections of one session that are made: one a second, and so many at once. */
export const DATAGRAM_OPENING_BURST = 8;
/** Datagram connections of all sessions; the one that was quiet longest goes first. */
export const MAX_DATAGRAM_CONNECTIONS = 10_000;
/** What an asking side lets pass before it makes a new connection: less than the other side does. */
export const DATAGRAM_RENEW_MS = 150_000;

export const HELLO_TIMEOUT_MS = 5_000;
export const HANDSHAKE_TIMEOUT_MS = 10_000;
export const KEEP_ALIVE_IDLE_MS = 20_000;
export const KEEP_ALIVE_DEAD_MS = 60_000;
/** How long a line that is closing waits for its channels, unless told otherwise: a peer may never end one. */
export const CLOSE_GRACE_MS = 10_000;
/** How long a line that is closing waits for the peer's CLOSE. */
export const CLOSE_TIMEOUT_MS = 3_000;
/** The answer to a failed login is delayed by a random time in this range. */
export const REJECT_DELAY_MIN_MS = 300;
export const REJECT_DELAY_MAX_MS = 700;

/** What `formatTime` takes and makes, and a file of a time zone; the largest that exist have 4 KiB. */
export const MAX_TIME_FORMAT_CHARACTERS = 1024;
export const MAX_TIME_TEXT_CHARACTERS = 8192;
export const MAX_ZONE_FILE_BYTES = 64 * KiB;
