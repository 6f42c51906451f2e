// A NestJS gRPC service of tests/grpc/proto/hero.proto, for a ferry client to call.
//   grpc-service.mjs --url 127.0.0.1:5000 --proto hero.proto
// Prints "READY" once it listens, and {"event":"cancelled"} when a caller of FindMany has gone.
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod, GrpcStreamCall, GrpcStreamMethod, RpcException, Transport } from '@nestjs/microservices';
import { Observable, from, map, reduce } from 'rxjs';
import { printLine, readArguments, run, stderrLogger } from './common.mjs';

const values = readArguments({ url: { type: 'string' }, proto: { type: 'string' } });

class Heroes {
  findOne({ id }, metadata, call) {
    if (id < 0) throw new RpcException({ code: -id, message: 'no hero' });
    if (id === 99) throw new Error('secret');
    const tenant = metadata.get('tenant')[0] ?? 'none';
    const timed = Number.isFinite(Number(call.getDeadline()));
    return { id, name: `${tenant} ${timed}` };
  }

  findMany({ id }) {
    if (id >= 0) return from(Array.from({ length: id }, (_, i) => ({ id: i })));
    return new Observable((subscriber) => {
      subscriber.next({ id });
      return () => printLine({ event: 'cancelled' });
    });
  }

  echo(kinds) {
    return kinds;
  }
}
for (const name of ['findOne', 'findMany', 'echo']) {
  const descriptor = Object.getOwnPropertyDescriptor(Heroes.prototype, name);
  GrpcMethod('HeroService')(Heroes.prototype, name, descriptor);
}

class Streams {
  count(heroes) {
    return heroes.pipe(reduce((count) => count + 1, 0), map((id) => ({ id })));
  }

  chat(heroes) {
    return heroes.pipe(map(({ id }) => {
      if (id < 0) throw new RpcException({ code: -id, message: 'enough' });
      return { id, name: 'nest' };
    }));
  }

  tally(call, callback) {
    let id = 0;
    call.on('data', () => (id += 1));
    call.on('end', () => callback(null, { id }));
  }
}
for (const [name, decorate] of [['count', GrpcStreamMethod], ['chat', GrpcStreamMethod], ['tally', GrpcStreamCall]]) {
  const descriptor = Object.getOwnPropertyDescriptor(Streams.prototype, name);
  decorate('StreamService')(Streams.prototype, name, descriptor);
  Object.defineProperty(Streams.prototype, name, descriptor);
}

async function main() {
  Controller()(Streams);
  Controller()(Heroes);
  class AppModule {}
  Module({ controllers: [Heroes, Streams] })(AppModule);
  const app = await NestFactory.createMicroservice(AppModule, {
    transport: Transport.GRPC,
    options: { url: values.url, package: 'hero', protoPath: values.proto },
    logger: stderrLogger,
    abortOnError: false,
  });
  await app.listen();
  process.stdout.write('READY\n');
  await new Promise((stop) => process.once('SIGTERM', stop));
  await app.close();
}

run(main);
