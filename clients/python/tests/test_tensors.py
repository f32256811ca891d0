"""Images that come and tensors that go through shared memory."""

import array
import os
import struct
import unittest

from millrace import Tensor
from millrace.serving import tensors

from .test_serving import ServingCase


class Given(ServingCase):
    def share(self, content, shape):
        descriptor, entries = tensors.share([Tensor(content, "image", shape, "uint8")])
        self.addCleanup(os.close, descriptor)
        return descriptor, entries[0]

    def test_an_image_comes_without_a_copy_and_what_the_handler_writes_is_its_own(self):
        runner = self.ready()
        descriptor, entry = self.share(bytes(range(6)), (1, 2, 3))
        file = {"name": "file", "filename": "a.png", "path": "/nowhere", "mediaType": "image/png", "bytes": 1, "image": entry}
        answer = runner.run_one(files=[file], input="image")
        self.assertEqual(answer.json, {"shape": [1, 2, 3], "bytes": "090102030405", "filename": "a.png"})
        self.assertEqual(os.pread(descriptor, 6, 0), bytes(range(6)))

    def test_a_file_that_was_not_decoded_has_no_image_and_says_what_to_do(self):
        answer = self.ready().run_one(files=[__file__], input="image")
        self.assertEqual(answer.code, "handler_error")
        self.assertIn("decode: image", answer.message["message"])


class Gone(ServingCase):
    def test_tensors_go_through_one_sealed_memory_file(self):
        answer = self.ready().run_one(input="tensor")
        first, second = answer.message["tensors"]
        self.assertEqual(first["path"], second["path"])
        self.assertEqual((first["datatype"], first["shape"], second["shape"]), ("float32", [2], [2, 3]))
        self.assertEqual(struct.unpack("<2f", answer.tensor("pair")), (1.5, -2.0))
        self.assertEqual(answer.tensor("grid"), b"abcdef")

    def test_their_memory_goes_when_the_runner_has_them(self):
        runner = self.ready()
        path = runner.run_one(input="tensor").message["tensors"][0]["path"]
        self.assertTrue(os.path.exists(path))
        runner.tell({"type": "ping", "seq": 1, "batch": 1})
        runner.expect("pong")
        self.assertFalse(os.path.exists(path))

    def test_their_memory_goes_with_the_next_batch_if_the_runner_does_not_say_so(self):
        runner = self.ready()
        path = runner.run_one(input="tensor").message["tensors"][0]["path"]
        runner.run([runner.item(input="log")], batch=2)
        self.assertFalse(os.path.exists(path))

    def test_they_are_files_for_a_runner_that_takes_none(self):
        runner = self.start(MILLRACE_HANDLER_FEATURES="")
        runner.wait_ready()
        answer = runner.run_one(input="tensor")
        self.assertNotIn("tensors", answer.message)
        self.assertEqual(answer.output("grid.npy"), Tensor(b"abcdef", "grid", (2, 3), "uint8").file())

    def test_one_whose_bytes_do_not_fit_fails_its_item(self):
        answer = self.ready().run_one(input="unfit tensor")
        self.assertEqual((answer.code, answer.message["message"]), ("handler_error", "ValueError: 3 bytes do not fit uint8 [2, 3]"))


class Arrays(unittest.TestCase):
    def test_are_what_numpy_writes(self):
        try:
            import io

            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        shapes = [(), (3,), (2, 3), (0, 4), (2, 1, 2)]
        for name in ("bool", "uint8", "int16", "float16", "float32", "float64", "int64", "uint32"):
            for shape in shapes:
                original = numpy.arange(numpy.prod(shape, dtype=int)).astype(name).reshape(shape)
                stored = numpy.load(io.BytesIO(Tensor(original, "x").file()))
                self.assertEqual((stored.dtype, stored.shape), (original.dtype, original.shape))
                self.assertTrue((stored == original).all())
        turned = numpy.arange(6, dtype="float32").reshape(2, 3).T
        self.assertTrue((numpy.load(io.BytesIO(Tensor(turned, "x").file())) == turned).all())

    def test_are_seen_by_numpy_without_a_copy(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("no NumPy")
        descriptor, entries = tensors.share([Tensor(bytes(range(24)), "image", (2, 4, 3), "uint8")])
        self.addCleanup(os.close, descriptor)
        image = tensors.opened(entries[0])
        pixels = image.numpy()
        pixels[1, 3, 2] = 200
        self.assertEqual(image.memory[1, 3, 2], 200)
        self.assertEqual(numpy.stack([image, image]).shape, (2, 2, 4, 3))

    def test_of_other_things_are_refused(self):
        with self.assertRaisesRegex(TypeError, "not of a list"):
            Tensor([1, 2], "x")
        with self.assertRaisesRegex(ValueError, "no elements of type text"):
            Tensor(b"abc", "x", (3,), "text")
        self.assertEqual(Tensor(array.array("q", [1]), "x").datatype, "int64")


if __name__ == "__main__":
    unittest.main()
