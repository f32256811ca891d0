"""The shim against a fake runner, over a real Unix socket, with the handler in a process of its own."""

import sys
import tempfile
import unittest
from pathlib import Path

from millrace.testing import FakeRunner

HANDLER = Path(__file__).with_name("handler_under_test.py")


class ServingCase(unittest.TestCase):
    arguments = []

    def start(self, *arguments, **environment):
        command = [sys.executable, str(HANDLER), *arguments]
        runner = FakeRunner(command, HANDLER.parent, timeout=20, environment=environment)
        self.addCleanup(runner.close)
        return runner

    def ready(self, *arguments):
        runner = self.start(*arguments)
        self.assertEqual(runner.wait_ready()["type"], "ready")
        return runner


class Start(ServingCase):
    def test_says_how_many_items_it_takes(self):
        self.assertEqual(self.start().wait_ready(), {"type": "ready", "batchMax": 8, "features": ["shm"]})

    def test_announces_nothing_to_a_runner_that_says_nothing(self):
        ready = self.start(MILLRACE_HANDLER_FEATURES="").wait_ready()
        self.assertEqual(ready, {"type": "ready", "batchMax": 8, "features": []})

    def test_a_model_that_cannot_be_loaded_is_fatal_and_ends_the_process(self):
        runner = self.start(TEST_FATAL="1")
        self.assertEqual(runner.wait_ready(), {"type": "fatal", "message": "RuntimeError: no such weights"})
        self.assertEqual(runner.process.wait(10), 1)

    def test_shutdown_ends_the_process_with_status_zero(self):
        self.assertEqual(self.ready().close(), 0)

    def test_a_closed_control_channel_ends_the_process_even_while_it_works(self):
        runner = self.ready()
        runner.on_progress = lambda message: runner._control.shutdown(2)
        with self.assertRaises(ConnectionError):
            runner.run([runner.item(input="wait")])
        self.assertEqual(runner.process.wait(10), 70)

    def test_an_unknown_message_ends_the_process(self):
        runner = self.ready()
        runner.tell({"type": "dance"})
        self.assertEqual(runner.process.wait(10), 70)


class Results(ServingCase):
    def test_results_carry_inputs_parameters_and_files_in_batch_order(self):
        runner = self.ready()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write("content")
            file.flush()
            items = [runner.item(input=n, parameters={"n": n}, files=[file.name]) for n in range(3)]
            answers, end = runner.run(items, batch=7)
        self.assertEqual(end, {"type": "done", "batch": 7})
        expected = [{"echo": n, "parameters": {"n": n}, "files": ["content"]} for n in range(3)]
        self.assertEqual([answers[item["item"]].json for item in items], expected)

    def test_outputs_are_files_under_the_working_directory(self):
        runner = self.ready()
        answer = runner.run_one(input="outputs")
        self.assertEqual(answer.json, {"n": 2})
        self.assertEqual((answer.output("own.txt"), answer.output("made.txt")), (b"own", b"made"))
        for output in answer.message["outputs"]:
            self.assertIn(answer.workdir.resolve(), Path(output["path"]).parents)
            self.assertEqual(output["mediaType"], "text/plain")

    def test_a_file_from_elsewhere_is_copied_and_is_the_only_result(self):
        runner = self.ready()
        answer = runner.run_one(input="foreign")
        self.assertNotIn("json", answer.message)
        self.assertEqual(answer.output("foreign.py"), HANDLER.read_bytes())

    def test_two_outputs_of_one_name_are_refused(self):
        answer = self.ready().run_one(input="twins")
        self.assertEqual(
            (answer.code, answer.message["message"]), ("result_invalid", "two outputs are called result.json")
        )

    def test_a_big_json_result_becomes_a_file(self):
        runner = self.ready()
        answer = runner.run_one(input="big")
        self.assertNotIn("json", answer.message)
        self.assertEqual(answer.message["outputs"][0]["mediaType"], "application/json")
        self.assertGreater(len(answer.output("result.json")), 700_000)

    def test_a_result_that_is_not_json_is_an_error_of_that_item_alone(self):
        runner = self.ready()
        items = [runner.item(input="nan"), runner.item(input=1)]
        answers, end = runner.run(items)
        self.assertEqual([answers[item["item"]].kind for item in items], ["error", "result"])
        self.assertEqual(answers[items[0]["item"]].code, "result_invalid")
        self.assertEqual(end["type"], "done")

    def test_a_generator_answers_item_by_item(self):
        runner = self.ready("--generator")
        items = [runner.item(input="explode"), runner.item(input=1), runner.item(input=2)]
        answers, end = runner.run(items)
        self.assertEqual(sorted(answers), [items[1]["item"], items[2]["item"]])
        self.assertEqual((end["type"], end["code"]), ("failed", "handler_error"))


