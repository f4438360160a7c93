/**
 * The one place that judges what a login may do: what the owner of this machine allows, and of that only what is within the
 * `ceiling` of the login, if it has one. A machine that was let in by its key has that of its entry.
 */
export function withinCeiling<Name extends string>(
  allowed: readonly Name[],
  ceiling: readonly string[] | undefined,
): readonly Name[] {
  return ceiling === undefined ? allowed : allowed.filter(name => ceiling.includes(name));
}
