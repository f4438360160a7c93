import type { ChangeStore, ReadStore, ReceivingFile } from '../../../src/services/files/store.ts';

/** The functions of a store or file one by one, so that a test can put its own in the place of some. */

export function readPortsOf(store: ReadStore): ReadStore {
  return {
    stat: path => store.stat(path),
    list: (path, options) => store.list(path, options),
    open: path => store.open(path),
  };
}

export function portsOf(store: ChangeStore): ChangeStore {
  return {
    stat: path => store.stat(path),
    open: path => store.open(path),
    makeFolder: path => store.makeFolder(path),
    finishFolder: (path, attributes) => store.finishFolder(path, attributes),
    setAttributes: (path, judged, attributes) => store.setAttributes(path, judged, attributes),
    makeLink: (path, target, options) => store.makeLink(path, target, options),
    create: (path, options) => store.create(path, options),
    partialBytes: path => store.partialBytes(path),
    move: (from, to) => store.move(from, to),
    remove: (path, options) => store.remove(path, options),
  };
}

export function filePortsOf(file: ReceivingFile): ReceivingFile {
  return {
    keptBytes: file.keptBytes,
    truncate: byteLength => file.truncate(byteLength),
    write: (bytes, position) => file.write(bytes, position),
    writeZeros: (byteLength, position) => file.writeZeros(byteLength, position),
    read: (target, position) => file.read(target, position),
    commit: options => file.commit(options),
    keep: () => file.keep(),
    discard: () => file.discard(),
  };
}
