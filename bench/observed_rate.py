#!/usr/bin/env python3
"""What being watched costs: the rate of a publisher with and without `tailrace serve` beside it.

    bench/observed_rate.py TAILRACE [--rounds 9] [--clients 2] [--per-s 10] [-- OPTIONS]

Rounds in turns, each `tailrace bench throughput --json OPTIONS`: once alone, once while a server
looks at the same directory for so many subscribers of /events, at so many events a second, and a
scrape of /metrics a second. Prints both medians, their ratio, and the spread of each.
"""

import argparse
import json
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request


class Watching:
    """A server and its clients, for as long as a round takes."""

    def __init__(self, tailrace, directory, clients, per_s):
        self.server = subprocess.Popen(
            [tailrace, "serve", "--dir", directory, "--listen", "127.0.0.1:0", "--json"],
            stdout=subprocess.PIPE)
        self.url = json.loads(self.server.stdout.readline())["url"]
        self.events = 0
        self.ended = threading.Event()
        jobs = [lambda: self.subscribe(per_s)] * clients + [self.scrape]
        self.threads = [threading.Thread(target=job) for job in jobs]
        for thread in self.threads:
            thread.start()

    def subscribe(self, per_s):
        with urllib.request.urlopen(f"{self.url}events?per_s={per_s}") as events:
            for line in events:
                self.events += line.startswith(b"data: ")

    def scrape(self):
        while not self.ended.wait(1):
            with urllib.request.urlopen(f"{self.url}metrics") as page:
                page.read()

    def end(self):
        self.ended.set()
        self.threads[-1].join()
        self.server.terminate()
        self.server.wait()
        for thread in self.threads:
            thread.join()
        return self.events


def rate_of(tailrace, directory, options):
    ran = subprocess.run([tailrace, "--dir", directory, "bench", "throughput", "--json", *options],
                         check=True, capture_output=True)
    return json.loads(ran.stdout)["events_per_s"]


def shown(rates):
    return (f"{statistics.median(rates) / 1e6:8.2f} M events/s "
            f"({min(rates) / 1e6:.2f} to {max(rates) / 1e6:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tailrace")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--per-s", type=float, default=10)
    parser.add_argument("options", nargs="*", help="of tailrace bench throughput")
    arguments = parser.parse_args()
    tailrace = str(pathlib.Path(arguments.tailrace).resolve())
    options = arguments.options or ["--size", "32", "--runs", "1"]
    directory = tempfile.mkdtemp(prefix="tailrace-observed-", dir="/dev/shm")
    alone, watched, events = [], [], 0
    try:
        for number in range(arguments.rounds):
            alone.append(rate_of(tailrace, directory, options))
            watching = Watching(tailrace, directory, arguments.clients, arguments.per_s)
            try:
                watched.append(rate_of(tailrace, directory, options))
            finally:
                events += watching.end()
            print(f"round {number + 1}: {alone[-1] / 1e6:.2f} alone, {watched[-1] / 1e6:.2f} "
                  "watched", flush=True)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    ratio = statistics.median(watched) / statistics.median(alone)
    print(f"alone    {shown(alone)}\nwatched  {shown(watched)}, {events} events served\n"
          f"ratio    {ratio:.3f}")
    return 0 if events else 1


if __name__ == "__main__":
    sys.exit(main())
