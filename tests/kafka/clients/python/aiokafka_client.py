"""The aiokafka client of the tests; the README beside the clients describes what each of them does."""

import asyncio
import ssl

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

import kit


def round_trip():
    asyncio.run(asyncio.wait_for(main(), kit.PATIENCE))


async def main():
    admin = AIOKafkaAdminClient(**connection())
    await admin.start()
    # The library leaves it to its user to look at the answer's error codes.
    answer = await admin.create_topics([NewTopic(kit.TOPIC, num_partitions=3, replication_factor=3)])
    check(error[1] for error in answer.topic_errors)
    await produce()
    consumed = await consume()
    description = await admin.describe_cluster()
    brokers = kit.check_brokers(f"{broker['host']}:{broker['port']}" for broker in description["brokers"])
    answer = await admin.delete_topics([kit.TOPIC])
    check(error[1] for error in answer.topic_error_codes)
    await admin.close()
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
        options["ssl_context"] = ssl.create_default_context(cafile=kit.CA)
        if kit.CERTIFICATE:
            options["ssl_context"].load_cert_chain(kit.CERTIFICATE, kit.KEY)
    return options


def check(codes):
    for code in codes:
        if code:
            raise for_code(code)


async def produce():
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **connection())
    await producer.start()
    acknowledgements = [
        await producer.send(kit.TOPIC, key=kit.key(number), value=kit.value(number)) for number in range(kit.RECORDS)
    ]
    await asyncio.gather(*acknowledgements)
    await producer.stop()


async def consume():
    consumer = AIOKafkaConsumer(kit.TOPIC, group_id=kit.GROUP, auto_offset_reset="earliest", **connection())
    await consumer.start()
    consumed = kit.Consumed()
    while not consumed.complete():
        batches = await consumer.getmany(timeout_ms=500)
        for records in batches.values():
            for record in records:
                consumed.add((record.partition, record.offset), record.key, record.value)
    await consumer.commit()
    await consumer.stop()
    return consumed


kit.run({"round-trip": round_trip})
