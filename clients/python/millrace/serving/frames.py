"""Frames: a 4-byte big-endian length and that many bytes of UTF-8 JSON, one object with a ``type``."""

import json
import socket
import struct
from typing import Any, Dict, Optional

FRAME_BYTES_MAX = 1_048_576

_LENGTH = struct.Struct(">I")


class ProtocolError(Exception):
    """The peer sent something that is not a frame, or we tried to."""


def encode(message: Dict[str, Any]) -> bytes:
    """The frame of a message. Raises ``ProtocolError`` when it is too long, ``ValueError`` when it is not JSON."""
    body = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    if len(body) > FRAME_BYTES_MAX:
        raise ProtocolError(f"a frame of {len(body)} bytes is over the limit of {FRAME_BYTES_MAX}")
    return _LENGTH.pack(len(body)) + body


def send(connection: socket.socket, message: Dict[str, Any]) -> None:
    connection.sendall(encode(message))


def receive(connection: socket.socket) -> Optional[Dict[str, Any]]:
    """The next message, or None when the peer closed the channel between two frames."""
    header = _read(connection, _LENGTH.size)
    if header is None:
        return None
    (length,) = _LENGTH.unpack(header)
    if not 1 <= length <= FRAME_BYTES_MAX:
        raise ProtocolError(f"a frame says it has {length} bytes")
    body = _read(connection, length)
    if body is None:
        raise ProtocolError("the channel closed inside a frame")
    return _decode(body)


def _decode(body: bytes) -> Dict[str, Any]:
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ProtocolError(f"a frame is not JSON: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("a frame is not an object with a type")
    return message


def _read(connection: socket.socket, count: int) -> Optional[bytes]:
    """Exactly ``count`` bytes; None when the channel ends before the first of them."""
    received = bytearray()
    while len(received) < count:
        try:
            part = connection.recv(min(count - len(received), 1 << 16))
        except ConnectionResetError:
            part = b""
        if not part:
            if received:
                raise ProtocolError("the channel closed inside a frame")
            return None
        received += part
    return bytes(received)
