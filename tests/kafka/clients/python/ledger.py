"""What was acknowledged and where each record was seen, for the traffic scenario.

A record that the group was given twice from one offset is a redelivery, which groups allow; a record at two offsets was
stored twice, which idempotence forbids.
"""

import threading
import time

import kit


class Ledger:
    def __init__(self):
        self.lock = threading.Lock()
        self.acked = set()
        self.failed = []
        self.places = {}
        self.redelivered = 0
        self.changed = time.monotonic()

    def ack(self, number):
        with self.lock:
            self.acked.add(number)
            self.changed = time.monotonic()

    def fail(self, reason):
        with self.lock:
            self.failed.append(str(reason))

    def receive(self, number, partition, offset):
        with self.lock:
            places = self.places.setdefault(number, set())
            self.redelivered += (partition, offset) in places
            places.add((partition, offset))
            self.changed = time.monotonic()

    def missing(self):
        with self.lock:
            return sorted(self.acked - self.places.keys())

    def wait_for_all(self):
        """Returns when all acknowledged records came back, or when nothing has moved for long."""
        while self.missing() and time.monotonic() < self.changed + kit.PATIENCE:
            time.sleep(0.02)

    def report_progress(self):
        """Prints a line each second until the program ends."""
        while True:
            time.sleep(1)
            with self.lock:
                progress = {"acked": len(self.acked), "received": len(self.places)}
            kit.report({"progress": progress})

    def report(self):
        missing = self.missing()
        with self.lock:
            duplicates = [number for number, places in self.places.items() if len(places) > 1]
            kit.report(
                {
                    "acked": len(self.acked),
                    "received": len(self.places),
                    "missing": missing[:20],
                    "duplicates": sorted(duplicates)[:20],
                    "failed": sorted(self.failed)[:20],
                    "redelivered": self.redelivered,
                }
            )
