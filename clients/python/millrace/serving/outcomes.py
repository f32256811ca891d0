"""What a handler gives back for an item."""

import json
import mimetypes
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from . import tensors
from .tensors import Tensor

#: A JSON result over this many bytes travels as a file, well below the limit of a frame.
JSON_INLINE_BYTES_MAX = 512 * 1024

#: Where the shim puts files of its own inside an item's working directory.
SPILL_DIRECTORY = ".millrace"

NOTHING = object()


class Failure(Exception):
    """This item failed, and why. Return it or raise it.

    ``code`` is for programs (``snake_case``), ``message`` says what is wrong, ``hint`` what the caller can do about it.
    ``retryable`` asks for another attempt, at the earliest after ``retry_after`` seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: Optional[str] = None,
        retryable: bool = False,
        retry_after: Optional[float] = None,
    ):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint
        self.retryable = retryable
        self.retry_after = retry_after


class Output:
    """A file of the result: a path, or the bytes themselves.

    Files should be written into ``item.workdir``; one from elsewhere is copied there.
    """

    def __init__(self, content: Union[str, Path, bytes], media_type: Optional[str] = None, name: Optional[str] = None):
        self.data = bytes(content) if isinstance(content, (bytes, bytearray, memoryview)) else None
        self.path = None if self.data is not None else Path(content)
        if name is None and self.path is None:
            raise ValueError("an Output made of bytes needs a name")
        self.name = name or self.path.name
        self.media_type = media_type or mimetypes.guess_type(self.name)[0] or "application/octet-stream"


@dataclass
class Result:
    """A JSON value together with files and tensors. Without ``json`` the first file is the primary result, or the first tensor."""

    json: Any = NOTHING
    outputs: List[Union[Output, Tensor]] = field(default_factory=list)


#: Puts tensors where the runner finds them, and says where.
Share = Callable[[Sequence[Tensor]], List[Dict[str, Any]]]


def answer(value: Any, workdir: Path, share: Optional[Share] = None) -> Dict[str, Any]:
    """The protocol's fields (``json``, ``outputs``, ``tensors``) for whatever a handler returned.

    Without ``share``, tensors become files. Raises ``TypeError`` or ``ValueError`` for values that JSON cannot carry (NaN included).
    """
    result = _as_result(value)
    _check_names(result)
    files = [output for output in result.outputs if isinstance(output, Output)]
    arrays = [output for output in result.outputs if isinstance(output, Tensor)]
    if share is None:
        files += [Output(array.file(), tensors.MEDIA_TYPE, array.name + ".npy") for array in arrays]
    fields: Dict[str, Any] = {"outputs": [_place(output, workdir) for output in files]}
    if arrays and share is not None:
        fields["tensors"] = share(arrays)
    if result.json is NOTHING:
        return fields
    encoded = json.dumps(result.json, ensure_ascii=False, allow_nan=False, default=_plain).encode("utf-8", "replace")
    if len(encoded) > JSON_INLINE_BYTES_MAX:
        fields["outputs"].insert(0, _place(Output(encoded, "application/json", "result.json"), workdir))
    else:
        fields["json"] = json.loads(encoded)
    return fields


def _as_result(value: Any) -> Result:
    if isinstance(value, Result):
        return value
    if isinstance(value, (Output, Tensor)):
        return Result(outputs=[value])
    if isinstance(value, (list, tuple)) and value and all(isinstance(part, (Output, Tensor)) for part in value):
        return Result(outputs=list(value))
    return Result(json=value)


def _check_names(result: Result) -> None:
    """Every output of a job has a name of its own, and a JSON result is called ``result.json``."""
    names = [output.name + (".npy" if isinstance(output, Tensor) else "") for output in result.outputs]
    names += [] if result.json is NOTHING else ["result.json"]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two outputs are called {name}")


def _place(output: Output, workdir: Path) -> Dict[str, Any]:
    """The output as a file under the working directory."""
    path = output.path
    if path is None or not _is_within(path, workdir):
        path = _spill_path(workdir, output.name)
        if output.data is not None:
            path.write_bytes(output.data)
        else:
            shutil.copyfile(output.path, path)
    elif not path.is_file():
        raise FileNotFoundError(f"the output {output.name} was not written: {path}")
    return {"name": output.name, "path": str(path.resolve()), "mediaType": output.media_type}


def _spill_path(workdir: Path, name: str) -> Path:
    directory = workdir / SPILL_DIRECTORY
    directory.mkdir(exist_ok=True)
    taken = sum(1 for _ in directory.iterdir())
    return directory / f"{taken}-{Path(name).name}"


def _is_within(path: Path, directory: Path) -> bool:
    return directory.resolve() in path.resolve().parents


def _plain(value: Any) -> Any:
    """NumPy arrays and scalars, without importing NumPy."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a result holds a {type(value).__name__}, which is not JSON")
