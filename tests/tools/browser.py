"""A headless Chromium that a test steers: by two pipes, in the protocol of its developer tools."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
           "--no-default-browser-check", "--disable-background-networking", "--disable-sync",
           "--disable-component-update", "--disable-dev-shm-usage", "--window-size=1400,1000",
           "--remote-debugging-pipe", "about:blank")


def find_browser():
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    def __init__(self, program, folder, deadline_s):
        self.deadline_s = deadline_s
        self.number = 0
        self.pending = b""
        self.events = []
        self.session = None
        # It reads commands from 3 and writes to 4; above 9 nothing is in the way of either.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (*os.pipe(), *os.pipe())]
        theirs_in, self.ours_out, self.ours_in, theirs_out = ends
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", program,
             f"--user-data-dir={folder}", *OPTIONS],
            pass_fds=(theirs_in, theirs_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.ours_in)
        os.close(self.ours_out)

    def open(self, url):
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target,
                                 flatten=True)["sessionId"]
        for domain in ("Runtime", "Network", "Page", "Log"):
            self.send(f"{domain}.enable")
        self.send("Page.navigate", url=url)

    def send(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.ours_out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.next_message()
            if answer.get("id") != self.number:
                self.events.append(answer)
            elif "navigated" in answer.get("error", {}).get("message", ""):
                return {"result": {}}
            elif "error" in answer:
                raise AssertionError(f"{method}: {answer['error']}")
            else:
                return answer["result"]

    def next_message(self):
        deadline = time.monotonic() + self.deadline_s
        while b"\0" not in self.pending:
            if time.monotonic() > deadline:
                raise AssertionError("the browser is silent")
            if not select.select([self.ours_in], [], [], 1)[0]:
                continue
            block = os.read(self.ours_in, 1 << 16)
            if not block:
                raise AssertionError("the browser has ended")
            self.pending += block
        message, self.pending = self.pending.split(b"\0", 1)
        return json.loads(message)

    def value(self, expression):
        """Of the page; None while it changes to another one."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def seen(self, method):
        return [event["params"] for event in self.events if event.get("method") == method]
