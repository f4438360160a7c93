/** The portable entry: what works on every platform over a transport that the caller brings. */
export { formatTime, type Instant } from './calendar/format-time.ts';
export { fixedZone, utcZone, type Zone, type ZoneOffset } from './calendar/zone.ts';
export { LINE_ERROR_CODES, LineError, type LineErrorCode } from './errors.ts';
export type { Channel, ChannelItem } from './line/channel.ts';
export { type Clock, systemClock, type Timer } from './line/clock.ts';
export { type ConnectedLine, type OpenLineOptions, openLine } from './line/connect.ts';
export type { AskOptions, DatagramAnswer, DatagramAsker } from './line/datagram-asker.ts';
export type { AnswerDatagram, DatagramArrival } from './line/datagram-host.ts';
export type { DatagramOffer } from './line/datagram-offer.ts';
export { type DeviceList, enrolled, type WantedDevice } from './line/device-list.ts';
export type { Line } from './line/line.ts';
export {
  type KnownClients,
  Listener,
  type ListenerOptions,
  type PairingAsked,
  type RejectedLogin,
} from './line/listener.ts';
export { isLineLost } from './line/lost.ts';
export { type PairDeviceOptions, type PairingControl, pairDevice } from './line/pairing.ts';
export type { ListenerDevices } from './line/pairing-host.ts';
export type { LinePeer, OpenOptions, Route } from './line/route.ts';
export type { AdmissionLimits } from './protocol/admission/admission-limits.ts';
export type { JsonObject } from './protocol/bytes/json.ts';
export { decodeName, encodeName } from './protocol/bytes/text.ts';
export type { CryptoProvider, KeyPair } from './protocol/crypto/provider.ts';
export type { Device } from './protocol/handshake/device.ts';
export type { Realm } from './protocol/handshake/responder.ts';
export { SHELL_AWAY_MS } from './protocol/limits.ts';
export { deviceName, type Paired } from './protocol/pairing.ts';
export { stretchPassphrase } from './protocol/pake/passphrase.ts';
export { Agent, type AgentOptions, joinAgents, type Membership, type ReachedEvent } from './services/agents/agent.ts';
export { type AgentsHostOptions, agentsHost } from './services/agents/host.ts';
export { type AgentCard, type AgentEntry, agentName } from './services/agents/messages.ts';
export { AgentRoutes, findAgent, type ListAgentsOptions, listAgents } from './services/agents/routes.ts';
export { type ChatHost, type ChatHostOptions, chatHost } from './services/chat/chat-host.ts';
export { ChatRoom, type ChatRoomOptions, type SendOptions } from './services/chat/chat-room.ts';
export type {
  ChatHistory,
  ChatKeep,
  FoundStep,
  HistoryView,
  IdRange,
  KeptRoom,
  NameOwner,
  SearchView,
  Seen,
  StoredAs,
  UnstoredMessage,
} from './services/chat/history.ts';
export type { FloodLimits } from './services/chat/hosting/flood.ts';
export { MemoryHistory } from './services/chat/memory-history.ts';
export type {
  ChatEvent,
  ChatFile,
  ChatMember,
  ChatMessage,
  ChatMessageKind,
  ChatRoomEntry,
  HistoryRange,
  JoinedRoom,
} from './services/chat/message.ts';
export type { ChatName } from './services/chat/names.ts';
export type { StoredMessage } from './services/chat/outbox.ts';
export { listRooms } from './services/chat/reading.ts';
export type { Command } from './services/command.ts';
export type { Asker, AuditEntry, AuditLog } from './services/exec/audit.ts';
export {
  type ExecOptions,
  type ExecRequest,
  exec,
  type RemoteEnd,
  type RemoteInput,
  RemoteProcess,
  startRemote,
} from './services/exec/caller.ts';
export { ExecHost, type ExecHostOptions } from './services/exec/host.ts';
export { type ProcessEnd, SIGNALS, type Signal, type StartRequest } from './services/exec/messages.ts';
export {
  childEnvironment,
  type Environment,
  ExecPolicy,
  type ExecPolicyOptions,
  type PermittedStart,
} from './services/exec/policy.ts';
export { type ProcessInput, type ProcessRunner, type RunningProcess, StartFailure } from './services/exec/runner.ts';
export type { Compressor } from './services/files/coding/compressor.ts';
export type { Entry, EntryType, Excluder, Problem } from './services/files/entry.ts';
export { excluder } from './services/files/exclude.ts';
export type { MakeSha256, Sha256 } from './services/files/hash.ts';
export {
  type FetchOptions,
  type FileOptions,
  FilesClient,
  type ListOptions,
  type ReadOptions,
  type RemoteFile,
} from './services/files/reading/client.ts';
export { ListedAhead } from './services/files/reading/listed-ahead.ts';
export { Offers } from './services/files/reading/offers.ts';
export { filesHost } from './services/files/reading/sender.ts';
export {
  CONFLICT_POLICIES,
  type Conflict,
  type ConflictAnswer,
  type ConflictPolicy,
} from './services/files/receiving/conflict.ts';
export {
  type DownloadOptions,
  type DownloadRequest,
  type DownloadSummary,
  download,
} from './services/files/receiving/download.ts';
export type { Outcome, TransferEvent, TransferredFile } from './services/files/receiving/events.ts';
export { filesChangeHost } from './services/files/receiving/put-host.ts';
export { SeenAhead } from './services/files/receiving/seen-ahead.ts';
export {
  makeRemoteFolder,
  moveRemote,
  removeRemote,
  type UploadOptions,
  type UploadRequest,
  upload,
  uploadStream,
} from './services/files/receiving/upload.ts';
export type {
  Attributes,
  ChangeStore,
  ChangeWatch,
  ListingOptions,
  LookOptions,
  ReadStore,
  ReceiveStore,
  ReceivingFile,
  SourceFile,
} from './services/files/store.ts';
export { EntrySet } from './services/files/syncing/entry-set.ts';
export { PathSet } from './services/files/syncing/path-set.ts';
export {
  type LocalFolder,
  type PlannedChange,
  type SyncEvent,
  type SyncOptions,
  type SyncSummary,
  syncFromRemote,
  syncToRemote,
} from './services/files/syncing/sync.ts';
export { syncOnChange } from './services/files/syncing/sync-on-change.ts';
export { PERMISSIONS, type Permission } from './services/permission.ts';
export { datagramPermissions, dispatchChannels, dispatchDatagrams, offeredPermissions } from './services/registry.ts';
export type { DatagramKind, Service, ServiceKind } from './services/service.ts';
export { openShell, type RemoteTerminal, type ShellOptions } from './services/shell/remote-terminal.ts';
export { type ShellHost, type ShellHostOptions, shellHost } from './services/shell/shell-host.ts';
export {
  type AskingPeer,
  passedVariables,
  type Terminal,
  type TerminalEnd,
  type TerminalRequest,
  type TerminalSignal,
  type TerminalSize,
  type Terminals,
} from './services/shell/terminal.ts';
export {
  type AskByDatagramsOptions,
  type AskTimeOptions,
  askTime,
  askTimeByDatagrams,
} from './services/time/asking.ts';
export { estimate, type TimeEstimate, type TimeExchange } from './services/time/estimate.ts';
export { type TimeHostOptions, timeHost } from './services/time/host.ts';
export type { ServerTime, ZoneNow } from './services/time/messages.ts';
export { SystemUnixClock, type UnixClock, type UnixReading } from './services/time/unix-clock.ts';
export type { DatagramPort, DatagramSink, DatagramSocket } from './transports/datagram.ts';
export type { Transport, TransportPeer, TransportSink } from './transports/transport.ts';
