"""Commands as models, each a real process."""

import os
import sys
import threading
import time
import unittest

from millrace.testing import FakeRunner


class Commands(unittest.TestCase):
    def start(self, *words):
        command = [sys.executable, "-m", "millrace.command", *words]
        runner = FakeRunner(command, timeout=20)
        self.addCleanup(runner.close)
        self.assertEqual(runner.wait_ready()["batchMax"], 1)
        return runner

    def test_standard_output_is_the_result_and_standard_error_the_log(self):
        runner = self.start("--output", "size.txt", "--", "sh", "-c", 'echo "counting $1" >&2; wc -c < "$1"', "sh", "{file}")
        answer = runner.run_one(files=[__file__])
        self.assertEqual(int(answer.output("size.txt")), os.path.getsize(__file__))
        self.assertEqual(answer.message["outputs"][0]["mediaType"], "text/plain")
        self.assertEqual([line["message"] for line in answer.logs], [f"counting {os.path.realpath(__file__)}"])

    def test_the_result_may_be_a_file_and_parameters_are_in_the_environment(self):
        script = 'echo noise; printf "%s %s" "$MILLRACE_PARAM_DPI" "$(cat "$2")" > "$1"'
        runner = self.start("--output", "r.bin", "--media-type", "x/y", "--", "sh", "-c", script, "sh", "{output}", "{input}")
        answer = runner.run_one(parameters={"dpi": 200}, input={"a": "ä"})
        self.assertEqual(answer.output("r.bin").decode(), '200 {"a": "ä"}')
        self.assertEqual(answer.message["outputs"][0]["mediaType"], "x/y")

    def test_all_files_become_arguments(self):
        runner = self.start("--", "sh", "-c", "echo $#", "sh", "{files}")
        self.assertEqual(runner.run_one(files=[__file__, __file__, __file__]).output("output.txt"), b"3\n")

    def test_a_failure_says_what_standard_error_said_last(self):
        answer = self.start("--", "sh", "-c", "echo no such page >&2; exit 3").run_one()
        self.assertEqual((answer.code, answer.message["retryable"]), ("command_failed", False))
        self.assertEqual(answer.message["message"], "the command ended with status 3: no such page")

    def test_status_75_asks_for_another_attempt(self):
        self.assertTrue(self.start("--", "sh", "-c", "exit 75").run_one().message["retryable"])

    def test_a_command_that_writes_nothing_or_gets_nothing_fails_its_job(self):
        self.assertEqual(self.start("--", "true", "{output}").run_one().code, "command_failed")
        self.assertEqual(self.start("--", "cat", "{file}").run_one().code, "missing_input")

    def test_a_cancelled_job_ends_the_command_with_its_children(self):
        runner = self.start("--", "sh", "-c", "sleep 1000 & echo $! >&2; wait")
        child = []

        def stop():
            while not child:
                message = runner.expect("log")
                child.append(int(message["message"]))
            runner.tell({"type": "cancel", "item": 1, "reason": "cancelled"})

        threading.Thread(target=stop).start()
        self.assertEqual(runner.run_one().kind, "cancelled")
        deadline = time.monotonic() + 10
        while self.lives(child[0]):
            self.assertLess(time.monotonic(), deadline)

    @staticmethod
    def lives(process):
        try:
            with open(f"/proc/{process}/stat") as status:
                return status.read().rsplit(")", 1)[1].split()[0] != "Z"
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
