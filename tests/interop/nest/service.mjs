// A NestJS microservice for a ferry client to call. README.md lists its handlers.
import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { HttpException, Catch, Module, Controller, UseFilters, UseGuards, UseInterceptors } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RmqRecordBuilder, RpcException, Transport } from '@nestjs/microservices';
import { EMPTY, NEVER, concat, from, map, of, range, throwError } from 'rxjs';
import { brokerOptions, connectionOptions, numberOf, printLine, readArguments, run, stderrLogger, tlsFiles } from './common.mjs';

const values = readArguments({
  ...connectionOptions,
  name: { type: 'string', default: 'nest' },
});

class Handlers {}
let registered = 0;

/** What `@Decorator() method(data, context) {}` would do, without a compile step. */
function register(handler, decorators) {
  const name = `handler${registered++}`;
  const descriptor = { value: handler, writable: true, configurable: true };
  Object.defineProperty(Handlers.prototype, name, descriptor);
  for (const decorate of decorators) decorate(Handlers.prototype, name, descriptor);
}

const message = (pattern, handler, ...decorators) => register(handler, [MessagePattern(pattern), ...decorators]);

const seen = {};

/** Tells the test, on stdout and through `stats`, that the handler called `name` ran. */
function saw(name, data) {
  seen[name] = (seen[name] ?? 0) + 1;
  printLine({ event: name, data });
}

const event = (pattern, name, handler) =>
  register((data) => {
    saw(name, data);
    return handler();
  }, [EventPattern(pattern)]);

/** Yields the items with a pause before each one, and one more before the end. */
async function* paused(items, ms) {
  for (const item of items) {
    await sleep(ms);
    yield item;
  }
  await sleep(ms);
}

const payload = (property) => (target, name) => Payload(property)(target, name, 0);
const context = (target, name) => Ctx()(target, name, 0);

const filter = (handle) => {
  class Filter {
    catch(exception) {
      return handle(exception);
    }
  }
  Catch()(Filter);
  return UseFilters(new Filter());
};

const fail = (error) => () => {
  throw error;
};

// Patterns and payloads.
message({ cmd: 'sum' }, (numbers) => numbers.reduce((total, number) => total + number, 0));
message('echo', (data) => data);
message(7, (data) => ({ seven: data }));
message({ b: 1, a: { d: 'x', c: 2 } }, (data) => ({ nested: data }));
message('grüße.€.😀', (text) => `${text}!`);
message({ cmd: 'ünï😀' }, (text) => text);
message(['multi.a', 'multi.b'], () => 'multi');
message('dup', () => 'dup1');
message('dup', () => 'dup2');
message('true', () => 'unreachable');
message('1.0', () => 'unreachable');

// Results.
message('undef', () => undefined);
message('retnull', () => null);
message('retfalse', () => false);
message('retzero', () => 0);
message('retempty', () => '');
message('buf', () => Buffer.from([0, 1, 255]));
message('date', () => new Date(0));
message('cls', () => new (class Point { px = 1; })());
message('rmqrec', () => new RmqRecordBuilder('hi').setOptions({ headers: { a: 'b' }, priority: 3 }).build());

// Streams.
message('stream', () => of(1, 2, 3));
message('astream', () => from((async function* () { for (let i = 0; i < 3; i++) yield { i }; })()));
message('slow', () => from(paused([1, 2, 3], 30)));
message('empty', () => EMPTY);
message('aempty', async () => EMPTY);
message('prom', async () => of('a', 'b'));
message('bigstream', (count) => range(0, count));

// Errors.
message('rpcstr', fail(new RpcException('boom')));
message('rpcobj', fail(new RpcException({ code: 42, message: 'boom', extra: [1] })));
message('rpcnum', fail(new RpcException(7)));
message('rpcarr', fail(new RpcException(['a', 'b'])));
message('rpcempty', fail(new RpcException('')));
message('rpcundef', fail(new RpcException(undefined)));
message('rpcerrobj', fail(new RpcException(new Error('inner'))));
message('err', fail(new Error('secret')));
message('http', fail(new HttpException('teapot', 418)));
message('plain', fail({ a: 1 }));
message('perr', () => concat(of(1, 2), throwError(() => new RpcException('late'))));
message('aperr', () => from((async function* () { yield 0; yield 1; throw new RpcException('late'); })()));
message('obserr', () => throwError(() => new Error('secret')));

