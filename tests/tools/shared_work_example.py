#!/usr/bin/env python3
"""The example of a group: two processes share the jobs of a stream; one is killed.

    shared_work_example.py TAILRACE EXAMPLE_SHARED_WORK
"""

import os
import shutil
import subprocess
import sys
import tempfile

DEADLINE_S = 60


def main(tailrace, shared_work):
    rings = tempfile.mkdtemp(prefix="tailrace-test-")
    environment = {**os.environ, "TAILRACE_DIR": rings}
    members = []

    def run(*words, stdin=b""):
        return subprocess.run(words, env=environment, check=True, timeout=DEADLINE_S, input=stdin,
                              stdout=subprocess.PIPE).stdout.decode()

    try:
        refused = subprocess.run([shared_work, "1"], env=environment, timeout=DEADLINE_S,
                                 stderr=subprocess.PIPE, check=False)
        assert refused.returncode == 1 and b"tailrace create" in refused.stderr, refused
        for stream in ("jobs", "jobs.dead"):
            run(tailrace, "create", stream, "--capacity", "64KiB", "--max-event", "4KiB")
        members = [subprocess.Popen([shared_work], stdout=subprocess.PIPE, env=environment)
                   for _ in range(2)]
        members[0].kill()
        members[0].wait(DEADLINE_S)
        jobs = [f"job {number}" for number in range(50)] + ["impossible"]
        run(tailrace, "pub", "jobs", stdin="\n".join(jobs).encode() + b"\n")
        found = {}
        while len(found) < 50 or found.get("impossible", 0) < 5:
            job = members[1].stdout.readline().decode().split(": ")[1].strip()
            found[job.removesuffix(", again")] = found.get(job.removesuffix(", again"), 0) + 1
        assert all(found[job] == 1 for job in jobs[:50]), found
        dead = run(tailrace, "tail", "jobs.dead", "--from", "start", "-n", "1", "--format", "raw")
        assert dead.strip() == "impossible", dead
    finally:
        for member in members:
            member.kill()
            member.wait(DEADLINE_S)
        shutil.rmtree(rings, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
