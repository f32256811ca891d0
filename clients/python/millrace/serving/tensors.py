"""Arrays in memory that the handler and its runner share: images that come, tensors that go. NumPy is welcome, not needed."""

import mmap
import os
import struct
from typing import Any, Dict, List, Optional, Sequence, Tuple

#: The protocol's name of each element type, NumPy's, and `memoryview`'s.
_TYPES = {
    "bool": ("|b1", "?"),
    "uint8": ("|u1", "B"),
    "uint16": ("<u2", "H"),
    "uint32": ("<u4", "I"),
    "uint64": ("<u8", "Q"),
    "int8": ("|i1", "b"),
    "int16": ("<i2", "h"),
    "int32": ("<i4", "i"),
    "int64": ("<i8", "q"),
    "float16": ("<f2", "e"),
    "float32": ("<f4", "f"),
    "float64": ("<f8", "d"),
}
_BY_FORMAT = {format: name for name, (_, format) in _TYPES.items()} | {"l": "int64", "L": "uint64", "c": "uint8"}
_ALIGNMENT = 64
_SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8  # F_ADD_SEALS: seal, shrink, grow, write

MEDIA_TYPE = "application/x-npy"


class Image:
    """An upright photo in red, green and blue: ``shape`` is ``(height, width, 3)``, a byte for each.

    ``numpy.asarray(image)`` and ``numpy.stack([item.image, ...])`` work; the former copies nothing. ``memory`` is the same as a
    ``memoryview``. It may be written to, which nobody else sees.
    """

    def __init__(self, shape: Sequence[int], memory: memoryview):
        self.shape: Tuple[int, ...] = tuple(shape)
        #: The same as one row of bytes, for `torch.frombuffer` and its like.
        self.pixels = memory
        self.memory = memory.cast("B", list(self.shape))

    @property
    def height(self) -> int:
        return self.shape[0]

    @property
    def width(self) -> int:
        return self.shape[1]

    @property
    def __array_interface__(self) -> Dict[str, Any]:
        return {"version": 3, "shape": self.shape, "typestr": "|u1", "data": self.pixels}

    def numpy(self) -> Any:
        """As a NumPy array of ``uint8``, without a copy."""
        import numpy

        return numpy.asarray(self)


class Tensor:
    """An array of the result, which becomes the output ``NAME.npy``: NumPy's format, read by ``numpy.load``.

    ``content`` is a NumPy array, or anything else with the buffer protocol; bytes need ``shape`` and ``datatype``.
    """

    def __init__(self, content: Any, name: str, shape: Optional[Sequence[int]] = None, datatype: Optional[str] = None):
        view, found = _view(content)
        self.name = name
        self.datatype = datatype or found
        self.shape: Tuple[int, ...] = tuple(view.shape if shape is None else shape)
        self.bytes = view.tobytes() if not view.c_contiguous else view.cast("B") if view.nbytes else b""
        if self.datatype not in _TYPES:
            raise ValueError(f"a tensor has no elements of type {self.datatype}; known are {', '.join(_TYPES)}")
        count = 1
        for length in self.shape:
            count *= length
        if count * struct.calcsize(_TYPES[self.datatype][1]) != len(self.bytes):
            raise ValueError(f"{len(self.bytes)} bytes do not fit {self.datatype} {list(self.shape)}")

    def file(self) -> bytes:
        """The content of the ``.npy`` file."""
        return npy_header(self.datatype, self.shape) + bytes(self.bytes)


def _view(content: Any) -> "Tuple[memoryview, Optional[str]]":
    try:
        view = memoryview(content)
    except (TypeError, ValueError):
        raise TypeError(f"a tensor is made of an array, not of a {type(content).__name__}") from None
    return view, _BY_FORMAT.get(view.format.lstrip("<=@|"))


def npy_header(datatype: str, shape: Sequence[int]) -> bytes:
    """What stands in front of the bytes. Source: NumPy, ``numpy/lib/format.py``, version 1.0."""
    lengths = "".join(f"{length}, " for length in shape)
    lengths = lengths if len(shape) == 1 else lengths.rstrip(", ")
    text = f"{{'descr': '{_TYPES[datatype][0]}', 'fortran_order': False, 'shape': ({lengths.strip()}), }}"
    padding = -(10 + len(text) + 1) % _ALIGNMENT
    text += " " * padding + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def is_supported() -> bool:
    return hasattr(os, "memfd_create")


def opened(entry: Dict[str, Any]) -> Image:
    """An image that the runner shares. What is read stays in its memory: nothing is copied."""
    if entry["datatype"] != "uint8" or len(entry["shape"]) != 3:
        raise ValueError(f"an image is uint8 [height, width, 3], not {entry['datatype']} {entry['shape']}")
    descriptor = os.open(entry["path"], os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = mmap.mmap(descriptor, 0, access=mmap.ACCESS_COPY)
    finally:
        os.close(descriptor)
    return Image(entry["shape"], memoryview(content)[entry["offset"] : entry["offset"] + entry["bytes"]])


def share(tensors: Sequence[Tensor]) -> "Tuple[int, List[Dict[str, Any]]]":
    """Puts tensors into one sealed memory file: its descriptor, to be kept until the runner has them, and the protocol's entries."""
    import fcntl

    descriptor = os.memfd_create("millrace", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        entries, end = [], 0
        for tensor in tensors:
            end += -end % _ALIGNMENT
            entries.append(
                {
                    "name": tensor.name,
                    "datatype": tensor.datatype,
                    "shape": list(tensor.shape),
                    "path": f"/proc/{os.getpid()}/fd/{descriptor}",
                    "offset": end,
                    "bytes": len(tensor.bytes),
                }
            )
            _write(descriptor, tensor.bytes, end)
            end += len(tensor.bytes)
        os.ftruncate(descriptor, end)
        fcntl.fcntl(descriptor, *_SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, entries


def _write(descriptor: int, content: Any, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
