"""The kafka-python client of the tests; the README beside the clients describes what each of them does."""

import logging
import os

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import NewTopic

import kit


def round_trip():
    admin = KafkaAdminClient(**connection())
    admin.create_topics([NewTopic(kit.TOPIC, num_partitions=3, replication_factor=3)])
    produce()
    consumed = consume()
    brokers = kit.check_brokers(describe(admin))
    admin.delete_topics([kit.TOPIC])
    admin.close()
    kit.round_trip_report(consumed, brokers)


def connection():
    options = {"bootstrap_servers": kit.BOOTSTRAP, "security_protocol": kit.security_protocol()}
    if kit.MECHANISM:
        options |= {
            "sasl_mechanism": kit.MECHANISM,
            "sasl_plain_username": kit.USERNAME,
            "sasl_plain_password": kit.PASSWORD,
        }
    if kit.CA:
        options |= {"ssl_cafile": kit.CA, "ssl_certfile": kit.CERTIFICATE, "ssl_keyfile": kit.KEY}
    return options


def produce():
    producer = KafkaProducer(acks="all", enable_idempotence=True, **connection())
    acknowledgements = [
        producer.send(kit.TOPIC, key=kit.key(number), value=kit.value(number)) for number in range(kit.RECORDS)
    ]
    for acknowledgement in acknowledgements:
        acknowledgement.get(timeout=kit.PATIENCE)
    producer.close()


def consume():
    consumer = KafkaConsumer(kit.TOPIC, group_id=kit.GROUP, auto_offset_reset="earliest", **connection())
    consumed = kit.Consumed()
    while not consumed.complete():
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                consumed.add((record.partition, record.offset), record.key, record.value)
    consumer.commit()
    consumer.close()
    return consumed


def describe(admin):
    return [f"{broker['host']}:{broker['port']}" for broker in admin.describe_cluster()["brokers"]]


def refused():
    """What the library says about a cluster that does not let it in, or that it does not trust. It tries again until it is given
    up, and tells only its log why it has to."""
    logging.getLogger("kafka").addHandler(FirstWords())
    KafkaAdminClient(**connection())
    kit.report({"refused": None})


class FirstWords(logging.Handler):
    def emit(self, record):
        cause = f": {record.exc_info[1]}" if record.exc_info else ""
        kit.report({"refused": record.getMessage() + cause})
        os._exit(0)


kit.run({"round-trip": round_trip, "refused": refused})
