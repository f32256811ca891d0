import time

from millrace import handler


@handler(batch_max=16)
def echo(batch):
    time.sleep(max(item.parameters["seconds"] for item in batch))
    return [item.input if item.input is not None else {"text": item.files[0].path.read_text("utf-8")} for item in batch]


if __name__ == "__main__":
    echo.serve()