// Guards, interceptors, filters, pipes.
message('guarded', () => 'unreachable', UseGuards({ canActivate: () => false }));
message('intercepted', () => 1, UseInterceptors({ intercept: (_, next) => next.handle().pipe(map((wrapped) => ({ wrapped }))) }));
message('filter.object', fail(new Error('orig')), filter((e) => throwError(() => ({ custom: e.message }))));
message('filter.value', fail(new Error('orig')), filter(() => of('recovered')));
message('filter.string', fail(new Error('orig')), filter(() => throwError(() => 'just string')));
message('filter.native', fail(new Error('orig')), filter(() => throwError(() => new Error('native'))));
message('filter.empty', fail(new Error('orig')), filter(() => throwError(() => '')));
message('filter.nothing', fail(new Error('orig')), filter(() => undefined));
message('piped', () => 'unreachable', payload({ transform: fail(new HttpException('refused', 400)) }));
message('property', (x) => x, payload('x'));

// Time, and what the service saw.
message('delay', async ({ ms, value }) => {
  await sleep(ms);
  return value;
});
message('never', () => NEVER);
message('meta', (rpcContext) => rpcContext.getMetadata() ?? null, context);
message('stats', async () => {
  await sleep(20); // an event that came just before may still be on its way through the pipeline
  return { ...seen };
});

// Events. A message handler wins over an event handler on the same pattern: `both-evt` never runs.
event('evt', 'e1', () => 'e1');
event('evt', 'e2', () => 'e2');
event({ ev: 'obj', z: 1 }, 'e3', () => 'e3');
event('one', 'one', () => 'one-ret');
event('evterr', 'evterr', fail(new Error('event failed')));
event('both', 'both-evt', () => 'both-evt');
message('both', (data) => {
  saw('both-msg', data);
  return 'both-msg';
});

// Who of several instances answered, and how often it has: an instance that got a request it did not answer would show.
let asked = 0;
message('who', () => [values.name, ++asked]);

// Brokers: wildcards, and what only their contexts know. No reply channel of these matches the patterns themselves.
if (values.transport !== 'tcp') {
  const concrete = {
    redis: (rpcContext) => rpcContext.getChannel(),
    nats: (rpcContext) => rpcContext.getSubject(),
    mqtt: (rpcContext) => rpcContext.getTopic(),
    rmq: (rpcContext) => rpcContext.getMessage().fields.routingKey,
  }[values.transport];
  const [wild, seenWild] = values.transport === 'mqtt' ? ['wild/+/get', 'wild/+/seen'] : ['wild.*.get', 'wild.*.seen'];
  const both = (target, name) => {
    Payload()(target, name, 0);
    Ctx()(target, name, 1);
  };
  message(wild, (data, rpcContext) => ({ route: concrete(rpcContext), data }), both);
  register((data, rpcContext) => saw(concrete(rpcContext), data), [EventPattern(seenWild), both]);
}
if (values.transport === 'mqtt') {
  const packetOf = (rpcContext) => {
    const { qos, retain, properties } = rpcContext.getPacket();
    const user = Object.fromEntries(Object.entries(properties?.userProperties ?? {}).sort());
    return { qos, retain, topic: rpcContext.getTopic(), user };   // in the order in which the tests expect them
  };
  message('headers', (rpcContext) => packetOf(rpcContext).user, context);
  message('deep/#', (rpcContext) => rpcContext.getTopic(), context);
  register((rpcContext) => saw('packet', packetOf(rpcContext)), [EventPattern('packet/+'), context]);
  register((rpcContext) => saw('shared', packetOf(rpcContext)), [EventPattern('$share/crew/shared/+', { qos: 2 }), context]);
}
if (values.transport === 'nats') {
  const headersOf = (rpcContext) =>
    Object.fromEntries((rpcContext.getHeaders()?.keys() ?? []).map((name) => [name, rpcContext.getHeaders().get(name)]));
  message('headers', headersOf, context);
  register((rpcContext) => saw('headers', headersOf(rpcContext)), [EventPattern('headers.event'), context]);
  message('deep.>', (rpcContext) => rpcContext.getSubject(), context);
}
if (values.transport === 'rmq') {
  const withContext = (target, name) => {
    Payload()(target, name, 0);
    Ctx()(target, name, 1);
  };
  const acknowledge = (rpcContext) => values['manual-ack'] && rpcContext.getChannelRef().ack(rpcContext.getMessage());
  message('properties', (data, rpcContext) => {
    acknowledge(rpcContext);
    const { headers, priority, messageId, deliveryMode } = rpcContext.getMessage().properties;
    return { pattern: rpcContext.getPattern(), headers, priority, messageId, deliveryMode };
  }, withContext);
  message('deep.#', (data, rpcContext) => rpcContext.getMessage().fields.routingKey, withContext);
  register((data, rpcContext) => {
    const { redelivered } = rpcContext.getMessage().fields;
    if (!redelivered) return rpcContext.getChannelRef().nack(rpcContext.getMessage());
    acknowledge(rpcContext);
    saw('second', data);
  }, [EventPattern('at.second'), withContext]);
}

