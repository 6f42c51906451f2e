// Sends more at once than both sockets can hold. A peer that stops reading while its replies wait for room never
// finishes: both sides are then writing and neither reads.
import { once } from 'node:events';
import { lastValueFrom } from 'rxjs';
import { connectionOptions, makeClient, numberOf, printLine, readArguments, run } from './common.mjs';

const options = {
  ...connectionOptions,
  servername: { type: 'string' },
  requests: { type: 'string', default: '256' },
  bytes: { type: 'string', default: '65536' },
  timeout: { type: 'string', default: '30000' },
  pattern: { type: 'string', default: 'echo' },
};

async function main() {
  const values = readArguments(options);
  const requests = numberOf(values, 'requests');
  const client = makeClient(values);
  const started = Date.now();
  let ok = 0;

  const sent = Array.from({ length: requests }, async (_, index) => {
    const data = String(index).padEnd(numberOf(values, 'bytes'), 'x');
    if ((await lastValueFrom(client.send(values.pattern, data))) === data) ok++;
  });
  const limit = once(AbortSignal.timeout(numberOf(values, 'timeout')), 'abort');
  await Promise.race([Promise.allSettled(sent), limit]);

  printLine({ ok, failed: requests - ok, ms: Date.now() - started });
}

run(main);
