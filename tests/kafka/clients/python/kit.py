"""What the Python clients share: what they were asked to do, and how they report it."""

import json
import os
import sys
import threading

PATIENCE = 60
"""Seconds that a step may take before the program gives up."""

BOOTSTRAP = os.environ["BOOTSTRAP"]
TOPIC = os.environ["TOPIC"]
GROUP = os.environ["GROUP"]
RECORDS = int(os.environ.get("RECORDS", "1000"))
MECHANISM = os.environ.get("SASL_MECHANISM")
USERNAME = os.environ.get("SASL_USERNAME")
PASSWORD = os.environ.get("SASL_PASSWORD")
EXPECT_BROKERS = os.environ.get("EXPECT_BROKERS")
CA = os.environ.get("TLS_CA")
CERTIFICATE = os.environ.get("TLS_CERTIFICATE")
KEY = os.environ.get("TLS_KEY")


def security_protocol():
    """In the words that all clients understand."""
    return ("SASL_" if MECHANISM else "") + ("SSL" if CA else "PLAINTEXT")


def run(scenarios):
    """Runs the scenario that the command line names, and ends the program if it takes too long."""
    scenario = scenarios[sys.argv[1]]
    if scenario.__name__ == "round_trip":
        watchdog = threading.Timer(PATIENCE, give_up)
        watchdog.daemon = True
        watchdog.start()
    scenario()


def give_up():
    note("the round trip takes too long")
    os._exit(1)


def report(value):
    print(json.dumps(value), flush=True)


def note(text):
    print(text, file=sys.stderr, flush=True)


def key(number):
    return b"key-%d" % number


def value(number):
    return b"value-%d" % number


def check_brokers(addresses):
    """Returns the addresses in order; others than those expected end the program."""
    addresses = sorted(addresses)
    if EXPECT_BROKERS and addresses != sorted(EXPECT_BROKERS.split(",")):
        raise AssertionError(f"the brokers are {addresses} instead of {EXPECT_BROKERS}")
    return addresses


class Consumed:
    """What a round trip got back."""

    def __init__(self):
        self.places = set()
        self.distinct = set()

    def add(self, place, key, value):
        """Notes a record; its place is a partition and an offset."""
        if key.replace(b"key", b"value") != value:
            raise AssertionError(f"{key} came with {value}")
        self.places.add(place)
        self.distinct.add(key)

    def complete(self):
        return len(self.distinct) >= RECORDS


def round_trip_report(consumed, brokers):
    """Each step before has raised if it failed."""
    report(
        {
            "created": True,
            "produced": RECORDS,
            "consumed": len(consumed.places),
            "distinct": len(consumed.distinct),
            "brokers": brokers,
            "deleted": True,
        }
    )
