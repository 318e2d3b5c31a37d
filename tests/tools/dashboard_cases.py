"""The dashboard of tailrace serve, in a browser."""

import base64
import os
import pathlib
import signal
import time

from browser import Browser, find_browser
from sandbox import DEADLINE_S
from serve_cases import TOKEN, Served

RED = "rgb(201, 42, 42)"
# How many points of a picture are not empty.
INK = """(() => { const canvas = document.querySelector('#%s canvas');
    if (!canvas) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 3; at < data.length; at += 4) if (data[at] > 0) count += 1;
    return count; })()"""


class Dashboard(Served):
    def open_dashboard(self, path="/"):
        program = find_browser()
        if not program:
            self.skipTest("no Chromium is installed (apt-get install chromium)")
        browser = Browser(program, self.work / "browser", DEADLINE_S)
        self.addCleanup(browser.close)
        browser.open(f"http://127.0.0.1:{self.port}{path}")
        return browser

    def text_of(self, browser, selector):
        return browser.value(f"document.querySelector({selector!r})?.textContent")

    def pill_of(self, browser, reader):
        """(state, its colour) of a reader's row."""
        return browser.value(f"""(() => {{
            const pill = document.querySelector('#readers tr[data-key="s/{reader}"] .pill');
            return pill && [pill.textContent, getComputedStyle(pill).backgroundColor]; }})()""")

    def wait_for_colour(self, browser, reader, holds):
        return self.wait_until(f"the colour of {reader}", lambda: holds(
            *(self.pill_of(browser, reader) or ("", ""))))

    def test_dashboard_draws_moves_and_turns_a_stalled_reader_red(self):
        self.make_journaled("--publish-time", "event")
        self.start_recorder()
        # Nobody takes what they print: it must fit into a pipe.
        stuck, _ = (self.start("tail", "s", "--policy", policy, "--name", name, "--format", "raw")
                    for policy, name in (("skip", "stuck"), ("gate", "quick")))
        self.wait_for_reader("stuck")
        self.wait_for_reader("quick")
        publisher = self.start("pub", "s", "x", "--repeat", "--rate", "200/s")
        self.serve()
        browser = self.open_dashboard()

        # It draws.
        self.wait_until("the page to draw", lambda: int(
            browser.value("document.body?.dataset.frames || 0")) > 2)
        for chart in ("chart-lag", "chart-rate", "chart-journal"):
            self.wait_until(f"a line in {chart}",
                            lambda name=chart: browser.value(INK % name) > 500)
        self.assertEqual(self.text_of(browser, "#link b"), "live")
        self.assertEqual(browser.value("document.querySelectorAll('#readers tbody tr').length"), 3)
        self.assertEqual(self.text_of(browser, "#streams tbody .name"), "s")

        # Numbers move.
        first = self.text_of(browser, "#streams tbody td.quiet")
        self.wait_until("another number", lambda: self.text_of(
            browser, "#streams tbody td.quiet") != first)
        self.wait_until("a rate", lambda: self.text_of(browser, "#tile-rate .big") not in (
            "–", "0/s"))

        # The same look twice, as two who subscribe may cause, is one.
        self.assertEqual(browser.value("""(() => {
            const other = new Model();
            other.take(model.frame);
            other.take(model.frame);
            return other.published.times.length; })()"""), 1)

        # A stalled reader turns red, and back.
        self.wait_for_colour(browser, "stuck", lambda state, _: state == "OK")
        stuck.send_signal(signal.SIGSTOP)
        start = time.monotonic()
        self.wait_for_colour(browser, "stuck",
                             lambda state, colour: state == "STALLED" and colour == RED)
        print(f"red after {time.monotonic() - start:.1f} s", flush=True)
        self.assertEqual(browser.value(
            "document.querySelector('#readers tbody tr').dataset.key"), "s/stuck")
        self.assertEqual(browser.value("document.querySelector('#tile-lag').dataset.urgency"),
                         "act")
        self.keep_picture(browser, "light")
        stuck.send_signal(signal.SIGCONT)
        self.wait_for_colour(browser, "stuck", lambda _, colour: colour and colour != RED)
        self.kill(publisher)

        # Dark where the system is.
        light = browser.value("getComputedStyle(document.body).backgroundColor")
        browser.send("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": "dark"}])
        self.wait_until("a dark ground", lambda: browser.value(
            "getComputedStyle(document.body).backgroundColor") != light)
        self.keep_picture(browser, "dark")

        # It asks nobody else for anything, and nothing went wrong in it.
        for request in browser.seen("Network.requestWillBeSent"):
            self.assertTrue(request["request"]["url"].startswith(
                (f"http://127.0.0.1:{self.port}/", "data:", "about:")), request["request"]["url"])
        self.assertEqual(browser.seen("Runtime.exceptionThrown"), [])
        self.assertEqual([entry for entry in browser.seen("Log.entryAdded")
                          if entry["entry"]["level"] == "error"], [])

    def keep_picture(self, browser, name):
        """For whoever wants to look at it: TAILRACE_PICTURES names a directory."""
        folder = os.environ.get("TAILRACE_PICTURES")
        if folder:
            picture = browser.send("Page.captureScreenshot")["data"]
            pathlib.Path(folder, f"dashboard-{name}.png").write_bytes(base64.b64decode(picture))

    def test_dashboard_behind_a_token_and_after_the_server_has_gone(self):
        self.make()
        server = self.serve("--token-file", self.token_file())
        browser = self.open_dashboard()
        self.wait_until("a question for the token", lambda: browser.value(
            "document.querySelector('input[name=token]') !== null"))
        browser.value(f"""(() => {{ document.querySelector('input').value = 'wrong';
            document.forms[0].submit(); }})()""")
        self.wait_until("the wrong one to be sent", lambda: "wrong" in (browser.value(
            "location.href") or ""))
        self.wait_until("the question again", lambda: browser.value(
            "document.querySelector('input[name=token]') !== null"))
        browser.value(f"""(() => {{ document.querySelector('input').value = '{TOKEN}';
            document.forms[0].submit(); }})()""")
        self.wait_until("the page", lambda: self.text_of(browser, "#link b") == "live")
        self.assertNotIn(TOKEN, browser.value("location.href"))
        # A name is text, whatever is in it.
        self.start("tail", "s", "--policy", "skip", "--name", "<img src=x>")
        self.wait_until("its row", lambda: browser.value(
            "document.querySelector('#readers tbody tr')?.dataset.key") == "s/<img src=x>")
        self.assertEqual(browser.value("document.querySelectorAll('#readers img').length"), 0)
        self.ok("rm", "s", "--yes", "--force")
        self.wait_until("an empty table", lambda: browser.value(
            "document.querySelectorAll('#streams tbody tr').length") == 0)
        self.end(server)
        self.wait_until("it to be told", lambda: browser.value(
            "document.querySelector('#link').dataset.state") == "lost")
