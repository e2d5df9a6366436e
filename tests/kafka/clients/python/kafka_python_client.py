"""The kafka-python client of the tests; the README beside the clients describes what each of them does."""

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
    options = {"bootstrap_servers": kit.BOOTSTRAP}
    if kit.MECHANISM:
        options |= {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": kit.MECHANISM,
            "sasl_plain_username": kit.USERNAME,
            "sasl_plain_password": kit.PASSWORD,
        }
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


kit.run({"round-trip": round_trip})
