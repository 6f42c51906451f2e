// The NestJS service of the benchmark: [TRANSPORT PORT], as load.hpp. Prints its port, or the broker's.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern } from '@nestjs/microservices';
import { at, prepare, ready } from './transports.mjs';

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

class Root {}
Module({ controllers: [Handlers] })(Root);

const [transport = 'tcp', port = '0'] = process.argv.slice(2);
await prepare(transport, Number(port));
const app = await NestFactory.createMicroservice(Root, { ...at(transport, Number(port)), logger: ['error', 'warn', 'fatal'] });
await app.listen();
console.log((await ready(transport, app.unwrap())) ?? port);
