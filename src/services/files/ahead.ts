/** Most of what is looked at ahead of time: some megabytes, and more than a login leaves time for. */
export const MAX_AHEAD_ENTRIES = 20_000;

/** What was seen is used for this long after the first look. A login takes less; somebody who types a passphrase, more. */
export const MAX_AHEAD_MS = 2_000;
