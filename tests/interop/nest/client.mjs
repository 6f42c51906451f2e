// Drives a ferry service with a NestJS client and prints what the caller saw, one JSON line a case.
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { readFileSync } from 'node:fs';
import { headers as natsHeaders } from '@nats-io/transport-node';
import { NatsRecordBuilder, RmqRecordBuilder } from '@nestjs/microservices';
import {
  casesOf, connectionOptions, decodeUndefined, encodeError, encodeUndefined, makeClient, numberOf, printLine, readArguments, run,
} from './common.mjs';

const options = {
  ...connectionOptions,
  servername: { type: 'string' },
  cases: { type: 'string' },
  concurrent: { type: 'string' },
  timeout: { type: 'string', default: '5000' },
};

/** Takes `--call PATTERN DATA` (or `--emit`) out by hand: its values may begin with a dash. */
function takeSingleCase(args) {
  const at = args.findIndex((arg) => arg === '--call' || arg === '--emit');
  if (at < 0) return undefined;
  const [flag, pattern, data] = args.splice(at, 3);
  if (data === undefined) throw new Error(`${flag} needs a pattern and data, both as JSON`);
  return { name: flag.slice(2), kind: flag === '--emit' ? 'emit' : 'send', pattern: JSON.parse(pattern), data: JSON.parse(data) };
}

/** Headers and publish options travel in a record around the payload. */
function withHeaders(data, headers, record) {
  if (record !== undefined) return new RmqRecordBuilder(data).setOptions(record).build();
  if (headers === undefined) return data;
  const all = natsHeaders();
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return new NatsRecordBuilder(data).setHeaders(all).build();
}

/** Subscribes to one send or emit and resolves with its result, never rejects. */
function observe(client, testCase, timeout) {
  return new Promise((resolve) => {
    const emitted = [];
    const finish = (outcome) => {
      clearTimeout(timer);
      resolve({ name: testCase.name, emitted, ...outcome });
    };
    const timer = setTimeout(() => {
      subscription?.unsubscribe();
      finish({ completed: false, timeout: true });
    }, testCase.timeoutMs ?? timeout);
    const data = withHeaders(decodeUndefined(testCase.data), testCase.headers, testCase.record);
    const source = testCase.kind === 'emit' ? client.emit(testCase.pattern, data) : client.send(testCase.pattern, data);
    const subscription = source.subscribe({
      next: (value) => emitted.push(encodeUndefined(value)),
      error: (error) => finish({ completed: false, error: encodeError(error) }),
      complete: () => finish({ completed: true }),
    });
  });
}

function succeeded({ name, ...result }, { expect }) {
  return expect === undefined ? result.completed : isDeepStrictEqual(JSON.parse(JSON.stringify(result)), expect);
}

async function main() {
  const args = process.argv.slice(2);
  const single = takeSingleCase(args);
  const values = readArguments(options, args);
  if (!single && !values.cases) throw new Error('nothing to do: give --cases FILE or --call PATTERN DATA');
  const cases = single ? [single] : casesOf(JSON.parse(readFileSync(values.cases, 'utf8')), values.transport);
  const timeout = numberOf(values, 'timeout');

  const client = makeClient(values);
  let metadata;
  client.setOnDispatchHook((packet) => {
    if (metadata !== undefined) packet.metadata = metadata;
  });

  if (values.concurrent !== undefined) {
    const [first] = cases;
    metadata = first.metadata;
    const copies = Array.from({ length: numberOf(values, 'concurrent') }, () => observe(client, first, timeout));
    const results = await Promise.all(copies);
    const ok = results.filter((result) => succeeded(result, first)).length;
    printLine({ ok, failed: results.length - ok });
  } else {
    for (const testCase of cases) {
      // Read by the dispatch hook once the connection stands, so it holds for the whole case.
      metadata = testCase.metadata;
      printLine(await observe(client, testCase, timeout));
    }
  }
  await closed(client);
}

/** Closes after what was written has left: an event must not be lost to our own exit. */
async function closed(client) {
  const socket = client.socket?.netSocket;
  if (socket && !socket.destroyed) {
    const ended = once(socket, 'close', { signal: AbortSignal.timeout(1000) }).catch(() => {});
    client.close();
    return ended;
  }
  await client.natsClient?.flush();
  await client.close();
}

run(main);
