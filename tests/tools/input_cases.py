"""pub: events as lines, JSON, frames and whole files; and out of tail and back without a change."""

import json
import struct
import subprocess

from sandbox import Case

ALL_BYTES = bytes(range(256))
# What can be lost on the way: line ends, quotes, bytes that are no text, nothing at all.
PAYLOADS = (b"", b"plain", b"two\nlines\n", b"\r\n\t\"\\", "\u20ac \U0001f40e".encode(), ALL_BYTES,
            b"\xff", b"\0", b'{"data":"x"}')


class RoundTrip(Case):
    def setUp(self):
        super().setUp()
        self.make("--capacity", "1MiB", stream="from")
        self.make("--capacity", "1MiB", stream="into")
        frames = b""
        for number, payload in enumerate(PAYLOADS):
            has_key = number % 2
            frames += struct.pack("<IHHQQ", len(payload), number * 8191, has_key,
                                  (2**64 - number) * has_key, number * 10**18) + payload
        self.frames = frames
        self.ok("pub", "from", "--as", "framed", stdin=frames)

    def test_frames_go_in_and_come_out_as_they_were(self):
        self.assertEqual(self.ok("tail", "from", "-e", "--format", "framed").stdout, self.frames)
        events = self.ok("tail", "from", "-e", "--json").json_lines
        self.assertEqual([event["size_bytes"] for event in events], [len(p) for p in PAYLOADS])
        self.assertEqual(events[3]["key"], str(2**64 - 3))
        self.assertEqual(events[3]["type"], 3 * 8191)
        self.assertEqual(events[3]["event_time_ns"], str(3 * 10**18))
        self.assertNotIn("key", events[4])

    def test_json_goes_out_and_in_without_a_change(self):
        lines = self.ok("tail", "from", "-e", "--json").stdout
        done = self.ok("pub", "into", "--as", "json", "--json", stdin=lines).json
        self.assertEqual(done["events"], len(PAYLOADS))
        self.assertEqual(self.ok("tail", "into", "-e", "--format", "framed").stdout, self.frames)
        self.ok("diff", "from", "into")

    def test_a_journal_goes_through_a_pipe(self):
        self.make_journaled(stream="kept")
        self.ok("pub", "kept", "--as", "framed", stdin=self.frames)
        self.record_all(stream="kept")
        written = self.ok("replay", "kept", "--speed", "max", "--format", "framed").stdout
        self.assertEqual(written, self.frames)

    def test_keyed_lines_go_out_and_in(self):
        self.ok("pub", "into", "-K", ":", stdin=b"7:a:b\n:none\nname:c\n8:\n")
        lines = self.ok("tail", "into", "-e", "-f", r"%k\t%v\n").stdout
        first, second, third, fourth = lines.splitlines()
        self.assertEqual((first, second, fourth), (b"7\ta:b", b"\tnone", b"8\t"))
        self.assertRegex(third, rb"^\d{10,}\tc$")
        self.ok("pub", "into", "--key-delimiter", r"\t", stdin=lines)
        self.assertEqual(self.ok("tail", "into", "--from", "4", "-e", "-f", r"%k\t%v\n").stdout,
                         lines)


class Whole(Case):
    def test_stdin_or_a_file_is_one_event(self):
        self.make()
        self.ok("pub", "s", "--as", "whole", stdin=b"two\nlines\n")
        self.ok("pub", "s", "--as", "whole", stdin=b"")
        file = self.work / "file"
        file.write_bytes(ALL_BYTES)
        self.ok("pub", "s", "--as", "whole", "--file", file, "--file", file, "--type", "3")
        self.ok("pub", "s", "--as", "whole", "--file", file, "--repeat", "-n", "3")
        events = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertEqual([event["size_bytes"] for event in events], [10, 0] + [256] * 5)
        self.assertEqual([event["type"] for event in events], [0, 0, 3, 3, 0, 0, 0])

    def test_what_is_too_large_is_refused_whole(self):
        self.make("--capacity", "1MiB", "--max-event", "100")
        self.ok("pub", "s", "--as", "whole", stdin=b"x" * 100)
        self.refused(14, "pub", "s", "--as", "whole", stdin=b"x" * 101, names=["stdin", "100"])
        self.assertEqual(self.end_sequence(), 1)

    def test_interrupted_before_its_end_it_is_no_event(self):
        self.make()
        process = self.start("pub", "s", "--as", "whole", stdin=subprocess.PIPE)
        process.stdin.write(b"half")
        process.stdin.flush()
        self.wait_until("pub to be there",
                        lambda: self.ok("inspect", "s", "--json").json["publishers"])
        process.terminate()
        self.assertEqual(process.wait(timeout=60), 130)
        self.assertEqual(self.end_sequence(), 0)


