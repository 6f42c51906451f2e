// A NestJS microservice on Kafka for a ferry client to call: `node kafka-service.mjs --url kafka://host:port`.
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException, Transport } from '@nestjs/microservices';
import { from } from 'rxjs';
import { ensureTopics } from './kafka-common.mjs';
import { connectionOptions, printLine, readArguments, run, stderrLogger } from './common.mjs';

const values = readArguments(connectionOptions);
const brokers = [new URL(values.url).host];
const patterns = [];
class Handlers {}

/** What `@Decorator() method(@Payload() data, @Ctx() context) {}` would do, without a compile step. */
function on(decorate, pattern, handler) {
  patterns.push(pattern);
  const name = `handler${Object.getOwnPropertyNames(Handlers.prototype).length}`;
  const descriptor = { value: handler, writable: true, configurable: true };
  Object.defineProperty(Handlers.prototype, name, descriptor);
  Payload()(Handlers.prototype, name, 0);
  Ctx()(Handlers.prototype, name, 1);
  decorate(pattern)(Handlers.prototype, name, descriptor);
}

const message = (pattern, handler) => on(MessagePattern, pattern, handler);
const event = (pattern, handler) => on(EventPattern, pattern, handler);

const about = (context) => {
  const { key, headers } = context.getMessage();
  const own = Object.entries(headers).filter(([name]) => !name.startsWith('kafka_') && !name.startsWith('ferry-'));
  return { key: key ?? null, headers: Object.fromEntries(own) };
};

message('k.echo', (data) => data);
message('k.type', (data) => ({ type: typeof data, data }));
message('k.sum', (xs) => xs.reduce((sum, x) => sum + x, 0));
message('k.null', () => null);
message('k.stream', () => from([1, 2, 3]));
message('k.about', (_, context) => ({ about: about(context) }));   // an object with a key would be a record
message('k.error', () => { throw new RpcException({ code: 42, message: 'boom' }); });
message('k.throws', () => { throw new Error('a detail that stays here'); });
event('k.event', (data, context) => printLine({ event: data, ...about(context) }));

run(async () => {
  await ensureTopics(brokers, patterns);
  Controller()(Handlers);
  class AppModule {}
  Module({ controllers: [Handlers] })(AppModule);
  const app = await NestFactory.createMicroservice(AppModule, {
    transport: Transport.KAFKA,
    options: {
      client: { brokers, logLevel: 0 },
      consumer: { groupId: 'nest' },
      subscribe: { fromBeginning: true },
    },
    logger: stderrLogger,
  });
  await app.listen();
  process.stdout.write('READY {}\n');
  await new Promise((stop) => process.once('SIGTERM', stop));
  await app.close();
});
