// Drives a ferry service with a NestJS client and prints what the caller saw, one JSON line a case.
import { once } from 'node:events';
import { isDeepStrictEqual } from 'node:util';
import { readFileSync } from 'node:fs';
import { headers as natsHeaders } from '@nats-io/transport-node';
import { MqttRecordBuilder, NatsRecordBuilder, RmqRecordBuilder } from '@nestjs/microservices';
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

/** Headers, and what else a message may ask for, travel in a record around the payload. */
function withRecord(transport, data, { headers, record }) {
  if (headers === undefined && record === undefined) return data;
  if (transport === 'mqtt') {
    const builder = new MqttRecordBuilder(data).setProperties({ userProperties: headers ?? {} });
    if (record?.qos !== undefined) builder.setQoS(record.qos);
    if (record?.retain !== undefined) builder.setRetain(record.retain);
    return builder.build();
  }
  if (transport === 'rmq') return new RmqRecordBuilder(data).setOptions({ ...(headers && { headers }), ...record }).build();
  const all = natsHeaders();
  for (const [name, value] of Object.entries(headers)) all.set(name, value);
  return new NatsRecordBuilder(data).setHeaders(all).build();
}

/** Subscribes to one send or emit and resolves with its result, never rejects. */
function observe(client, testCase, timeout, transport) {
  return new Promise((resolve) => {
    const emitted = [];
    const finish = (outcome) => {
      clearTimeout(timer);
      resolve({ name: testCase.name, emitted, ...outcome });
    };
    // The time itself is tested: of some cases the expected outcome is that nothing comes within their timeout.
    const timer = setTimeout(() => {
      subscription?.unsubscribe();
      finish({ completed: false, timeout: true });
    }, testCase.timeoutMs ?? timeout);
    const data = withRecord(transport, decodeUndefined(testCase.data), testCase);
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
    const copies = Array.from({ length: numberOf(values, 'concurrent') }, () => observe(client, first, timeout, values.transport));
    const results = await Promise.all(copies);
    const ok = results.filter((result) => succeeded(result, first)).length;
    printLine({ ok, failed: results.length - ok });
  } else {
    for (const testCase of cases) {
      // Read by the dispatch hook once the connection stands, so it holds for the whole case.
      metadata = testCase.metadata;
      printLine(await observe(client, testCase, timeout, values.transport));
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
  await client.mqttClient?.endAsync?.();   // not forced: after what it was given
  await client.close();
}

run(main);
