"""The trainer on Fashion-MNIST, where the data set is installed, and on small uploaded files.

Run with the interpreter that has the model's packages:  .venv/bin/python -m unittest discover -s models/fashion-trainer
"""

import gzip
import json
import shutil
import struct
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "clients" / "python"))
sys.path.insert(0, str(HERE))

import numpy  # noqa: E402
import onnxruntime  # noqa: E402

import dataset  # noqa: E402
from millrace.testing import FakeRunner  # noqa: E402

SHORT = {"epochs": 3, "trainSamples": 3000, "hiddenUnits": 64}


def idx(values):
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def numbers(answer):
    """The history without the times, which differ from run to run."""
    return [{k: v for k, v in record.items() if k != "seconds"} for record in answer.json["history"]]


class TrainerCase(unittest.TestCase):
    environment = {}

    @classmethod
    def setUpClass(cls):
        # One thread: with more, the sums of a matrix product could be added up in another order.
        environment = {"MILLRACE_THREADS": "1", **cls.environment}
        cls.runner = FakeRunner([sys.executable, "handler.py"], HERE, timeout=120, environment=environment)
        assert cls.runner.wait_ready()["type"] == "ready"

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.addCleanup(setattr, self.runner, "on_progress", lambda message: None)
        self.addCleanup(setattr, self.runner, "on_checkpoint", lambda message: {"ok": True})

    def uploads(self, train=400, test=100, test_labels=None):
        """Four small files: each class is a brighter gray than the one before."""
        files = []
        for name, count in (("train", train), ("t10k", test)):
            labels = numpy.arange(count, dtype=numpy.uint8) % 10
            images = numpy.repeat(labels * 25, 28 * 28).reshape(count, 28, 28).astype(numpy.uint8)
            files.append(self.file(f"{name}-images-idx3-ubyte.gz", gzip.compress(idx(images))))
            kept = labels if name == "train" or test_labels is None else labels[:test_labels]
            files.append(self.file(f"{name}-labels-idx1-ubyte", idx(kept)))
        return files

    def file(self, name, content):
        path = self.directory / name
        path.write_bytes(content)
        return path

    def onnx_accuracy(self, answer, images, labels):
        session = onnxruntime.InferenceSession(answer.output("model.onnx"), providers=["CPUExecutionProvider"])
        right = 0
        for start in range(0, len(labels), 500):
            batch = images[start : start + 500].reshape(-1, 1, 28, 28).astype(numpy.float32) / numpy.float32(255)
            (logits,) = session.run(["logits"], {"image": batch})
            right += int((logits.argmax(1) == labels[start : start + 500]).sum())
        return right / len(labels)


INSTALLED = (dataset.DIRECTORY / "train-images-idx3-ubyte.gz").is_file()


