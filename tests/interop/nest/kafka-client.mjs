// Calls a ferry service on Kafka: `node kafka-client.mjs --url kafka://host:port --calls '[{"kind":"send","pattern":"p","data":1}]'`.
// One JSON line a call, in order. `--again 100` sends the first call so many times at once and prints a summary instead.
// `--session 2000`: milliseconds after which the group misses it. A client that is missed while it lives loses replies: NestJS
// gives its partition of replies to another one, and the two do not agree on whose it is from then on.
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { ensureTopics } from './kafka-common.mjs';
import { connectionOptions, encodeError, numberOf, printLine, readArguments, run, stderrLogger } from './common.mjs';

const values = readArguments({ ...connectionOptions, calls: { type: 'string' }, again: { type: 'string' }, session: { type: 'string', default: '30000' } });
const calls = JSON.parse(values.calls);
const brokers = [new URL(values.url).host];

const observe = (client, { kind, pattern, data }) =>
  new Promise((resolve) => {
    const emitted = [];
    const source = kind === 'emit' ? client.emit(pattern, data) : client.send(pattern, data);
    source.subscribe({
      next: (value) => emitted.push(value),
      error: (error) => resolve({ emitted, error: encodeError(error) }),
      complete: () => resolve({ emitted }),
    });
  });

run(async () => {
  Logger.overrideLogger(stderrLogger);
  const client = ClientProxyFactory.create({
    transport: Transport.KAFKA,
    options: {
      client: { brokers, logLevel: 0 },
      consumer: { groupId: 'callers', sessionTimeout: numberOf(values, 'session'), heartbeatInterval: 300 },
      subscribe: { fromBeginning: true },   // kafkajs finds "the end" with its first fetch: a reply may come before
    },
  });
  const patterns = [...new Set(calls.filter(({ kind }) => kind === 'send').map(({ pattern }) => pattern))];
  patterns.forEach((pattern) => client.subscribeToResponseOf(pattern));
  await ensureTopics(brokers, patterns.map((pattern) => `${pattern}.reply`));
  await client.connect();
  const assigned = () => patterns.every((pattern) => client.getConsumerAssignments()[`${pattern}.reply`] !== undefined);
  while (!assigned()) await sleep(20);
  process.stdout.write('READY {}\n');
  if (values.again !== undefined) {
    const results = await Promise.all(Array.from({ length: numberOf(values, 'again') }, () => observe(client, calls[0])));
    printLine({ ok: results.filter(({ error }) => error === undefined).length });
  } else {
    for (const call of calls) printLine(await observe(client, call));
  }
  await client.close();
});
