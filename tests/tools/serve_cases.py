"""tailrace serve: metrics, JSON and events over HTTP, and clients that behave badly."""

import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

from sandbox import DEADLINE_S, Case

OPEN_METRICS = "application/openmetrics-text;version=1.0.0"
TOKEN = "a-token-for-the-tests"
ROOT = pathlib.Path(__file__).resolve().parents[2]
ALERTS = ROOT / "alerts"


class Served(Case):
    """A server that is running, and its clients."""

    def serve(self, *options):
        process = self.start("serve", "--listen", "127.0.0.1:0", "--json", *options)
        line = json.loads(self.read_line(process))
        self.assertEqual(line["event"], "serving")
        self.port = line["port"]
        self.assertEqual(line["url"], f"http://127.0.0.1:{self.port}/")
        return process

    def token_file(self, text=TOKEN + "\n"):
        path = self.work / "token"
        path.write_text(text)
        return path

    def get(self, path, method="GET", **headers):
        """(status, headers, text)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_S)
        connection.request(method, path, headers={name.replace("_", "-"): value
                                                  for name, value in headers.items()})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def page(self, path, **headers):
        status, _, text = self.get(path, **headers)
        self.assertEqual(status, 200, text)
        return text

    def json_page(self, path, **headers):
        return json.loads(self.page(path, **headers))

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
        self.addCleanup(client.close)
        return client

    def subscribe(self, per_s=20):
        client = self.connect()
        client.sendall(f"GET /events?per_s={per_s} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        lines = client.makefile("rb")
        self.addCleanup(lines.close)
        self.assertEqual(lines.readline(), b"HTTP/1.1 200 OK\r\n")
        while lines.readline() != b"\r\n":
            pass
        return lines

    def next_event(self, lines):
        line = lines.readline()
        self.assertTrue(line.startswith(b"data: "), line)
        self.assertEqual(lines.readline(), b"\n")
        return json.loads(line[6:])

    def event_that(self, lines, what, holds):
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            event = self.next_event(lines)
            if holds(event):
                return event
        return self.fail(f"waited in vain for: {what}")

    def row_of(self, document, reader):
        return next((row for row in document["readers"] if row["reader"] == reader), None)


class Serve(Served):
    def test_serve_metrics_in_both_formats(self):
        self.make()
        self.start("tail", "s", "--policy", "gate", "--name", 'a "b"', "--delay", "1h")
        self.wait_for_reader('a "b"')
        self.ok("pub", "s", "x", "-n", "10")
        self.wait_until("the first event to be read", lambda: self.reader('a "b"')["seq"] == 1)
        self.serve()
        status, headers, text = self.get("/metrics", Accept=OPEN_METRICS)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"],
                         "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertTrue(text.endswith("\n# EOF\n"))
        self.assertIn('\ntailrace_reader_lag_events{stream="s",reader="a \\"b\\""} 9\n', text)
        self.assertIn('\ntailrace_publishers_events_total{stream="s"} 10\n', text)
        self.assertIn("\n# TYPE tailrace_publishers_events counter\n", text)
        self.assertIn("\n# UNIT tailrace_reader_lag_seconds seconds\n", text)
        self.assertRegex(text, r'\ntailrace_reader_lag_seconds\{[^}]*\} \d+\.\d{9}\n')
        status, headers, text = self.get("/metrics")
        self.assertEqual(headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        self.assertNotIn("# EOF", text)
        self.assertNotIn("# UNIT", text)
        self.assertIn("\n# TYPE tailrace_publishers_events_total counter\n", text)
        self.assertIn("\n# TYPE tailrace_build_info gauge\n", text)

    def test_serve_metrics_are_what_promtool_takes(self):
        promtool = shutil.which("promtool")
        if not promtool:
            self.skipTest("promtool is not installed (apt-get install prometheus)")
        self.make_journaled()
        self.start_recorder()
        self.start("tail", "s", "--policy", "gate", "--name", "r", "--from", "start")
        self.wait_for_reader("r")
        self.ok("pub", "s", "x", "-n", "10", "--durable")
        self.serve()
        text = self.page("/metrics")
        for family in ("tailrace_journal_flushes_total", "tailrace_journal_disk_free_bytes",
                       "tailrace_reader_room_ratio", "tailrace_rings_free_bytes"):
            self.assertIn(f"\n{family}", text)
        ran = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True,
                             text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, "", ""))

    def test_serve_is_scraped_by_prometheus(self):
        prometheus = shutil.which("prometheus")
        if not prometheus:
            self.skipTest("prometheus is not installed (apt-get install prometheus)")
        self.make()
        self.ok("pub", "s", "x", "-n", "10")
        self.serve("--token-file", self.token_file())
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        config = self.work / "prometheus.json"  # JSON is YAML too
        config.write_text(json.dumps({"global": {"scrape_interval": "500ms"}, "scrape_configs": [{
            "job_name": "tailrace", "authorization": {"credentials": TOKEN},
            "static_configs": [{"targets": [f"127.0.0.1:{self.port}"]}]}]}))
        process = subprocess.Popen(
            [prometheus, f"--config.file={config}", f"--storage.tsdb.path={self.work}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE)
        self.started.append(process)

        def value_of(metric):
            try:
                with urllib.request.urlopen(
                        f"http://127.0.0.1:{port}/api/v1/query?query={metric}", timeout=5) as page:
                    found = json.load(page)["data"]["result"]
            except OSError:
                return None
            return float(found[0]["value"][1]) if found else None

        self.wait_until("a scrape", lambda: value_of("up") == 1)
        self.wait_until("its samples", lambda: value_of("tailrace_stream_end_sequence") == 10)
        self.assertEqual(value_of("tailrace_publishers_events_total"), 10)
        self.assertIsNotNone(value_of("tailrace_build_info"))

    def test_serve_json_has_the_keys_of_the_commands(self):
        self.make_journaled()
        self.start("tail", "s", "--policy", "gate", "--name", "r", "--delay", "1h")
        self.wait_for_reader("r")
        self.ok("pub", "s", "x", "-n", "10")
        self.wait_until("the first event to be read", lambda: self.reader("r")["seq"] == 1)
        self.serve()
        for path, words in (("/api/v1/streams", ("ls",)), ("/api/v1/streams/s", ("inspect", "s")),
                            ("/api/v1/lag", ("lag",)), ("/api/v1/lag?stream=s", ("lag", "s"))):
            served, printed = self.json_page(path), self.ok(*words, "--json").json
            for one in (served, printed):  # what moves by itself
                one.pop("time_ns", None)
                for row in one.get("readers", ()):
                    row.pop("lag_ns", None)
                    row.pop("trend_events_per_s", None)
                    row.pop("trouble", None)  # for how long the ring holds it
                    row.pop("counts", None)
            if words[0] == "lag":
                for one in (served, printed):
                    for row in one["readers"]:  # by one look, or by two
                        row.pop("state")
                        row.pop("urgency")
            self.assertEqual(served, printed, path)
        snapshot = self.json_page("/api/v1/snapshot")
        self.assertEqual(self.row_of(snapshot, "r")["lag_events"], 9)
        self.assertEqual(snapshot["streams"][0]["stream"], "s")
        self.assertEqual(snapshot["streams"][0]["all_publishers"]["events"], 10)
        self.assertEqual(self.page("/healthz"), "ok\n")

    def test_serve_says_what_is_not_there(self):
        self.make()
        self.serve()
        for path in ("/nothing", "/api/v1/streams/none", "/api/v1/lag?stream=none",
                     "/api/v1/streams/..%2F..%2Fetc%2Fpasswd"):
            status, _, text = self.get(path)
            self.assertEqual(status, 404, path)
            error = json.loads(text)["error"]
            self.assertEqual((error["code"], bool(error["hint"])), ("not_found", True))
        self.assertEqual(self.get("/events?per_s=soon")[0], 400)
        self.assertEqual(self.get("/metrics", method="POST")[0], 405)
        self.assertEqual(self.get("/metrics", method="DELETE")[0], 405)
        status, headers, text = self.get("/healthz", method="HEAD")
        self.assertEqual((status, headers["Content-Length"], text), (200, "3", ""))

    def test_serve_events_move_and_a_stalled_reader_is_one_to_act_on(self):
        self.make()
        self.start("tail", "s", "--policy", "gate", "--name", "stuck", "--delay", "1h")
        self.wait_for_reader("stuck")
        self.serve()
        lines = self.subscribe()
        first = self.next_event(lines)
        self.assertEqual(self.row_of(first, "stuck")["state"], "OK")
        self.start("pub", "s", "x", "--repeat", "--rate", "1000/s")
        event = self.event_that(lines, "a stalled reader", lambda event: self.row_of(
            event, "stuck")["state"] == "STALLED")
        self.assertEqual(self.row_of(event, "stuck")["urgency"], "act")
        self.assertGreater(event["streams"][0]["end_seq"], first["streams"][0]["end_seq"])
        # Seen from the outside: it registers nothing.
        self.assertEqual([row["name"] for row in self.ok("inspect", "s", "--json").json["readers"]],
                         ["stuck"])

    def test_serve_goes_on_when_a_stream_is_removed_and_comes_again(self):
        self.make()
        self.make(stream="other")
        self.serve()
        lines = self.subscribe()
        self.assertEqual(len(self.next_event(lines)["streams"]), 2)
        self.ok("rm", "s", "--yes")
        self.event_that(lines, "one stream", lambda event: [
            row["stream"] for row in event["streams"]] == ["other"])
        self.assertEqual(self.get("/api/v1/streams/s")[0], 404)
        self.make()
        self.ok("pub", "s", "x")
        self.event_that(lines, "both", lambda event: [
            row["end_seq"] for row in event["streams"]] == [0, 1])

    def test_serve_shows_no_payloads(self):
        self.make()
        self.ok("pub", "s", "secret-payload", "-n", "3")
        self.serve()
        for path in ("/metrics", "/api/v1/streams", "/api/v1/streams/s", "/api/v1/lag",
                     "/api/v1/snapshot"):
            self.assertNotIn("secret", self.page(path))

    def test_serve_has_what_alert_rules_and_grafana_ask_for(self):
        self.make_journaled()
        self.start_recorder()
        self.start("tail", "s", "--policy", "gate", "--name", "stuck", "--delay", "1h")
        self.wait_for_reader("stuck")
        publisher = self.start("pub", "s", "--size", "1000", "--repeat")
        self.wait_until("the publisher to be held up", lambda: any(
            holder["held_up"] for holder in self.ok("lag", "s", "--json").json["holders"]))
        self.serve()
        text = self.page("/metrics")
        rules = (ALERTS / "tailrace.rules.yml").read_text()
        asked = set(re.findall(r"\btailrace_\w+", rules + " ".join(self.grafana_expressions())))
        self.assertGreater(len(asked), 15)
        for metric in asked:
            self.assertRegex(text, rf"(?m)^{metric}(\{{| )")
        # The words that the rules know are words that there are.
        states = set(re.findall(r'state=~?"([A-Z|-]+)"', rules))
        header = (ROOT / "observe/src/reader_state.cpp").read_text()
        for state in "|".join(states).split("|"):
            self.assertIn(f'return "{state}"', header)
        self.kill(publisher)

    @staticmethod
    def grafana_expressions():
        board = json.loads((ROOT / "dashboards/tailrace.grafana.json").read_text())
        return [target["expr"] for panel in board["panels"] for target in panel["targets"]]

    def test_grafana_asks_what_prometheus_understands(self):
        promtool = shutil.which("promtool")
        if not promtool:
            self.skipTest("promtool is not installed (apt-get install prometheus)")
        rules = []
        for expression in self.grafana_expressions():
            for variable, value in (("$__rate_interval", "1m"), ("$__range", "30m"),
                                    ("$stream", ".*"), ("$reader", ".*")):
                expression = expression.replace(variable, value)
            rules.append({"record": f"panel:{len(rules)}", "expr": expression})
        path = self.work / "panels.yml"
        path.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
        ran = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True,
                             timeout=DEADLINE_S, check=False)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn(f"{len(rules)} rules found", ran.stdout)

    def test_alert_rules_come_when_they_should(self):
        promtool = shutil.which("promtool")
        if not promtool:
            self.skipTest("promtool is not installed (apt-get install prometheus)")
        ran = subprocess.run([promtool, "test", "rules", "tailrace.rules.test.yml"], cwd=ALERTS,
                             capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        # Each alert is tried.
        rules = re.findall(r"- alert: (\w+)", (ALERTS / "tailrace.rules.yml").read_text())
        tests = (ALERTS / "tailrace.rules.test.yml").read_text()
        for alert in rules:
            self.assertRegex(tests, rf"alertname: {alert}\n +exp_alerts:")

    def test_serve_is_told_where_to_listen(self):
        self.serve()
        self.refused(13, "serve", "--listen", f"127.0.0.1:{self.port}", names=[self.port])
        for place in ("9464", "127.0.0.1", "127.0.0.1:", ":9464", "127.0.0.1:99999", "[::1:1",
                      "::1:1"):
            self.refused(2, "serve", "--listen", place, names=[place])
        self.refused(4, "serve", "--listen", "no.such.host:0", names=["no.such.host"])
        self.refused(2, "serve", "--clients", "0")
        self.refused(2, "serve", "--format", "hex")

    def test_serve_to_everybody_is_warned_of(self):
        process = self.start("serve", "--listen", "0.0.0.0:0")
        self.assertRegex(self.read_line(process), r"^serving http://0\.0\.0\.0:\d+/$")
        ran = self.end(process)
        self.assertIn("--token-file", ran.errors)

    def test_serve_ends_with_its_clients_told(self):
        for by in (signal.SIGTERM, signal.SIGINT):
            process = self.serve()
            lines = self.subscribe()
            self.next_event(lines)
            idle = self.connect()
            ran = self.end(process, by=by)
            self.assertEqual(ran.errors, "")
            self.assertEqual(lines.read()[-2:] or b"\n\n", b"\n\n")  # no half of an event
            self.assertEqual(idle.recv(1), b"")

    # --- who may see it

    def test_serve_with_a_token_is_for_those_who_show_it(self):
        self.make()
        self.serve("--token-file", self.token_file())
        for headers in ({}, {"Authorization": "Bearer " + TOKEN[:-1]},
                        {"Authorization": "Bearer " + TOKEN + "x"}, {"Authorization": TOKEN},
                        {"Cookie": "tailrace_token=wrong"}, {"Authorization": "Bearer "}):
            for path in ("/", "/metrics", "/events", "/api/v1/lag", "/?token=wrong"):
                status, got, text = self.get(path, **headers)
                self.assertEqual(status, 401, (path, headers))
                self.assertIn("Bearer", got["WWW-Authenticate"])
                self.assertNotIn(TOKEN, text)
        self.assertIn("tailrace_", self.page("/metrics", Authorization=f"Bearer {TOKEN}"))
        self.assertEqual(self.page("/healthz"), "ok\n")
        # A browser gets a cookie for it.
        status, headers, _ = self.get(f"/?token={TOKEN}")
        self.assertEqual((status, headers["Location"]), (303, "/"))
        cookie = headers["Set-Cookie"]
        self.assertRegex(cookie, "HttpOnly; SameSite=Strict")
        self.page("/api/v1/lag", Cookie=f"other=1; {cookie.split(';')[0]}")

    def test_serve_refuses_a_token_that_is_none(self):
        for text in ("", "short\n", "a b c d e f g h i j k l\n", "two-lines-of-it-1\n2\n"):
            self.refused(2, "serve", "--listen", "127.0.0.1:0", "--token-file",
                         self.token_file(text), names=["token"])
        self.refused(4, "serve", "--listen", "127.0.0.1:0", "--token-file", self.work / "none")

    def test_serve_on_loopback_is_not_read_under_a_foreign_name(self):
        self.serve()
        for host in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil"):
            self.assertEqual(self.get("/metrics", Host=host)[0], 403, host)
        for host in ("localhost", f"localhost:{self.port}", "127.0.0.1:1", "[::1]:9464"):
            self.assertEqual(self.get("/metrics", Host=host)[0], 200, host)

    # --- clients that behave badly

    def deaf_subscriber(self):
        """One who doesn't read; events of twenty streams are more than what is on their way."""
        deaf = socket.socket()
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", self.port))
        deaf.sendall(b"GET /events?per_s=20 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return deaf

    def test_serve_gives_whole_events_to_a_client_that_is_too_slow_for_all(self):
        for index in range(20):
            self.make("--capacity", "64KiB", stream="s" * 40 + str(index))
        self.serve()
        slow, others = self.deaf_subscriber(), self.subscribe()
        times = [self.next_event(others)["time_ns"] for _ in range(30)]
        lines = slow.makefile("rb")
        self.addCleanup(lines.close)
        while lines.readline() != b"\r\n":
            pass
        seen = [self.next_event(lines)["time_ns"]]
        while seen[-1] <= times[-1]:
            seen.append(self.next_event(lines)["time_ns"])
        self.assertEqual(seen, sorted(seen))
        # It went without those that there was no room for.
        self.assertGreater(len(set(times) - set(seen)), 5, (times, seen))

    def test_serve_drops_a_client_that_never_reads_and_serves_the_others(self):
        for index in range(20):
            self.make("--capacity", "64KiB", stream="s" * 40 + str(index))
        process = self.serve("--patience", "300ms")
        deaf = self.deaf_subscriber()
        lines = self.subscribe()
        connections = counter_of_sockets(process)

        def others_are_served():
            self.next_event(lines)
            self.assertEqual(self.page("/healthz"), "ok\n")
            return connections() == 2  # the listener, and the one who reads

        self.wait_until("the deaf one to be dropped", others_are_served)
        deaf.close()

    def test_serve_drops_those_who_never_ask(self):
        self.serve("--patience", "100ms")
        silent, slow = self.connect(), self.connect()
        slow.sendall(b"GET / HT")
        self.assertEqual((silent.recv(1), slow.recv(1)), (b"", b""))
        self.assertEqual(self.page("/healthz"), "ok\n")

    def test_serve_refuses_one_client_too_many(self):
        self.serve("--clients", "3")
        readers = [self.subscribe() for _ in range(3)]
        for lines in readers:
            self.next_event(lines)
        status, _, text = self.get("/metrics")
        self.assertEqual(status, 503)
        self.assertIn("3 clients", text)
        for lines in readers:
            self.next_event(lines)
        # A place that gets free is given away.
        gone = readers.pop()
        gone.raw._sock.shutdown(socket.SHUT_RDWR)
        self.wait_until("a free place", lambda: self.get("/healthz")[0] == 200)

    def test_serve_survives_what_is_no_http(self):
        self.serve()
        for bad, status in ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n", b"400"),
                            (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000, b"431"),
                            (b"x" * 20000, b"431"),
                            (b"POST /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", b"400"),
                            (b"GET / HTTP/9\r\n\r\n", b"400")):
            client = self.connect()
            client.sendall(bad)
            answer = client.makefile("rb").readline()
            self.assertIn(status, answer, bad[:40])
        half = self.connect()
        half.sendall(b"GET /healthz HTTP/1.1\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
        half.shutdown(socket.SHUT_WR)
        self.assertEqual(half.makefile("rb").read().count(b"\r\n\r\nok\n"), 2)
        self.assertEqual(self.page("/healthz"), "ok\n")


def counter_of_sockets(process):
    """A function that counts the sockets that a process has open."""
    folder = f"/proc/{process.pid}/fd"

    def count():
        found = 0
        for name in os.listdir(folder):
            try:
                found += re.match("socket:", os.readlink(f"{folder}/{name}")) is not None
            except FileNotFoundError:
                pass
        return found

    return count
