/** For tests of programs that use postern; experimental until 1.0. */
export { type MemoryOptions, type MemoryTransport, memoryPair } from '../transports/memory.ts';
export {
  MemoryDatagramSocket,
  MemoryDatagrams,
  type MemoryDatagramsOptions,
  type Travelling,
} from '../transports/memory-datagrams.ts';
export { ManualClock } from './manual-clock.ts';
