/** The entry for Node: TCP, the disk, and what this machine keeps, on top of the portable entry. */
export * from '../index.ts';
export {
  type AgentEvent,
  makeAgentRoutes,
  type RunAgentOptions,
  runAgent,
  serveAgents,
} from './agent.ts';
export type { LoadSqlite } from './chat/open-database.ts';
export { type ChatFileOptions, downloadChatFile, OutgoingFile } from './chat/outgoing-file.ts';
export { type ChatOptions, serveChat } from './chat/serve-chat.ts';
export { joinChat, makeChatRoom, type StayInChatEvent, type StayInChatOptions, stayInChat } from './chat.ts';
export { type ConnectOptions, connect, DEFAULT_PORT } from './connect.ts';
export { nodeCrypto } from './crypto.ts';
export { openDatagrams } from './datagrams.ts';
export { type CommandOptions, type CommandService, serveCommands } from './exec/command-service.ts';
export { NodeProcessRunner } from './exec/process-runner.ts';
export { serveTerminals, type TerminalOptions } from './exec/terminal-service.ts';
export { brotliCompressor } from './files/brotli.ts';
export { type FolderService, makeOffers, makeSha256, openOffer, serveFolder } from './files/folder-service.ts';
export { ReadRoot } from './files/read-root.ts';
export { ReceiveRoot } from './files/receive-root.ts';
export { type ListenOptions, listen, type Passphrase, type Server } from './listen.ts';
export { keepHeapSmall } from './memory.ts';
export { type AuditFields, AuditFile, auditFields } from './state/audit-file.ts';
export { AuthorizedKeys, type AuthorizedKeysOptions } from './state/authorized-keys.ts';
export type { UnreadLine } from './state/authorized-keys-file.ts';
export { type Config, readConfig } from './state/config.ts';
export { type StateFolders, stateFolders } from './state/folders.ts';
export { type Install, type Pins, temporaryInstall, thisInstall } from './state/install.ts';
export { KnownPeers, type PinnedPeer } from './state/known-peers.ts';
export { fingerprint, parsePublicKey, publicKeyText } from './state/public-key.ts';
export { StretchedPassphrase } from './stretched-passphrase.ts';
export { serveTime } from './time-service.ts';
export { bindUdp, dialUdp } from './transports/datagram.ts';
export { acceptedTcp, dialTcp } from './transports/tcp.ts';
export { loadZone, localZone, type ZoneOptions } from './zoneinfo.ts';
