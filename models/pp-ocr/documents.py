"""The pages of a job: of all its files, in order, none decoded before its turn."""

from millrace import Failure

import limits
from images import image_pages
from pdf import pdf_pages

_OPENERS = {
    "application/pdf": pdf_pages,
    "image/png": image_pages,
    "image/jpeg": image_pages,
    "image/tiff": image_pages,
    "image/webp": image_pages,
}


def open_all(files, parameters, workdir, check):
    """Every page that was asked for. ``check`` is called meanwhile and may raise to stop it.

    Raises ``Failure`` for documents that cannot, or must not, be read.
    """
    if not files:
        raise Failure("input_missing", "the job has no file", hint="Send a PDF or an image as the form field file.")
    pages = []
    for file in files:
        pages += _open(file, parameters, workdir, check)
        limits.check_pages(len(pages), len(pages))
    return pages


def _open(file, parameters, workdir, check):
    if file.bytes == 0:
        raise Failure("empty_document", f"{file.filename} is empty", hint="The upload carried no bytes.")
    opener = _OPENERS.get(file.media_type)
    if opener is None:
        accepted = ", ".join(sorted(_OPENERS))
        raise Failure("media_type_unsupported", f"{file.filename} is {file.media_type}", hint=f"Send {accepted}.")
    return opener(file, parameters, workdir, check)
