/**
 * The borders of ARCHITECTURE.md as data. A pattern is a file (`errors.ts`), the files of a folder alone (`services/*`),
 * or a folder with all below it (`line/`); `node:` and `npm:` stand before packages.
 */

/** May be imported by every file of src/. */
export const EVERYWHERE = ['errors.ts', 'protocol/limits.ts'];

/** May export what another file declares. */
export const ENTRIES = ['index.ts', 'node/index.ts', 'testing/index.ts', 'classic/index.ts'];

/** The interfaces of the services that a platform implements, and what it needs to do so. */
const PORTS = [
  'services/files/store.ts',
  'services/files/entry.ts',
  'services/files/names.ts',
  'services/files/change-signal.ts',
  'services/exec/runner.ts',
  'services/shell/terminal.ts',
  'services/chat/history.ts',
  'services/chat/message.ts',
  // What histories have in common: who may have a name, and by which words a text is found.
  'services/chat/names.ts',
  'services/chat/words.ts',
];

export interface Layer {
  readonly files: string;
  /** What may be imported besides the own folder and `EVERYWHERE`. */
  readonly may: readonly string[];
  /** What may be named with `import type` alone. */
  readonly mayNameTypesOf?: readonly string[];
  readonly reason: string;
}

/** The most specific row counts. A file without a row fails: a new folder needs a decision. */
export const LAYERS: readonly Layer[] = [
  { files: 'errors.ts', may: [], reason: 'everything imports it, so it imports nothing' },
  { files: 'protocol/limits.ts', may: [], reason: 'everything imports it, so it imports nothing' },
  { files: 'protocol/bytes/', may: [], reason: 'bytes are the ground floor of the protocol' },
  {
    files: 'protocol/crypto/',
    may: ['protocol/bytes/', 'npm:@noble/'],
    reason: 'the only place that knows a crypto library',
  },
  {
    files: 'protocol/pake/',
    may: ['protocol/crypto/', 'protocol/bytes/'],
    reason: 'the password exchange stands alone and never learns of the wire',
  },
  {
    files: 'protocol/handshake/',
    may: ['protocol/pake/', 'protocol/crypto/', 'protocol/bytes/'],
    // The reader of lengths stands below both handshake messages and records.
    mayNameTypesOf: ['protocol/records/unit-reader.ts'],
    reason: 'the handshake makes keys and does not know what they are used for',
  },
  {
    files: 'protocol/records/',
    may: ['protocol/crypto/', 'protocol/bytes/'],
    reason: 'records seal bytes and never learn of channels',
  },
  {
    files: 'protocol/channels/',
    may: ['protocol/bytes/'],
    reason: 'channels share a lane and never learn of keys',
  },
  {
    files: 'protocol/datagrams/',
    may: [
      'protocol/crypto/',
      'protocol/bytes/',
      // Counting, which knows no message and no key.
      'protocol/admission/bucket.ts',
      'protocol/admission/recency-table.ts',
    ],
    reason: 'datagrams seal single questions under keys of a line and never learn of its records and channels',
  },
  { files: 'protocol/admission/', may: [], reason: 'the limits before login count; they know no message and no key' },
  {
    files: 'protocol/admission.ts',
    may: ['protocol/admission/'],
    reason: 'the limits before login count; they know no message and no key',
  },
  {
    files: 'protocol/endpoint.ts',
    may: ['protocol/handshake/', 'protocol/records/', 'protocol/channels/', 'protocol/bytes/'],
    mayNameTypesOf: ['protocol/crypto/provider.ts', 'protocol/admission.ts'],
    reason: 'the conductor names the phases and leaves the work to them',
  },
  {
    files: 'protocol/pairing.ts',
    may: ['protocol/bytes/', 'protocol/channels/codes.ts'],
    reason: 'messages about machines that are let in by key know no key',
  },
  { files: 'transports/', may: [], reason: 'transports never learn what they carry' },
  {
    files: 'line/',
    may: [
      'protocol/endpoint.ts',
      'protocol/admission.ts',
      // For the numbers of modes and the sizes of what the shell draws at random.
      'protocol/handshake/messages.ts',
      // Who is in a list of machines.
      'protocol/handshake/device.ts',
      'protocol/datagrams/',
      'protocol/pairing.ts',
      'protocol/admission/bucket.ts',
      'protocol/bytes/',
      'transports/transport.ts',
      'transports/datagram.ts',
    ],
    mayNameTypesOf: ['protocol/'],
    reason: 'the shell drives the endpoint and nothing inside it',
  },
  {
    files: 'services/*',
    // What a login may do is judged in one place, by the line too.
    may: ['protocol/bytes/', 'line/clock.ts', 'line/abort.ts', 'line/lost.ts', 'line/ceiling.ts'],
    mayNameTypesOf: ['line/'],
    reason: 'what services have in common knows none of them',
  },
  {
    files: 'services/files/',
    may: ['services/*', 'protocol/bytes/', 'line/clock.ts', 'line/abort.ts', 'line/lost.ts'],
    mayNameTypesOf: ['line/', 'protocol/crypto/provider.ts'],
    reason: 'a service uses a channel that it is given, knows no other service and no platform',
  },
  {
    files: 'services/exec/',
    may: ['services/*', 'protocol/bytes/', 'line/clock.ts', 'line/abort.ts'],
    mayNameTypesOf: ['line/'],
    reason: 'a service uses a channel that it is given, knows no other service and no platform',
  },
  {
    files: 'services/shell/',
    may: ['services/*', 'protocol/bytes/', 'line/clock.ts', 'line/abort.ts', 'line/lost.ts'],
    mayNameTypesOf: ['line/'],
    reason: 'a service uses a channel that it is given, knows no other service and no platform',
  },
  {
    files: 'services/time/',
    may: ['services/*', 'protocol/bytes/', 'line/clock.ts'],
    mayNameTypesOf: ['line/'],
    reason: 'a service uses a channel that it is given, knows no other service and no platform',
  },
  {
    files: 'services/chat/',
    may: ['services/*', 'protocol/bytes/', 'line/clock.ts', 'line/abort.ts', 'line/lost.ts'],
    mayNameTypesOf: ['line/'],
    reason: 'a service uses a channel that it is given, knows no other service and no platform',
  },
  {
    files: 'services/agents/',
    may: ['services/*', 'protocol/bytes/', 'line/abort.ts'],
    mayNameTypesOf: ['line/', 'protocol/crypto/provider.ts'],
    reason: 'agents are a way to services and know none of them',
  },
  { files: 'calendar/', may: [], reason: 'dates and zones are arithmetic, and know of no line' },
  {
    files: 'testing/',
    may: ['transports/', 'line/', ...PORTS],
    mayNameTypesOf: ['protocol/crypto/provider.ts'],
    reason: 'tools for tests of any platform, built on what users of the library see',
  },
  {
    files: 'index.ts',
    may: ['transports/', 'line/', 'services/', 'calendar/', 'protocol/'],
    reason: 'the portable entry: no platform, nothing for tests',
  },
  {
    files: 'node/',
    may: [
      'index.ts',
      'transports/',
      'line/',
      ...PORTS,
      'services/*',
      // Puts the gates and the services behind them together.
      'services/files/reading/sender.ts',
      'services/files/receiving/put-host.ts',
      'services/files/reading/offers.ts',
      'services/files/reading/subtree.ts',
      'services/agents/',
      'services/chat/chat-room.ts',
      'services/chat/chat-host.ts',
      'services/chat/memory-history.ts',
      'services/exec/host.ts',
      'services/exec/policy.ts',
      'services/shell/shell-host.ts',
      'services/time/host.ts',
      'protocol/crypto/',
      'protocol/bytes/',
      // The names of machines in the list of those that need no passphrase.
      'protocol/pairing.ts',
      'protocol/handshake/device.ts',
      // `connect` and `listen` stretch the passphrase before there is a line.
      'protocol/pake/passphrase.ts',
      'calendar/',
      'node:',
      'npm:smol-toml',
      'npm:@lydell/node-pty',
      'npm:@photostructure/sqlite',
    ],
    mayNameTypesOf: [
      'services/files/hash.ts',
      'services/files/coding/compressor.ts',
      'services/exec/',
      'protocol/admission/',
    ],
    reason: 'the platform implements ports; it knows neither the command nor another platform',
  },
  {
    files: 'classic/',
    // What the system's errors mean is one table for all of this platform.
    may: ['node/index.ts', 'node/node-errors.ts', 'node:', 'npm:iconv-lite'],
    reason: 'a wing that can be deleted: it takes gates from the entry and nothing of the line',
  },
  {
    // Runs while the entry is still being loaded, and needs this one file of it.
    files: 'cli/head-start.ts',
    may: ['node/stretched-passphrase.ts'],
    reason: 'the head start is for what takes as long as loading the command',
  },
  {
    files: 'cli/',
    may: ['index.ts', 'node/index.ts', 'node:', 'npm:'],
    reason: 'the command is a user of the entries: what it cannot do, no user can',
  },
  {
    files: 'cli/commands/classic/',
    may: ['cli/', 'classic/index.ts', 'node/index.ts', 'node:', 'npm:commander'],
    reason: 'the command of the wing is a user of the entries too, and goes when the wing goes',
  },
];

