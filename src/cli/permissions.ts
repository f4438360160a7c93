import { LineError, PERMISSIONS, type Permission } from '../node/index.ts';

/** The value of `--allow`: names with commas between. */
export function parsePermissions(list: string): readonly Permission[] {
  const names = list.split(',').map(name => name.trim());
  const unknown = names.find(name => name !== '' && !(PERMISSIONS as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new LineError('USAGE', `${unknown} is no permission; there are ${PERMISSIONS.join(', ')}`);
  }
  return PERMISSIONS.filter(name => names.includes(name));
}
