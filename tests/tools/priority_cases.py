"""record --priority: the scheduling that the kernel really gives, and what if it will not."""

import ctypes
import json
import os
import pathlib
import resource
import subprocess

from sandbox import Case

PR_CAPBSET_DROP = 24
CAP_SYS_NICE = 23


def may_use_real_time():
    """Whether a child of this process may: asked of the kernel, not guessed."""
    return subprocess.run(["chrt", "-f", "7", "true"], capture_output=True,
                          check=False).returncode == 0


def give_up_real_time():
    """In a child before exec: neither the capability nor the limits allow any raise."""
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    resource.setrlimit(resource.RLIMIT_NICE, (0, 0))
    ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)


def own_nice():
    return os.getpriority(os.PRIO_PROCESS, 0)


def own_priority():
    return f"nice={own_nice()}" if own_nice() else "normal"


class Priority(Case):
    def launch(self, *words, before=None):
        process = subprocess.Popen([self.program, *map(str, words)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment, preexec_fn=before)
        self.started.append(process)
        return process

    def started_line(self, process):
        return json.loads(self.read_line(process))

    def need_real_time(self):
        if not may_use_real_time():
            print("SKIPPED: real-time scheduling is not permitted here")
            self.skipTest("no permission for SCHED_FIFO")

    @staticmethod
    def threads_of(process):
        """(name, policy, level) of each thread, as the kernel has them."""
        found = []
        for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
            try:
                name = (task / "comm").read_text().strip()
                found.append((name, os.sched_getscheduler(int(task.name)),
                              os.sched_getparam(int(task.name)).sched_priority))
            except (FileNotFoundError, ProcessLookupError):
                pass  # it has ended meanwhile
        return found

    def test_fifo_is_what_the_writer_gets_and_its_helpers_do_not(self):
        self.need_real_time()
        self.make_journaled()
        process = self.launch("record", "s", "--segment", "1MiB", "--json", "--priority", "fifo=7")
        started = self.started_line(process)
        self.assertEqual((started["priority"], started["priority_refusal"]), ("fifo=7", None))
        self.assertEqual(os.sched_getscheduler(process.pid), os.SCHED_FIFO)
        self.assertEqual(os.sched_getparam(process.pid).sched_priority, 7)
        self.assertEqual(self.ok("inspect", "s", "--json").json["journal"]["priority"], "fifo=7")
        self.assertIn(f"(pid {process.pid}, priority fifo=7)", self.ok("inspect", "s").text)
        self.ok("pub", "s", "--size", "1000", "-n", "3000", "--durable")

        # The thread that fills spare segments is there, and ordinary; io_uring's own may inherit.
        def helpers():
            return [thread for thread in self.threads_of(process)
                    if not thread[0].startswith("iou-") and thread[1] != os.SCHED_FIFO]

        self.wait_until("an ordinary helper", helpers)
        real_time = [thread for thread in self.threads_of(process)
                     if not thread[0].startswith("iou-") and thread[1] == os.SCHED_FIFO]
        self.assertEqual(len(real_time), 1, real_time)
        self.end(process)
        self.ok("verify", "s")

    def test_nice_is_what_the_writer_gets(self):
        self.make_journaled()
        level = min(19, own_nice() + 1)  # always permitted
        process = self.launch("record", "s", "--segment", "1MiB", "--json", "--priority",
                              f"nice={level}")
        self.assertEqual(self.started_line(process)["priority"], f"nice={level}")
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, process.pid), level)
        self.end(process)

    def test_refused_it_goes_on_without_and_says_what_would_help(self):
        for stream, wanted, limit in (("one", "fifo", "RLIMIT_RTPRIO is 0"),
                                      ("two", "nice=-20", "RLIMIT_NICE is 0")):
            self.make_journaled(stream=stream)
            process = self.launch("record", stream, "--segment", "1MiB", "--json", "--priority",
                                  wanted, before=give_up_real_time)
            started = self.started_line(process)
            self.assertEqual(started["priority"], own_priority())
            self.assertIn(limit, started["priority_refusal"])
            self.assertEqual(os.sched_getscheduler(process.pid), os.SCHED_OTHER)
            self.ok("pub", stream, "x", "--durable")
            ran = self.end(process)
            self.assertIn("CAP_SYS_NICE", ran.errors)
            self.assertIn("goes on without", ran.errors)
            self.assertRegex(ran.errors,
                             r"try: sudo setcap cap_sys_nice\+ep .*Limit(RTPRIO=10|NICE=40)")
            self.assertEqual(ran.json_lines[-1]["events"], 1)

    def test_each_thread_of_record_all_gets_it(self):
        self.need_real_time()
        for name in ("one", "two"):
            self.make_journaled(stream=name)
        process = self.launch("record", "--all", "--segment", "1MiB", "--json", "--priority",
                              "fifo=8")
        self.assertEqual({self.started_line(process)["priority"] for _ in range(2)}, {"fifo=8"})
        writers = [thread for thread in self.threads_of(process)
                   if thread[1:] == (os.SCHED_FIFO, 8) and not thread[0].startswith("iou-")]
        self.assertEqual(len(writers), 2, self.threads_of(process))
        self.assertEqual(os.sched_getscheduler(process.pid), os.SCHED_OTHER)  # it prints
        self.end(process)

    def test_record_all_tells_a_refusal_once(self):
        for name in ("one", "two"):
            self.make_journaled(stream=name)
        process = self.launch("record", "--all", "--segment", "1MiB", "--json",
                              "--priority", "fifo", before=give_up_real_time)
        for _ in range(2):
            self.assertEqual(self.started_line(process)["priority"], own_priority())
        self.assertEqual(self.end(process).errors.count("CAP_SYS_NICE"), 1)

    def test_in_real_time_on_one_core_with_its_publisher_it_gives_way(self):
        self.need_real_time()
        self.make_journaled()
        core = min(os.sched_getaffinity(0))

        def on_one_core():
            os.sched_setaffinity(0, {core})

        # A writer that spun while it waits would never let this publisher have the core.
        process = self.launch("record", "s", "--segment", "1MiB", "--json", "--priority", "fifo",
                              before=on_one_core)
        self.started_line(process)
        publisher = self.launch("pub", "s", "x", "-n", "300", "--durable", "--rate", "2k/s",
                                before=on_one_core)
        self.end(publisher, by=None)
        self.assertEqual(self.end(process).json_lines[-1]["events"], 300)

    def test_what_is_no_priority(self):
        self.make_journaled()
        for wrong in ("high", "nice=20", "nice=", "fifo=0", "fifo=100", "fifo=7x"):
            self.refused(2, "record", "s", "--priority", wrong, names=(wrong,))
