// What the Kafka programs share.
import kafkajs from 'kafkajs';

/** kafkajs refuses to read topics that are not there. */
export async function ensureTopics(brokers, names) {
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin();
  await admin.connect();
  const there = new Set(await admin.listTopics());
  const topics = names.filter((name) => !there.has(name)).map((topic) => ({ topic, numPartitions: 3 }));
  if (topics.length > 0) await admin.createTopics({ waitForLeaders: true, topics });
  await admin.disconnect();
}
