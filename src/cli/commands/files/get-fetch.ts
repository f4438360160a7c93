import { type DownloadSummary, download, type FilesClient, makeSha256, type SeenAhead } from '../../../node/index.ts';
import type { Offer } from './get-offer.ts';
import type { DownloadTarget } from './get-target.ts';
import type { Conflicts } from './transfer/conflicts.ts';
import { carryingOf, type TransferOptions } from './transfer/transfer-options.ts';
import type { TransferReport } from './transfer/transfer-report.ts';

export interface GetOptions extends TransferOptions {
  readonly offset?: number;
  readonly length?: number;
}

/** What surrounds the download of each target. */
export interface Fetching {
  readonly options: GetOptions;
  readonly report: TransferReport;
  readonly conflicts: Conflicts;
  readonly offer: Offer;
  /** What was found where the only target goes to. */
  readonly seen?: SeenAhead | undefined;
}

/** Downloads one target under its events. */
export async function fetchTarget(
  files: FilesClient,
  target: DownloadTarget,
  { options, report, conflicts, offer, seen }: Fetching,
): Promise<DownloadSummary> {
  const store = await target.openStore();
  try {
    return await download(files, store, target, {
      ...conflicts.optionsFor(target.folder, true),
      accept: offer.acceptFor(target.from),
      checksum: options.checksum,
      ...carryingOf(options),
      fsync: options.fsync,
      seen,
      makeSha256,
      onEvent: event => report.event(event),
    });
  } finally {
    await store.close();
  }
}
