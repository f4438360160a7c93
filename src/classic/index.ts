/**
 * The entry `./classic`: the programs of two tutorials about sockets, byte for byte on the wire, and what they teach. A
 * wing: it can be deleted, and nothing of the line knows of it (docs/decisions/0024-classic-wing.md). Nothing here is
 * encrypted or authenticated. Experimental: it follows the tutorials, not semantic versioning.
 */
export { type Address, formatAddress } from './address.ts';
export {
  type CommandOutput,
  CommandRunner,
  type CommandRunnerOptions,
} from './commands/command-runner.ts';
export {
  callFiles,
  type FilesOptions,
  type GetFileOptions,
  getFile,
  type SaveFile,
} from './files/client.ts';
export { keyOfPassword, type PasswordKey } from './files/password-key.ts';
export { type ServeFilesOptions, serveFiles } from './files/server.ts';
export { encodeBlock, receiveBlocks } from './framing/blocks.ts';
export { type DrawnPart, drawBytes } from './framing/draw-bytes.ts';
export { encodeWithHeader, receiveWithHeader } from './framing/json-header.ts';
export { receiveAfterOk, sendAfterOk } from './framing/length-and-ok.ts';
export { packNativeInt, unpackNativeInt } from './framing/native-int.ts';
export { receiveMessage } from './framing/raw.ts';
export { encodeStruct, receiveStruct } from './framing/struct-length.ts';
export { decryptFrameHeader, encryptFrame } from './markov/frame.ts';
export { Key } from './markov/key.ts';
export { Primer } from './markov/primer.ts';
export { Decrypter, Encrypter } from './markov/processor.ts';
export type { ByteSource, ByteStream } from './net/connection.ts';
export {
  COLORS,
  type Color,
  type Heard,
  type Person,
  type ProgramOptions,
  type ServeOptions,
} from './person.ts';
export {
  CONTROL_FRAMINGS,
  type ControlFraming,
  type ControlOptions,
  type ObeyOptions,
  obeyControl,
  serveControl,
} from './programs/control.ts';
export { type CallDeskOptions, callDesk, serveDesk } from './programs/desk.ts';
export { type CallExecOptions, callExec, type ServeExecOptions, serveExec } from './programs/exec.ts';
export { callHelloTcp, callHelloUdp, serveHelloTcp, serveHelloUdp } from './programs/hello.ts';
export { callHmac, type Digest, type HmacOptions, serveHmac } from './programs/hmac.ts';
export { OLD_WANG, ORIGINAL_PORT } from './programs/originals.ts';
export { type CallQqOptions, callQq, serveQq } from './programs/qq.ts';
export { showSticky } from './programs/sticky.ts';
export { type SubprocessOptions, showSubprocess } from './programs/subprocess.ts';
export { callTalk, serveTalk } from './programs/talk.ts';
export { type AskTimeOptions, askTime, serveTime } from './programs/time.ts';
export { decodePickle } from './python/pickle-reader.ts';
export type { PickleValue } from './python/pickle-value.ts';
export { encodePickle } from './python/pickle-writer.ts';
export { type Chooser, PythonRandom } from './python/random.ts';
export { bytesLiteral } from './text/bytes-literal.ts';
export type { Encoding } from './text/encoding.ts';