class Bad(Case):
    def lines_before(self, ran, count):
        """What stood before the bad one was published, the bad one and what follows it wasn't."""
        self.assertEqual(ran.code, 2, ran)
        self.assertEqual(self.end_sequence(), count)

    def test_a_bad_line_names_line_and_column(self):
        self.make()
        good = b'{"data":"good"}\n'
        ran = self.run_any("pub", "s", "--as", "json",
                           stdin=good + b'{"data":"x","tpye":1}\n' + good)
        self.lines_before(ran, 1)
        self.assertIn("line 2 of stdin, column 13: ", ran.errors)
        self.assertIn("'type'", ran.errors)
        file = self.work / "lines"
        file.write_bytes(good * 3 + b'{"data":"cut')
        ran = self.run_any("pub", "s", "--as", "json", "--file", file)
        self.lines_before(ran, 4)
        self.assertIn(f"line 4 of {file}, column 13: ", ran.errors)
        ran = self.run_any("pub", "s", "-K", ":", stdin=b"7:x\nno key\n8:y\n")
        self.lines_before(ran, 5)
        self.assertIn("line 2 of stdin, column 7: ", ran.errors)

    def test_an_argument_that_is_no_event_publishes_none(self):
        self.make()
        self.refused(2, "pub", "s", "--as", "json", '{"data":"x"}', "nix",
                     names=["argument 2, column 2", "nothing was published"])
        self.refused(2, "pub", "s", "-K:", "1:x", "nix", names=["argument 2, column 4", "nothing"])
        self.assertEqual(self.end_sequence(), 0)
        self.ok("pub", "s", "--as", "json", '{"data":"x","type":2}', "-n", "3")
        events = self.ok("tail", "s", "-e", "--json").json_lines
        self.assertEqual([event["type"] for event in events], [2, 2, 2])

    def test_json_larger_than_an_event_is_told_by_its_payload(self):
        self.make("--capacity", "1MiB", "--max-event", "100")
        # Each byte as an escape is six: the line may be long, the payload may not.
        self.ok("pub", "s", "--as", "json", stdin=b'{"data":"' + b"\\u0041" * 100 + b'"}')
        self.refused(14, "pub", "s", "--as", "json",
                     stdin=json.dumps({"data": "x" * 101}).encode(),
                     names=["line 1 of stdin", "100"])
        self.assertEqual(self.payloads("tail", "s", "-e"), ["A" * 100])

    def test_a_gap_in_the_input_is_told_and_is_3(self):
        self.make()
        lines = (b'{"data":"a"}\n{"stream":"x","gap_first_seq":5,"gap_events":2}\n{"data":"b"}\n')
        ran = self.run_any("pub", "s", "--as", "json", stdin=lines)
        self.assertEqual(ran.code, 3, ran)
        self.assertIn("line 2 of stdin: 2 events are missing where it comes from: sequence [5, 7)",
                      ran.errors)
        self.assertEqual(self.payloads("tail", "s", "-e"), ["a", "b"])

    def test_a_frame_that_is_cut_off_or_foreign_names_its_byte(self):
        self.make("--capacity", "1MiB", "--max-event", "100")
        frame = struct.pack("<IHHQQ", 3, 0, 0, 0, 0) + b"abc"
        for tail, words in ((frame[:5], "ends after 5 of 24 bytes"),
                            (frame[:-1], "ends after 26 of 27 bytes"),
                            (b"lines of text, not frames\n", "no frame begins here"),
                            (struct.pack("<IHHQQ", 101, 0, 0, 0, 0), "101 bytes")):
            before = self.end_sequence()
            ran = self.run_any("pub", "s", "--as", "framed", stdin=frame + tail)
            self.assertEqual(ran.code, 14 if "101" in words else 2, ran)
            self.assertIn("byte 27 of stdin", ran.errors)
            self.assertIn(words, ran.errors)
            self.assertEqual(self.end_sequence(), before + 1)

    def test_options_that_deny_each_other_are_named(self):
        self.make()
        for words, name in ((("--as", "whole", "x"), "--as whole"),
                            (("--as", "framed", "x"), "--as framed"),
                            (("--as", "json", "-K:", "x"), "--key-delimiter"),
                            (("--size", "3", "--as", "json"), "--size"),
                            (("-K:", "--key", "3", "x"), "--key-delimiter"),
                            (("-K", "", "x"), "-K"), (("-K", r"\n", "x"), "-K"),
                            (("--as", "yaml", "x"), "--as")):
            self.refused(2, "pub", "s", *words, names=[name])
        self.assertEqual(self.end_sequence(), 0)
