// The kafkajs client of the tests; the README beside the clients describes what each of them does.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Kafka, logLevel } from "kafkajs";

const PATIENCE_MS = 60_000;
const { BOOTSTRAP, TOPIC, GROUP, SASL_MECHANISM, SASL_USERNAME, SASL_PASSWORD, EXPECT_BROKERS } = process.env;
const { TLS_CA, TLS_CERTIFICATE, TLS_KEY } = process.env;
const RECORDS = Number(process.env.RECORDS ?? 1000);

async function roundTrip() {
  const kafka = connect();
  const admin = kafka.admin();
  await admin.connect();
  const created = await createTopic(admin);
  const produced = await produce(kafka);
  const { consumed, distinct } = await consume(kafka);
  const brokers = checked((await admin.describeCluster()).brokers);
  await admin.deleteTopics({ topics: [TOPIC] });
  await admin.disconnect();
  console.log(JSON.stringify({ created, produced, consumed, distinct, brokers, deleted: true }));
}

function connect() {
  const credentials = {
    mechanism: SASL_MECHANISM?.toLowerCase(),
    username: SASL_USERNAME,
    password: SASL_PASSWORD,
  };
  const read = (file) => file && readFileSync(file);
  return new Kafka({
    brokers: [BOOTSTRAP],
    sasl: SASL_MECHANISM ? credentials : undefined,
    ssl: TLS_CA ? { ca: read(TLS_CA), cert: read(TLS_CERTIFICATE), key: read(TLS_KEY) } : undefined,
    logLevel: logLevel.WARN,
    logCreator: () => ({ label, log }) => console.error(label, JSON.stringify(log)),
  });
}

// The library's own waiting gives up if a broker has not heard of the topic yet, so it is done here.
async function createTopic(admin) {
  const topics = [{ topic: TOPIC, numPartitions: 3, replicationFactor: 3 }];
  const created = await admin.createTopics({ topics, waitForLeaders: false });
  assert(created, "the topic existed already");
  for (;;) {
    try {
      await admin.fetchTopicMetadata({ topics: [TOPIC] });
      return created;
    } catch (error) {
      if (error.type !== "UNKNOWN_TOPIC_OR_PARTITION" && error.type !== "LEADER_NOT_AVAILABLE") throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function produce(kafka) {
  // One request at a time is what the library demands of an idempotent producer.
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  const messages = Array.from({ length: RECORDS }, (_, number) => ({
    key: `key-${number}`,
    value: `value-${number}`,
  }));
  // acks: -1 means all. It returns only if every record was acknowledged.
  await producer.send({ topic: TOPIC, acks: -1, messages });
  await producer.disconnect();
  return messages.length;
}

async function consume(kafka) {
  // It leaves a group only when the fetch that is on its way was answered: half a second instead of five.
  const consumer = kafka.consumer({ groupId: GROUP, maxWaitTimeInMs: 500 });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const distinct = new Set();
  const consumed = new Set();
  await new Promise((resolve, reject) => {
    // What the library calls a crash is mostly an error after which it starts the consumer again by itself.
    consumer.on(consumer.events.CRASH, ({ payload }) => payload.restart || reject(payload.error));
    const eachMessage = async ({ partition, message }) => {
      const key = message.key.toString();
      if (message.value.toString() !== key.replace("key", "value")) reject(new Error(`${key} came with ${message.value}`));
      distinct.add(key);
      consumed.add(`${partition} ${message.offset}`);
      if (distinct.size === RECORDS) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  // What was consumed is committed before it leaves the group.
  await consumer.disconnect();
  return { consumed: consumed.size, distinct: distinct.size };
}

function checked(brokers) {
  const addresses = brokers.map(({ host, port }) => `${host}:${port}`).sort();
  if (EXPECT_BROKERS) assert.deepEqual(addresses, EXPECT_BROKERS.split(",").sort());
  return addresses;
}

assert.equal(process.argv[2], "round-trip", "the only scenario");
setTimeout(() => {
  console.error("the round trip takes too long");
  process.exit(1);
}, PATIENCE_MS).unref();
roundTrip().catch((error) => {
  console.error(error);
  process.exit(1);
});
