/** What a login may do on a host: one layer, deny by default, none implied by another (docs/cli.md). */
export const PERMISSIONS = ['read', 'write', 'delete', 'exec', 'shell', 'chat', 'time', 'agents'] as const;

export type Permission = (typeof PERMISSIONS)[number];
