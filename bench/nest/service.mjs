// The NestJS service of the benchmark: [TRANSPORT PORT], as load.hpp. Prints its port, or the broker's.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, GrpcMethod, MessagePattern } from '@nestjs/microservices';
import { from } from 'rxjs';
import { at, freePort, prepare, ready } from './transports.mjs';

let events = 0;

class Handlers {
  sum(numbers) {
    return numbers.reduce((total, number) => total + number, 0);
  }
  echo(orders) {
    return orders;
  }
  small() {
    ++events;
  }
  count() {
    const seen = events;
    events = 0;
    return seen;
  }
}
const decorate = (name, ...decorators) => {
  const descriptor = Object.getOwnPropertyDescriptor(Handlers.prototype, name);
  for (const decorator of decorators) decorator(Handlers.prototype, name, descriptor);
};
decorate('sum', MessagePattern('sum'));
decorate('echo', MessagePattern('echo'));
decorate('small', EventPattern('small'));
decorate('count', MessagePattern('count'));
Controller()(Handlers);

/** Of bench.proto. */
class Methods {
  sum({ numbers }) {
    return { value: numbers.reduce((total, number) => total + number, 0) };
  }
  echo(orders) {
    return orders;
  }
  flow({ numbers }) {
    return from(Array(10000).fill(this.sum({ numbers })));
  }
}
for (const name of ['sum', 'echo', 'flow']) {
  GrpcMethod('Bench')(Methods.prototype, name, Object.getOwnPropertyDescriptor(Methods.prototype, name));
}
Controller()(Methods);

class Root {}
Module({ controllers: [Handlers, Methods] })(Root);

const [transport = 'tcp', given = '0'] = process.argv.slice(2);
const port = transport === 'grpc' ? await freePort() : given;
await prepare(transport, Number(port));
const app = await NestFactory.createMicroservice(Root, { ...at(transport, Number(port)), logger: ['error', 'warn', 'fatal'] });
await app.listen();
console.log((transport === 'grpc' ? undefined : await ready(transport, app.unwrap())) ?? port);
