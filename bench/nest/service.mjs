// The NestJS service of the benchmark. Prints its port.
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventPattern, MessagePattern, Transport } from '@nestjs/microservices';

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

const app = await NestFactory.createMicroservice(Root, {
  transport: Transport.TCP,
  options: { host: '127.0.0.1', port: 0 },
  logger: ['error', 'warn', 'fatal'],
});
await app.listen();
console.log(app.unwrap().address().port);
