// A NestJS gRPC client of tests/grpc/proto/hero.proto that makes a list of calls and prints a line for each:
// {"name":…, "values":[…]} and, if it failed, "error":{"code":…,"details":…}.
//   grpc-client.mjs --url 127.0.0.1:5000 --proto hero.proto
import { Metadata } from '@grpc/grpc-js';
import { Logger } from '@nestjs/common';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { from, take } from 'rxjs';
import { printLine, readArguments, run, stderrLogger } from './common.mjs';

const values = readArguments({ url: { type: 'string' }, proto: { type: 'string' } });

const everything = {
  float64: 1.5, float32: -0.25, int32Value: -7, int64Value: '-9223372036854775808', uint32Value: 4294967295,
  uint64Value: '18446744073709551615', sint32Value: -2147483648, sint64Value: '-9007199254740993', fixed32Value: 1,
  fixed64Value: '2', sfixed32Value: -3, sfixed64Value: '-4', truth: true, text: 'é€😀', data: Buffer.from([0, 255, 127]),
  colour: 5, power: { name: 'flight' }, powers: [{ level: 1 }, { level: 2 }], numbers: [100, 200], words: ['a', ''],
  colours: [1, 5], counts: { one: 1 }, byNumber: { '-1': { level: 3 } }, chosenNumber: 0, maybe: 0, loose: [-1, -2],
};

const shown = (value) => JSON.parse(JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? String(each) : each)));

function call(name, observable) {
  return new Promise((done) => {
    const line = { name, values: [] };
    const end = () => {
      printLine(line);
      done();
    };
    observable.subscribe({
      next: (value) => line.values.push(shown(value)),
      error: ({ code, details }) => {
        line.error = { code, details };
        end();
      },
      complete: end,
    });
  });
}

async function main() {
  Logger.overrideLogger(stderrLogger);
  const client = ClientProxyFactory.create({
    transport: Transport.GRPC,
    options: { url: values.url, package: 'hero', protoPath: values.proto, loader: { longs: String } },
  });
  const heroes = client.getService('HeroService');
  const math = client.getService('MathService');
  const metadata = new Metadata();
  metadata.add('tenant', 'acme');
  await call('unary', heroes.findOne({ id: 7 }));
  await call('zero', heroes.findOne({ id: 0 }));
  await call('absent', heroes.findOne({}));
  await call('metadata', heroes.findOne({ id: 1 }, metadata));
  await call('error', heroes.findOne({ id: -5 }));
  await call('exception', heroes.findOne({ id: 99 }));
  await call('missing', heroes.missing({ id: 1 }));
  await call('deadline', heroes.findOne({ id: 1000 }, new Metadata(), { deadline: Date.now() + 300 }));
  await call('stream', heroes.findMany({ id: 5 }));
  await call('cancel', heroes.findMany({ id: -1 }).pipe(take(1)));
  await call('sum', math.sum({ numbers: [1, 2, 3] }));
  await call('everything', heroes.echo(everything));
  await call('nothing', heroes.echo({}));
  const streams = client.getService('StreamService');
  const three = () => from([{ id: 1 }, { id: 2 }, { id: 3 }]);
  await call('count', streams.count(three()));
  await call('chat', streams.chat(three()));
  await call('chat, error', streams.chat(from([{ id: 1 }, { id: -5 }])));
  client.close();
}

run(main);
