/**
 * One form for all paths that some disk may take for one: those of macOS and Windows do not tell `A` from `a`, those of
 * macOS not `é` from `e` with an accent behind it. It takes more together than any of them does; whoever uses it must be
 * right for two paths that are alike here and different on the disk.
 */
export function foldPath(path: string): string {
  if (LOWER_ASCII.test(path)) return path;
  // Through both cases: the capital of ß is two letters, and the small letter of a capital ß is one.
  return path.normalize('NFD').replace(IGNORED_ON_MACOS, '').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
}

// oxlint-disable-next-line no-control-regex -- all of ASCII but capital letters
const LOWER_ASCII = /^[\u0000-@[-\u007f]*$/;
/** Characters that a name on HFS+ may have or not have without being another one. */
const IGNORED_ON_MACOS = /[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]/g;
