#!/usr/bin/env python3
"""The suite of benchmarks and the waiting bench, for some moments: every row is there and whole.

    suite_smoke.py TAILRACE
"""

import json
import os
import subprocess
import sys
import tempfile

ROWS = {
    "round_trip_32_p50", "round_trip_32_p99", "round_trip_256_p50", "one_way_8", "one_way_65536",
    "one_way_timed_64", "batch_10_8", "multi_one_active_32", "multi_batch_16_32_share",
    "two_publishers_32", "three_subscribers_adaptive_share", "three_subscribers_yield_share",
    "three_subscribers_futex_share", "publish_look_for_sleepers", "publisher_dies_in_claim_worst",
    "gating_subscriber_dies_worst", "publish_beside_sleepers_10", "last_woken_of_armed_10",
    "publish_beside_readers_100", "cpu_of_blocked_publishers_10", "attach_100_at_once",
    "stream_one_way_32_share", "stream_round_trip_32_p50_share", "stream_journal_read_64_share",
    "stream_publish_beside_spill_64_share", "stream_return_to_ring_worst",
    "stream_cursor_commit", "stream_replay_late_p99",
    "group_hand_out_16", "group_hand_out_1", "group_publish_beside_64_share",
    "group_member_dies_worst",
}


def run(tailrace, *words):
    with (tempfile.TemporaryDirectory(prefix="tailrace-test-") as rings,
          tempfile.TemporaryDirectory(prefix="tailrace-test-", dir="/var/tmp") as journals):
        environment = {**os.environ, "TAILRACE_DIR": rings, "TAILRACE_JOURNAL_DIR": journals}
        done = subprocess.run([tailrace, "bench", *words, "--json"], env=environment, check=True,
                              capture_output=True, timeout=100)
        assert os.listdir(rings) == [], "it removes its streams"
    return json.loads(done.stdout)


def main(tailrace):
    rows = {row["row"]: row for row in run(tailrace, "suite", "--quick", "--runs", "1")["rows"]}
    assert ROWS <= set(rows), ROWS - set(rows)
    for name, row in rows.items():
        value = row["value"]
        assert value["min"] <= value["median"] <= value["max"], name
        # One look costs so little that the difference may come out as less than nothing.
        assert name == "publish_look_for_sleepers" or value["min"] > 0, name
        assert (row["ratio_to_floor"] is None) == (row["unit"] == "share"), name
        assert len(row["runs"]) == 1 and row["conditions"]["verified"], name

    chosen = run(tailrace, "suite", "--quick", "--runs", "2", "--rows", "dies")["rows"]
    assert {row["job"] for row in chosen} == {
        "publisher_dies_in_claim", "gating_subscriber_dies", "group_member_dies"}
    assert all(len(row["runs"]) == 2 for row in chosen)
    refused = subprocess.run([tailrace, "bench", "suite", "--rows", "nothing"], check=False,
                             capture_output=True)
    assert refused.returncode == 2, refused

    waits = run(tailrace, "wait", "--phase-ms", "20")["rows"]
    assert [row["wait"] for row in waits] == ["spin", "yield", "futex", "adaptive", "epoll"]
    assert all(row["samples"] > 0 for row in waits)


if __name__ == "__main__":
    main(*sys.argv[1:])
