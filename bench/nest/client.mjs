// The NestJS client of the benchmark: PORT JOB SIZE IN_FLIGHT SECONDS SERVICE_PID [TRANSPORT], as load.hpp.
import 'reflect-metadata';
import { readFileSync, readdirSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { ClientProxyFactory } from '@nestjs/microservices';
import { firstValueFrom } from 'rxjs';
import { at, prepare } from './transports.mjs';

const [job, transport] = [process.argv[3], process.argv[8] ?? 'tcp'];
const [port, , size, inFlight, seconds, servicePid] = process.argv.slice(2).map(Number);
Logger.overrideLogger(['error', 'fatal']);   // stdout is for the result
const client = ClientProxyFactory.create(at(transport, port));

/** As load.cpp's orders_text. */
function orders(bytes) {
  const list = [];
  for (let length = 1; length < bytes; ) {
    const id = 1000 + list.length;
    const order = { id, customer: `customer-${id}`, total: id + 0.25, paid: true, items: ['pen', 'ink'] };
    length += JSON.stringify(order).length + (list.length > 0 ? 1 : 0);
    list.push(order);
  }
  return list;
}

function cpuOf(pid) {
  let nanoseconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return nanoseconds * 1e-9;
}

const peakOf = (pid) => Number(/VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
const now = () => Number(process.hrtime.bigint()) * 1e-9;

const data = size < 64 ? [1, 2, 3] : orders(size);
const bench = transport === 'grpc' ? client.getService('Bench') : undefined;
/** Each message of a stream counts. */
const flow = () => new Promise((done, failed) => {
  const subscription = bench.flow({ numbers: data }).subscribe({
    next: () => {
      completed();
      if (over) {
        subscription.unsubscribe();
        done();
      }
    },
    error: failed,
    complete: done,
  });
});
const call = job === 'flow' ? flow
  : bench !== undefined ? () => firstValueFrom(job === 'sum' ? bench.sum({ numbers: data }) : bench.echo({ orders: data }))
  : job === 'event' ? () => firstValueFrom(client.emit('small', data), { defaultValue: undefined })
  : () => firstValueFrom(client.send(job === 'sum' ? 'sum' : 'echo', data));

await prepare(transport, port, client);
if (transport !== 'grpc') await client.connect();
let count = 0;
let emitted = 0;
let over = false;
let window;
const latencies = [];
const openAt = now() + 0.3;

function completed(last) {
  ++count;
  const time = now();
  if (window === undefined) {
    if (time >= openAt) window = { time, count, client: cpuOf(process.pid), service: cpuOf(servicePid) };
  } else {
    if (inFlight === 1 && job !== 'event') latencies.push((time - last) * 1e6);
    if (time >= window.time + seconds) over = true;
  }
  return time;
}

async function loop() {
  let last = now();
  while (!over) {
    ++emitted;
    await call();
    if (job !== 'flow') last = completed(last);
  }
}

let left = inFlight;
let result;
function close() {
  result = {
    count: count - window.count, seconds: now() - window.time,
    client_cpu: cpuOf(process.pid) - window.client, service_cpu: cpuOf(servicePid) - window.service,
  };
}
await Promise.all(Array.from({ length: inFlight }, async () => {
  await loop();
  if (job !== 'event') {
    if (result === undefined) close();
  } else if (--left === 0) {
    let arrived = 0;   // where nothing orders a request and the events before it, they are waited for
    for (const limit = now() + 20; arrived < emitted && now() < limit;) arrived += Number(await firstValueFrom(client.send('count', 0)));
    if (arrived !== emitted) throw new Error(`${arrived} events of ${emitted} came`);
    close();
  }
}));
latencies.sort((a, b) => a - b);
const quantile = (q) => latencies[Math.floor(q * (latencies.length - 1))] ?? 0;
console.log(JSON.stringify({
  ...result, client_kib: peakOf(process.pid), service_kib: peakOf(servicePid), p50_us: quantile(0.5), p99_us: quantile(0.99),
}));
client.close();