class Failures(ServingCase):
    def test_a_returned_failure_is_the_items_error(self):
        answer = self.ready().run_one(input="fail")
        expected = {"code": "bad_input", "message": "that is bad", "hint": "send better", "retryable": False}
        self.assertEqual({key: answer.message.get(key) for key in expected}, expected)
        self.assertEqual(answer.message["retryAfterSeconds"], 3)

    def test_a_raised_failure_of_an_item_alone_is_its_error(self):
        answer = self.ready().run_one(input="raise failure")
        self.assertEqual((answer.kind, answer.code, answer.message["retryable"]), ("error", "raised", False))

    def test_an_exception_of_an_item_alone_is_retryable_and_its_traceback_is_logged(self):
        answer = self.ready().run_one(input="explode")
        self.assertEqual((answer.code, answer.message["message"]), ("handler_error", "ValueError: boom"))
        self.assertTrue(answer.message["retryable"])
        self.assertIn("Traceback", answer.logs[0]["message"])
        self.assertEqual(answer.logs[0]["level"], "error")

    def test_an_exception_fails_a_batch_of_several_as_a_whole(self):
        runner = self.ready()
        answers, end = runner.run([runner.item(input=1), runner.item(input="explode")])
        self.assertEqual(answers, {})
        self.assertEqual((end["type"], end["code"], end["retryable"]), ("failed", "handler_error", True))

    def test_out_of_memory_has_a_code_of_its_own(self):
        self.assertEqual(self.ready().run_one(input="memory").code, "out_of_memory")

    def test_too_few_results_are_the_handlers_fault(self):
        answer = self.ready().run_one(input="short")
        self.assertEqual((answer.code, answer.message["retryable"]), ("handler_contract", False))

    def test_the_handler_goes_on_after_a_failure(self):
        runner = self.ready()
        runner.run_one(input="explode")
        self.assertEqual(runner.run_one(input="hello").json["echo"], "hello")

    def test_a_crash_closes_the_channels(self):
        runner = self.ready()
        with self.assertRaises(ConnectionError):
            runner.run_one(input="exit")
        self.assertEqual(runner.process.wait(10), 3)


class ControlChannel(ServingCase):
    def test_progress_carries_finite_metrics_and_a_ping_is_answered_while_working(self):
        runner = self.ready()
        runner.on_progress = lambda message: [
            runner.tell({"type": "ping", "seq": 41}),
            runner.tell({"type": "cancel", "item": message["item"]}),
        ]
        answer = runner.run_one(input="wait")
        self.assertEqual(answer.kind, "cancelled")
        first = answer.progress[0]
        self.assertEqual((first["done"], first["total"], first["unit"], first["message"]), (0, 10, "steps", "started"))
        self.assertEqual(first["metrics"], {"loss": 0.5})

    def test_a_cancel_that_overtakes_its_run_is_remembered(self):
        runner = self.ready()
        item = runner.item(input="wait")
        runner.tell({"type": "cancel", "item": item["item"], "reason": "timeout"})
        runner.tell({"type": "ping", "seq": 5})
        runner.expect("pong")
        answers, _ = runner.run([item])
        self.assertEqual(answers[item["item"]].kind, "cancelled")

    def test_stopping_one_item_of_a_batch_leaves_the_others_to_be_run_again(self):
        runner = self.ready()
        items = [runner.item(input="check second"), runner.item(input=2)]
        runner.tell({"type": "cancel", "item": items[1]["item"], "reason": "lost"})
        runner.tell({"type": "ping", "seq": 5})
        runner.expect("pong")
        answers, end = runner.run(items)
        self.assertEqual({key: answer.kind for key, answer in answers.items()}, {items[1]["item"]: "cancelled"})
        self.assertEqual((end["type"], end["code"], end["retryable"]), ("failed", "batch_interrupted", True))

    def test_logs_and_noise_do_not_disturb(self):
        runner = self.ready()
        answer = runner.run_one(input="log")
        self.assertEqual([(line["level"], line["message"]) for line in answer.logs], [("warning", "careful")])
        self.assertEqual(answer.kind, "result")
        self.assertEqual(runner.noise, "noise on standard output\nmore noise\n")


class Checkpoints(ServingCase):
    def test_a_checkpoint_is_waited_for(self):
        runner = self.ready()
        contents = []
        runner.on_checkpoint = lambda message: contents.append(Path(message["path"]).read_bytes()) or {"ok": True}
        answer = runner.run_one(input="checkpoint")
        self.assertEqual(answer.json, {"stored": True, "from": None})
        self.assertEqual(contents, [b"state"])
        self.assertEqual(runner.checkpoints[0]["position"], {"step": 1})

    def test_an_earlier_checkpoint_is_handed_in(self):
        runner = self.ready()
        answer = runner.run_one(input="checkpoint", checkpoint={"path": "/nowhere", "position": {"step": 9}})
        self.assertEqual(answer.json["from"], {"step": 9})

    def test_a_refused_checkpoint_is_a_warning_not_a_failure(self):
        runner = self.ready()
        runner.on_checkpoint = lambda message: {"ok": False, "message": "disk full"}
        answer = runner.run_one(input="checkpoint")
        self.assertFalse(answer.json["stored"])
        self.assertIn("disk full", answer.logs[0]["message"])

    def test_a_lost_lease_ends_the_wait(self):
        runner = self.ready()
        runner.on_checkpoint = lambda message: runner.tell(
            {"type": "cancel", "item": message["item"], "reason": "lost"}
        )
        self.assertEqual(runner.run_one(input="checkpoint").kind, "cancelled")

    def test_draining_leaves_time_for_a_last_checkpoint(self):
        runner = self.ready()
        runner.on_progress = lambda message: runner.tell(
            {"type": "cancel", "item": message["item"], "reason": "draining"}
        )
        self.assertEqual(runner.run_one(input="drain").kind, "cancelled")
        self.assertEqual(runner.checkpoints[0]["position"], {"reason": "draining"})


if __name__ == "__main__":
    unittest.main()
