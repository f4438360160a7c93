import { randomBytes } from 'node:crypto';
import { nodeCrypto } from '../../../src/node/crypto.ts';
import { portableCrypto } from '../../../src/protocol/crypto/portable.ts';
import { cryptoProviderContract } from '../../contracts/crypto-provider.ts';

cryptoProviderContract(
  'portableCrypto',
  portableCrypto(length => Uint8Array.from(randomBytes(length))),
  nodeCrypto,
);
