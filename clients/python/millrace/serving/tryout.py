"""Runs a handler on one item by hand: ``python handler.py report.pdf --set dpi=200``. No Millrace needed."""

import argparse
import inspect
import json
import mimetypes
import sys
import tempfile
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from . import tensors
from .item import Item
from .outcomes import Failure, answer


def try_out(handler: Any) -> None:
    options = _parse()
    if handler.setup is not None:
        handler.setup()
    workdir = Path(options.out or tempfile.mkdtemp(prefix="millrace-"))
    workdir.mkdir(parents=True, exist_ok=True)
    item = Item(_message(options, workdir), _Terminal(), alone=True)
    try:
        outcome = _first_outcome(handler([item]))
    except Failure as failure:
        outcome = failure
    if isinstance(outcome, Failure):
        sys.exit(f"{outcome.code}: {outcome.message}" + (f"\nhint: {outcome.hint}" if outcome.hint else ""))
    fields = answer(outcome, workdir)
    if "json" in fields:
        print(json.dumps(fields["json"], ensure_ascii=False, indent=2))
    for output in fields["outputs"]:
        print(output["path"], file=sys.stderr)


class _Terminal:
    """In place of the connection to a runner."""

    def send(self, message: Dict[str, Any]) -> None:
        shown = {key: value for key, value in message.items() if key not in ("type", "item")}
        print(f"{message['type']}: {json.dumps(shown, ensure_ascii=False)}", file=sys.stderr)

    def store_checkpoint(self, item: Item, path: Path, position: Any) -> Optional[str]:
        return None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Runs this model on one item, without Millrace.")
    parser.add_argument("files", nargs="*", type=Path, help="input files")
    parser.add_argument("--input", type=json.loads, help="inline JSON input")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter")
    parser.add_argument("--out", help="directory for output files (default: a new temporary one)")
    return parser.parse_args()


def _message(options: argparse.Namespace, workdir: Path) -> Dict[str, Any]:
    files = [_file_entry(path) for path in options.files]
    parameters = dict(_parameter(text) for text in options.set)
    return {"item": 1, "parameters": parameters, "input": options.input, "files": files, "workdir": str(workdir)}


def _file_entry(path: Path) -> Dict[str, Any]:
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    entry = {"name": "file", "filename": path.name, "path": str(path.resolve()), "mediaType": media_type}
    return {**entry, "bytes": path.stat().st_size, **_decoded(path, media_type)}


def _decoded(path: Path, media_type: str) -> Dict[str, Any]:
    """The image as Millrace would share it, if Pillow is there to read it. The memory goes with this process."""
    if not media_type.startswith("image/") or not tensors.is_supported():
        return {}
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return {}
    with Image.open(path) as photo:
        upright = ImageOps.exif_transpose(photo).convert("RGB")
    shape = (upright.height, upright.width, 3)
    _, entries = tensors.share([tensors.Tensor(upright.tobytes(), "image", shape, "uint8")])
    return {"image": entries[0]}


def _parameter(text: str) -> Tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _first_outcome(outcomes: Any) -> Any:
    if inspect.isgenerator(outcomes):
        return next(iter(outcomes))[1]
    return outcomes[0] if isinstance(outcomes, (list, tuple)) else outcomes
