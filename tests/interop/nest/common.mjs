// What the programs of this directory share: arguments, TLS files, the client, the result forms.
import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Logger } from '@nestjs/common';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';

export const connectionOptions = {
  transport: { type: 'string', default: 'tcp' },
  url: { type: 'string' },
  port: { type: 'string' },
  host: { type: 'string', default: '127.0.0.1' },
  // RabbitMQ's.
  queue: { type: 'string' },
  wildcards: { type: 'boolean' },
  fanout: { type: 'string' },
  'manual-ack': { type: 'boolean' },
  'tls-key': { type: 'string' },
  'tls-cert': { type: 'string' },
  'tls-ca': { type: 'string' },
};

/** Nest logs to stdout by default; here stdout belongs to the test that started us. */
export const stderrLogger = {
  log() {},
  debug() {},
  verbose() {},
  warn: (...words) => console.error('[nest] warn:', ...words),
  error: (...words) => console.error('[nest] error:', ...words),
  fatal: (...words) => console.error('[nest] fatal:', ...words),
};

export function readArguments(options, args = process.argv.slice(2)) {
  const { values } = parseArgs({ args, options, strict: true });
  return values;
}

export function numberOf(values, name) {
  const number = Number(values[name]);
  if (values[name] === undefined || !Number.isInteger(number) || number < 0) {
    throw new Error(`--${name} needs a whole number, got ${values[name] ?? 'nothing'}`);
  }
  return number;
}

/** The TLS files named on the command line, or undefined when none is. */
export function tlsFiles(values) {
  const files = Object.entries({ key: values['tls-key'], cert: values['tls-cert'], ca: values['tls-ca'] })
    .filter(([, path]) => path !== undefined)
    .map(([name, path]) => [name, readFileSync(path)]);
  return files.length === 0 ? undefined : Object.fromEntries(files);
}

/** How each transport takes the address of its broker. */
const brokers = {
  redis: (url) => ({ transport: Transport.REDIS, options: { host: url.hostname, port: Number(url.port) } }),
  nats: (url) => ({ transport: Transport.NATS, options: { servers: [url.href] } }),
  mqtt: (url) => ({ transport: Transport.MQTT, options: { url: url.href, protocolVersion: 5 } }),
  rmq: (url, { queue, wildcards, fanout }) => ({
    transport: Transport.RMQ,
    options: {
      urls: [url.href],
      queue,
      ...(wildcards && { wildcards }),
      ...(fanout && { exchange: fanout, exchangeType: 'fanout' }),
    },
  }),
};

/** Nest's options for a broker, or undefined for TCP. */
export function brokerOptions(values) {
  const { transport, url } = values;
  if (transport === 'tcp') return undefined;
  if (!brokers[transport]) throw new Error(`--transport takes tcp, ${Object.keys(brokers).join(', ')}; got ${transport}`);
  if (url === undefined) throw new Error(`--transport ${transport} needs --url`);
  return brokers[transport](new URL(url), values);
}

export function makeClient(values) {
  Logger.overrideLogger(stderrLogger);
  const broker = brokerOptions(values);
  if (broker) return ClientProxyFactory.create(broker);
  const tls = tlsFiles(values);
  return ClientProxyFactory.create({
    transport: Transport.TCP,
    options: {
      host: values.host,
      port: numberOf(values, 'port'),
      ...(tls && { tlsOptions: { ...tls, ...(values.servername && { servername: values.servername }) } }),
    },
  });
}

/** cases.json as it is for a transport: only cases that it has, with what NestJS gives there. */
export const casesOf = (cases, transport) =>
  cases
    .filter(({ on }) => on === undefined || on.includes(transport))
    .map(({ on, expectOn, ...testCase }) => ({ ...testCase, expect: expectOn?.[transport] ?? testCase.expect }));

/** undefined has no JSON text, so it travels as {"$undefined":true} in case files and results. */
export const encodeUndefined = (value) => (value === undefined ? { $undefined: true } : value);

export const decodeUndefined = (value) =>
  value !== null && typeof value === 'object' && value.$undefined === true ? undefined : value;

/** A native error has no useful JSON of its own; whatever else was raised is shown as it is. */
export function encodeError(error) {
  if (!(error instanceof Error)) return encodeUndefined(error);
  return { $class: error.constructor.name, message: error.message, ...(error.code && { code: error.code }) };
}

export const printLine = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Runs a program's main function; a run that breaks says why on stderr and ends with 2. */
export function run(main) {
  main().then(
    () => process.exit(0),
    (error) => {
      console.error(error instanceof Error ? error.message : error);
      process.exit(2);
    },
  );
}
