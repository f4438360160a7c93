import { spawnSync } from 'node:child_process';

export const PYTHON = 'python3';

/** Tests with peers in Python run only where it is. */
export const hasPython = spawnSync(PYTHON, ['--version']).status === 0;
