"""What the Python clients share: what they were asked to do, and how they report it."""

import json
import os
import sys
import threading
import time

PATIENCE = 60
"""Seconds that a step may take before the program gives up."""

BOOTSTRAP = os.environ["BOOTSTRAP"]
TOPIC = os.environ["TOPIC"]
GROUP = os.environ["GROUP"]
RECORDS = int(os.environ.get("RECORDS", "1000"))
MECHANISM = os.environ.get("SASL_MECHANISM")
USERNAME = os.environ.get("SASL_USERNAME")
PASSWORD = os.environ.get("SASL_PASSWORD")
EXPECT_BROKERS = int(os.environ.get("EXPECT_BROKERS", "3"))


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
    return b"%d" % number


def wait_for_brokers(describe):
    """The addresses that `describe` returns, sorted, once there are as many as expected."""
    end = time.monotonic() + PATIENCE
    while True:
        addresses = sorted(describe())
        if len(addresses) >= EXPECT_BROKERS or time.monotonic() > end:
            return addresses
        time.sleep(0.1)


class Consumed:
    """What a round trip got back."""

    def __init__(self):
        self.count = 0
        self.distinct = set()

    def add(self, value):
        self.count += 1
        self.distinct.add(value)

    def complete(self):
        return len(self.distinct) >= RECORDS


def round_trip_report(consumed, brokers):
    """Each step before has raised if it failed."""
    report(
        {
            "created": True,
            "produced": RECORDS,
            "consumed": consumed.count,
            "distinct": len(consumed.distinct),
            "brokers": brokers,
            "deleted": True,
        }
    )