/**
 * What can be taken away as a whole: the folders of a wing, and who outside of them may import which of its files. What a
 * wing takes from an entry is a list too, so that no way leads from it to a line.
 */
export interface Wing {
  readonly folders: readonly string[];
  readonly registrations: readonly { readonly file: string; readonly imports: string }[];
  readonly takes: { readonly within: string; readonly from: string; readonly names: readonly string[] };
}

export const CLASSIC_WING: Wing = {
  folders: ['classic/', 'cli/commands/classic/'],
  registrations: [{ file: 'cli/program.ts', imports: 'cli/commands/classic/classic.ts' }],
  takes: {
    within: 'classic/',
    from: 'node/index.ts',
    names: [
      'LineError',
      // Commands start through the policy and the runner of the project.
      'ExecPolicy',
      'Environment',
      'NodeProcessRunner',
      'ExecPolicyOptions',
      'Command',
      'PermittedStart',
      'ProcessEnd',
      'RunningProcess',
      'StartFailure',
      // And are recorded, as all of its starts.
      'AuditEntry',
      'AuditLog',
      // What time it is, as text.
      'formatTime',
      'localZone',
      'Zone',
      // Files are read and written through its two gates.
      'ReadRoot',
      'ReceiveRoot',
      'ReceivingFile',
      'SourceFile',
    ],
  },
};

