// Where NestJS finds its peer, or the broker.
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Transport } from '@nestjs/microservices';

const protoPath = fileURLToPath(new URL('../proto/bench.proto', import.meta.url));
const transports = {
  grpc: (port) => ({ transport: Transport.GRPC, options: { url: `127.0.0.1:${port}`, package: 'benchproto', protoPath } }),
  tcp: (port) => ({ transport: Transport.TCP, options: { host: '127.0.0.1', port } }),
  redis: (port) => ({ transport: Transport.REDIS, options: { host: '127.0.0.1', port } }),
  mqtt: (port) => ({ transport: Transport.MQTT, options: { url: `mqtt://127.0.0.1:${port}` } }),
  rmq: (port) => ({ transport: Transport.RMQ, options: { urls: [`amqp://127.0.0.1:${port}`], queue: 'bench' } }),
  kafka: (port) => ({ transport: Transport.KAFKA, options: {
    client: { brokers: [`127.0.0.1:${port}`], logLevel: 1 }, subscribe: { fromBeginning: true } } }),
  nats: (port) => ({ transport: Transport.NATS, options: { servers: [`nats://127.0.0.1:${port}`] } }),
};

const asked = ['sum', 'echo', 'count'];

/** kafkajs reads only topics that are there, and replies only of patterns that it was told. */
export async function prepare(transport, port, client) {
  if (transport !== 'kafka') return;
  const { default: kafkajs } = await import('kafkajs');
  const admin = new kafkajs.Kafka({ brokers: [`127.0.0.1:${port}`], logLevel: 0 }).admin();
  await admin.connect();
  const there = new Set(await admin.listTopics());
  const topics = [...asked, 'small', ...asked.map((name) => `${name}.reply`)].filter((name) => !there.has(name));
  if (topics.length > 0) await admin.createTopics({ waitForLeaders: true, topics: topics.map((topic) => ({ topic, numPartitions: 3 })) });
  await admin.disconnect();
  if (client !== undefined) asked.forEach((pattern) => client.subscribeToResponseOf(pattern));
}

/** For a driver that does not tell which port it chose. */
export const freePort = () => new Promise((found) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => found(port));
  });
});

export const at = (transport, port) => transports[transport](port);

/** Waits until the broker has the service's subscriptions; over TCP, the port that the service chose. */
export async function ready(transport, driver) {
  if (transport === 'tcp') return driver.address().port;
  if (transport === 'nats') await driver.flush();
  else if (transport === 'mqtt') await driver.subscribeAsync('nobody/needs/this');   // confirmed after all before it
  else if (transport === 'redis') await driver[1].ping();   // the connection that subscribes
  return undefined;
}
