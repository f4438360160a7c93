import { LineError } from '../node/index.ts';

/** A number of bytes as an option takes it: `0`, `1048576`, `500K`, `256M`, `2G`, in powers of 1,024. `USAGE` for anything else. */
export function parseByteSize(text: string, option: string): number {
  const parts = /^(\d{1,12})([KMGT]?)$/i.exec(text);
  const unit = ['', 'K', 'M', 'G', 'T'].indexOf(parts?.[2]?.toUpperCase() ?? '');
  const bytes = Number(parts?.[1]) * 1024 ** unit;
  if (!Number.isSafeInteger(bytes)) throw new LineError('USAGE', `${option} takes a size such as 0, 500K, 256M or 2G`);
  return bytes;
}