/** Text that may not stand in the code, comments and strings aside. */
export interface ForbiddenText {
  readonly rule: string;
  readonly within: string;
  readonly except?: readonly string[];
  readonly pattern: RegExp;
  readonly reason: string;
}

export const FORBIDDEN_TEXT: readonly ForbiddenText[] = [
  {
    rule: 'never 1',
    within: 'protocol/',
    pattern: /\basync\b|\bawait\b/,
    reason: 'the core is synchronous',
  },
  {
    rule: 'never 1',
    within: 'protocol/',
    except: ['protocol/crypto/provider.ts', 'protocol/crypto/portable.ts', 'protocol/pake/passphrase.ts'],
    pattern: /\bPromise\b/,
    reason: 'the core is synchronous; only scrypt, which line/ waits for, promises its result',
  },
  {
    rule: 'never 1',
    within: 'protocol/',
    pattern: /\bDate\b|\bMath\.random\b|\bperformance\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/,
    reason: 'time and randomness are arguments',
  },
  {
    rule: 'never 1',
    within: 'protocol/',
    pattern: /\bconsole\b|\bprocess\b|\bBuffer\b|\bglobalThis\b|\bfetch\b/,
    reason: 'the core has no platform',
  },
  {
    rule: 'never 5',
    within: '',
    except: ['cli/', 'node/'],
    pattern: /\bprocess\.|\bBuffer\b|\bconsole\b/,
    reason: 'only platform code touches the platform, and the library never prints',
  },
  {
    rule: 'never 4',
    within: '',
    except: ['services/exec/policy.ts'],
    pattern: /\bas (?:unknown as )?PermittedStart\b/,
    reason: 'only the policy permits a process to start',
  },
  {
    rule: 'never 10',
    within: '',
    pattern: /^(?:export )?(?:let|var)\b/m,
    reason: 'no state in a module: two users of the library in one process must not meet',
  },
  {
    rule: 'visible imports',
    within: '',
    // Loads one file, the built command, whose sources this test sees.
    except: ['cli/load-command.ts'],
    pattern: /\brequire\(|\bcreateRequire\b/,
    reason: 'an import that this test cannot see is a hole in it',
  },
];

/** Packages that only a few files may import, because each is a gate. */
export interface Gate {
  readonly rule: string;
  readonly packages: readonly string[];
  readonly only: readonly string[];
  readonly reason: string;
}

export const GATES: readonly Gate[] = [
  {
    rule: 'R-F7',
    packages: ['node:fs', 'node:fs/promises'],
    only: [
      'node/files/',
      'node/state/',
      // Looks whether the folder is there in which a command shall start, and opens nothing.
      'node/exec/process-runner.ts',
      'node/exec/command-service.ts',
      'node/exec/terminal-service.ts',
      'node/exec/find-command.ts',
      // Reads the system's time zones, by names that lead nowhere else.
      'node/zoneinfo.ts',
      // Types into a terminal, by its descriptor.
      'node/exec/terminal-runner.ts',
      // Asks for the real path of the folder that says which history it is, and opens nothing.
      'node/chat/serve-chat.ts',
      // A password file, and the terminal as a device: what the user names, never what a peer names.
      'cli/secrets.ts',
      'cli/terminal/prompt.ts',
      // The manifest of the package itself, the built command, and the tour's own folder.
      'cli/version.ts',
      'cli/load-command.ts',
      'cli/commands/demo.ts',
    ],
    reason: 'paths reach the disk through the read root, the receive root or the state folder',
  },
  {
    rule: 'never 8',
    packages: ['node:child_process', 'node:worker_threads', 'node:cluster', 'node:vm'],
    // The tour runs this command itself, the pager is the user's own program, and so is stty, which sets the terminal;
    // memory.ts only borrows a message port, and the command is loaded as it was compiled ahead.
    only: [
      'node/exec/process-runner.ts',
      'cli/commands/demo.ts',
      'cli/terminal/pager.ts',
      'cli/terminal/raw-terminal.ts',
      'node/memory.ts',
      'cli/load-command.ts',
    ],
    reason: 'commands start only through a runner, after the policy',
  },
  {
    rule: 'R-T1',
    packages: ['node:dgram'],
    only: [
      'node/transports/datagram.ts',
      // The wing speaks the tutorials' UDP, and bounds its answers itself.
      'classic/net/datagrams.ts',
    ],
    reason: 'a server can send nothing by UDP but the answer to a packet that has come',
  },
  {
    rule: 'never 4',
    packages: ['npm:@lydell/node-pty'],
    only: ['node/exec/terminal-runner.ts'],
    reason: 'terminals start only through their runner, after the policy',
  },
  {
    rule: 'one place for SQL',
    packages: ['npm:@photostructure/sqlite', 'node:sqlite'],
    only: ['node/chat/open-database.ts'],
    reason: 'a library that opens files by their names gets none but those of the state folder',
  },
];