@unittest.skipUnless(INSTALLED, "dataset-fashion-mnist is not installed")
class FashionMNIST(TrainerCase):
    def test_two_epochs_reach_85_percent_and_the_onnx_model_agrees(self):
        answer = self.runner.run_one(parameters={"epochs": 2})
        data = dataset.load([], 60_000)
        accuracy = self.onnx_accuracy(answer, data.test_images, data.test_labels)
        print(f"test accuracy {answer.json['accuracy']:.4f}, in ONNX Runtime {accuracy:.4f}", file=sys.stderr)
        self.assertGreater(answer.json["accuracy"], 0.85)
        self.assertAlmostEqual(accuracy, answer.json["accuracy"], delta=0.0002)

    def test_the_result_has_metrics_a_manifest_and_progress_within_epochs(self):
        answer = self.runner.run_one(parameters=SHORT)
        self.assertEqual([record["epoch"] for record in answer.json["history"]], [1, 2, 3])
        self.assertEqual(json.loads(answer.output("metrics.json")), answer.json)
        self.assertIn(b"pipeline: tensors", answer.output("model.yaml"))
        last = answer.progress[-1]
        self.assertEqual((last["done"], last["total"], last["unit"]), (3, 3, "epochs"))
        self.assertEqual(last["metrics"]["accuracy"], answer.json["accuracy"])

    def test_a_resumed_run_gives_the_same_numbers_as_an_uninterrupted_one(self):
        whole = self.runner.run_one(parameters=SHORT)
        kept = self.directory / "checkpoint"

        def keep_first_and_stop(message):
            shutil.copyfile(message["path"], kept)
            self.runner.tell({"type": "cancel", "item": message["item"], "reason": "lost"})

        self.runner.on_checkpoint = keep_first_and_stop
        self.assertEqual(self.runner.run_one(parameters=SHORT).kind, "cancelled")
        self.runner.on_checkpoint = lambda message: {"ok": True}
        resumed = self.runner.run_one(parameters=SHORT, checkpoint={"path": str(kept), "position": {"epoch": 1}})
        self.assertEqual(numbers(resumed), numbers(whole))
        self.assertEqual(resumed.output("model.onnx"), whole.output("model.onnx"))

    def test_cancelling_stops_within_an_epoch(self):
        self.runner.on_progress = lambda message: self.runner.tell({"type": "cancel", "item": message["item"]})
        self.runner.checkpoints.clear()
        self.assertEqual(self.runner.run_one(parameters={"epochs": 50}).kind, "cancelled")
        self.assertEqual(self.runner.checkpoints, [])


class UploadedData(TrainerCase):
    environment = {"MILLRACE_FASHION_MNIST": "/nonexistent"}

    def refused(self, code, files=(), **parameters):
        answer = self.runner.run_one(files=list(files), parameters=parameters)
        self.assertEqual((answer.kind, answer.code), ("error", code), answer.message)
        self.assertTrue(answer.message["hint"])

    def test_uploaded_files_are_trained_on(self):
        parameters = {"epochs": 20, "hiddenLayers": 2, "batchSize": 20}
        answer = self.runner.run_one(files=self.uploads(), parameters=parameters)
        self.assertEqual(answer.kind, "result", answer.message)
        self.assertGreater(answer.json["accuracy"], 0.5)

    def test_a_missing_data_set_says_what_to_install(self):
        answer = self.runner.run_one()
        self.assertEqual(answer.code, "dataset_missing")
        self.assertIn("dataset-fashion-mnist", answer.message["hint"])

    def test_damaged_files_are_refused(self):
        files = self.uploads()
        files[0].write_bytes(files[0].read_bytes()[:40])
        self.refused("dataset_damaged", files)
        files[0].write_bytes(b"not IDX")
        self.refused("dataset_damaged", files)
        self.refused("dataset_damaged", self.uploads(test_labels=7))

    def test_parameters_out_of_range_are_refused(self):
        self.refused("parameter_invalid", epochs=0)
        self.refused("parameter_invalid", epochs=1.5)
        self.refused("parameter_invalid", learningRate="fast")

    def test_a_diverging_training_says_so(self):
        self.refused("training_diverged", self.uploads(), learningRate=10, hiddenLayers=4, epochs=30)

    def test_a_damaged_checkpoint_costs_the_epochs_in_it_and_not_the_job(self):
        for content in (b"junk", b"", b"PK\x03\x04cut off"):
            checkpoint = {"path": str(self.file("checkpoint", content)), "position": {"epoch": 1}}
            answer = self.runner.run_one(files=self.uploads(), parameters={"epochs": 2}, checkpoint=checkpoint)
            self.assertEqual(answer.kind, "result", answer.message)
            self.assertEqual([record["epoch"] for record in answer.json["history"]], [1, 2])
            warnings = [log["message"] for log in answer.logs if log["level"] == "warning"]
            self.assertEqual(len(warnings), 1, answer.logs)
            self.assertIn("starting afresh", warnings[0])


if __name__ == "__main__":
    unittest.main()
