"""The confluent-kafka client of the tests; the README beside the clients describes what each of them does."""

import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

import kit
from ledger import Ledger


def round_trip():
    admin = AdminClient(connection())
    topic = NewTopic(kit.TOPIC, num_partitions=3, replication_factor=3)
    admin.create_topics([topic])[kit.TOPIC].result(kit.PATIENCE)
    produce()
    consumed = consume()
    brokers = kit.check_brokers(describe(admin))
    admin.delete_topics([kit.TOPIC])[kit.TOPIC].result(kit.PATIENCE)
    kit.round_trip_report(consumed, brokers)


def traffic():
    ledger = Ledger()
    closed = threading.Event()
    start(lambda: (sys.stdin.buffer.read(), closed.set()))
    start(ledger.report_progress)
    start(lambda: receive(ledger))
    producer = make_producer()
    number = 0
    while not closed.wait(0.01):
        for _ in range(3):
            send(producer, ledger, number)
            number += 1
        producer.poll(0)
    if producer.flush(kit.PATIENCE):
        raise TimeoutError("the producer does not get rid of its records")
    ledger.wait_for_all()
    ledger.report()


def connection():
    options = {"bootstrap.servers": kit.BOOTSTRAP, "security.protocol": kit.security_protocol()}
    if kit.MECHANISM:
        options |= {
            "sasl.mechanism": kit.MECHANISM,
            "sasl.username": kit.USERNAME,
            "sasl.password": kit.PASSWORD,
        }
    if kit.CA:
        options["ssl.ca.location"] = kit.CA
    if kit.CERTIFICATE:
        options |= {"ssl.certificate.location": kit.CERTIFICATE, "ssl.key.location": kit.KEY}
    return options


def make_producer():
    return Producer(connection() | {"enable.idempotence": True, "acks": "all"})


def make_consumer():
    options = {
        "group.id": kit.GROUP,
        "auto.offset.reset": "earliest",
        # A topic that was just created may not be known to every broker yet.
        "topic.metadata.refresh.interval.ms": 1000,
    }
    consumer = Consumer(connection() | options)
    consumer.subscribe([kit.TOPIC])
    return consumer


def produce():
    acknowledged = []

    def delivered(error, message):
        if error:
            raise KafkaException(error)
        acknowledged.append(message)

    producer = make_producer()
    for number in range(kit.RECORDS):
        producer.produce(kit.TOPIC, key=kit.key(number), value=kit.value(number), on_delivery=delivered)
    producer.flush(kit.PATIENCE)
    assert len(acknowledged) == kit.RECORDS, f"only {len(acknowledged)} records were acknowledged"


def consume():
    consumer = make_consumer()
    consumed = kit.Consumed()
    while not consumed.complete():
        for message in consumer.consume(num_messages=500, timeout=0.5):
            if not message.error():
                consumed.add((message.partition(), message.offset()), message.key(), message.value())
            elif message.error().code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise KafkaException(message.error())
    consumer.commit(asynchronous=False)
    consumer.close()
    return consumed


def describe(admin):
    description = admin.describe_cluster().result(kit.PATIENCE)
    return [f"{node.host}:{node.port}" for node in description.nodes]


def start(task):
    threading.Thread(target=task, daemon=True).start()


def send(producer, ledger, number):
    def delivered(error, _message):
        if error:
            ledger.fail(error)
        else:
            ledger.ack(number)

    producer.produce(kit.TOPIC, key=str(number), value=str(number), on_delivery=delivered)


def receive(ledger):
    consumer = make_consumer()
    while True:
        for message in consumer.consume(num_messages=500, timeout=0.1):
            if message.error():
                # The library goes on by itself after most of these, so they are worth a line, not an end.
                kit.note(f"consume: {message.error()}")
                time.sleep(0.01)
            else:
                ledger.receive(int(message.value()), message.partition(), message.offset())


kit.run({"round-trip": round_trip, "traffic": traffic})
