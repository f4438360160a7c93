import { stretchPassphrase } from '../protocol/pake/passphrase.ts';
import { nodeCrypto } from './crypto.ts';

/**
 * A passphrase whose stretching, some 0.1 s of a core, begins when this is made: for whoever connects a little later, or
 * more than once. It has the power of the passphrase. One that is none is `USAGE`, which `connect` tells.
 */
export class StretchedPassphrase {
  /** Which of a server's passphrases it is. */
  readonly realm: string;
  readonly prs: Promise<Uint8Array>;

  constructor(passphrase: string, realm = '') {
    this.realm = realm;
    this.prs = (async () => stretchPassphrase(nodeCrypto, passphrase, realm))();
    // Whoever connects with it meets the failure.
    this.prs.catch(() => {});
  }
}