/** Redis listens to names or to globs; NATS takes a queue group. */
function serviceOptions() {
  const broker = brokerOptions(values);
  if (!broker) return undefined;
  if (values.wildcards) broker.options.wildcards = true;
  if (values.queue !== undefined) broker.options.queue = values.queue;
  if (values['manual-ack']) Object.assign(broker.options, { noAck: false, prefetchCount: 1 });
  return broker;
}

/** Nest does not wait until the broker has the subscriptions. */
async function subscribed(driver) {
  if (values.transport === 'mqtt') return driver.subscribeAsync('nobody/needs/this');   // confirmed after all before it
  if (values.transport === 'nats') return driver.flush();
  if (values.transport === 'rmq') return;   // Nest waits for this one
  const [, subscriber] = driver;
  await subscriber.ping();
}

const printReady = (where) => process.stdout.write(`READY ${JSON.stringify(where)}\n`);

async function main() {
  const tls = tlsFiles(values);
  if (tls && !(tls.key && tls.cert)) throw new Error('a TLS service needs --tls-key and --tls-cert');

  Controller()(Handlers);
  class AppModule {}
  Module({ controllers: [Handlers] })(AppModule);

  const broker = serviceOptions();
  const app = await NestFactory.createMicroservice(AppModule, {
    ...(broker ?? {
      transport: Transport.TCP,
      options: {
        host: values.host,
        port: numberOf(values, 'port'),
        ...(tls && { tlsOptions: { ...tls, ...(tls.ca && { requestCert: true, rejectUnauthorized: true }) } }),
      },
    }),
    logger: stderrLogger,
    abortOnError: false,
  });
  if (broker) {
    await app.listen();
    await subscribed(app.unwrap());
    printReady({ url: values.url });
  } else {
    // Nest reports only some failures to listen; the server itself reports all.
    await Promise.race([app.listen(), once(app.unwrap(), 'error').then(([error]) => { throw error; })]);
    printReady({ port: app.unwrap().address().port });
  }

  await new Promise((stop) => {
    process.once('SIGTERM', stop);
    process.once('SIGINT', stop);
    process.stdout.once('error', stop);
    // Only a pipe can close: stdin from /dev/null is at its end from the start.
    const stdin = fstatSync(0);
    if (stdin.isFIFO() || stdin.isSocket()) process.stdin.once('end', stop).once('error', stop).resume();
  });
  await app.close();
}

run(main);
