"""Frames, without a process."""

import socket
import struct
import unittest

from millrace.serving import frames


class Frames(unittest.TestCase):
    def setUp(self):
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.theirs.close)

    def test_a_message_survives_the_way(self):
        message = {"type": "log", "message": "größer → 日本語", "n": 1.5, "none": None}
        frames.send(self.ours, message)
        self.assertEqual(frames.receive(self.theirs), message)

    def test_a_channel_closed_between_frames_is_the_end(self):
        self.ours.close()
        self.assertIsNone(frames.receive(self.theirs))

    def test_a_channel_closed_inside_a_frame_is_an_error(self):
        self.ours.sendall(struct.pack(">I", 10) + b"{")
        self.ours.close()
        with self.assertRaises(frames.ProtocolError):
            frames.receive(self.theirs)

    def test_lengths_out_of_bounds_are_refused_both_ways(self):
        for length in (0, frames.FRAME_BYTES_MAX + 1):
            self.ours.sendall(struct.pack(">I", length))
            with self.assertRaises(frames.ProtocolError):
                frames.receive(self.theirs)
        with self.assertRaises(frames.ProtocolError):
            frames.encode({"type": "log", "message": "x" * frames.FRAME_BYTES_MAX})

    def test_what_is_not_an_object_with_a_type_is_refused(self):
        for body in (b"[]", b'{"type":1}', b"nonsense", b"\xff"):
            self.ours.sendall(struct.pack(">I", len(body)) + body)
            with self.assertRaises(frames.ProtocolError):
                frames.receive(self.theirs)


if __name__ == "__main__":
    unittest.main()
