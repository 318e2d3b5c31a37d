"""bench: ended by hand, it is interrupted and nothing else, and leaves nothing behind."""

import os
import pathlib
import signal
import subprocess

from sandbox import Case


def processes_of(group):
    """Those of a process group that haven't ended."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


class Interrupted(Case):
    def start_group(self, *words):
        process = subprocess.Popen([self.program, "bench", *words], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment, start_new_session=True)
        self.started.append(process)
        return process

    def interrupt(self, words, begun, send):
        process = self.start_group(*words)
        self.wait_until(f"bench {words[0]} to measure", begun)
        send(process.pid)
        stdout, stderr = process.communicate(timeout=60)
        self.assertEqual((process.returncode, stdout), (130, b""), stderr)
        self.assertEqual(stderr, b"interrupted: nothing was measured to its end\n")
        self.wait_until("its processes to be gone", lambda: not processes_of(process.pid))
        self.assertEqual(list(self.rings.iterdir()), [])
        left = [path for path in self.journals.rglob("*") if not path.is_dir()]
        self.assertEqual(left, [])

    def has_stream(self):
        return any(self.rings.glob("bench-*"))

    def has_segment(self):
        return any(self.journals.glob("bench/bench-*/*.seg"))

    def test_ctrl_c_in_any_bench_is_130_and_leaves_nothing(self):
        # A terminal sends it to all processes of the command.
        def ctrl_c(pid):
            os.killpg(pid, signal.SIGINT)

        self.interrupt(("pingpong", "-n", "1000000000"), self.has_stream, ctrl_c)
        self.interrupt(("latency", "--for", "10m"), self.has_stream, ctrl_c)
        self.interrupt(("throughput", "--runs", "1000"), self.has_stream, ctrl_c)
        self.interrupt(("wait", "--phase-ms", "60000"), self.has_stream, ctrl_c)
        self.interrupt(("suite", "--quick", "--runs", "100"), self.has_stream, ctrl_c)
        self.interrupt(("journal", "--quick", "--runs", "1000"), self.has_segment, ctrl_c)

    def test_a_service_manager_ends_a_bench_the_same_way(self):
        self.interrupt(("throughput", "--runs", "1000"), self.has_stream,
                       lambda pid: os.kill(pid, signal.SIGTERM))

    def test_killed_it_takes_its_processes_along(self):
        process = self.start_group("throughput", "--runs", "1000")
        self.wait_until("two processes to measure", lambda: len(processes_of(process.pid)) > 3)
        self.kill(process)
        self.wait_until("its processes to be gone", lambda: not processes_of(process.pid))

    def test_what_a_bench_says_of_itself_comes_through(self):
        self.refused(4, "bench", "compress", "nobody", names=["nobody"])
        report = self.ok("bench", "throughput", "--events", "1000", "--runs", "1", "--json").json
        self.assertEqual((report["runs"], list(self.rings.iterdir())), (1, []))
