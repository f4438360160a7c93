import { expect, it } from 'vitest';
import { commanded, thereAndBack } from '../services/exec/commanded.ts';

it('carries 1 GiB through a command and back unchanged', async () => {
  const { client } = await commanded();
  const { sent, got, end } = await thereAndBack(client, 1024);
  expect(end).toMatchObject({ status: 0 });
  expect(got).toBe(sent);
});
