"""A handler without the shim, which breaks one rule of the protocol: the one its first item's input names."""

import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time


def connect():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(os.environ["MILLRACE_HANDLER_SOCKET"])
    return connection


def send(connection, **message):
    raw(connection, json.dumps(message).encode())


def raw(connection, body, length=None):
    connection.sendall(struct.pack(">I", len(body) if length is None else length) + body)


def receive(connection):
    header = connection.recv(4, socket.MSG_WAITALL)
    if len(header) < 4:
        os._exit(70)
    return json.loads(connection.recv(struct.unpack(">I", header)[0], socket.MSG_WAITALL))


control, work = connect(), None
mode = sys.argv[1] if len(sys.argv) > 1 else ""
stop = threading.Event()


def listen():
    while True:
        message = receive(control)
        if message["type"] == "ping" and mode != "deaf":
            send(control, type="pong", seq=message["seq"])
        if message["type"] == "shutdown" and mode != "stubborn":
            os._exit(0)
        if message["type"] == "cancel":
            send(control, type="log", level="info", message="asked to stop " + str(message["item"]))


def die_at_start():
    print("about to die", flush=True)
    sys.stderr.write("Traceback: no weights\n")
    sys.stderr.flush()
    os._exit(3)


def child_and_die(item):
    """Leaves a grandchild behind that holds standard error."""
    grandchild = subprocess.Popen(["sleep", "1000"])
    send(control, type="log", item=item["item"], level="info", message=str(grandchild.pid))
    sys.stderr.write("last words\n")
    os._exit(9)


def tensor(batch, number, order):
    """Hands over four bytes in one of the ways that must not be."""
    name = f"peer-{os.getpid()}"
    memory = os.memfd_create(name, os.MFD_ALLOW_SEALING)
    os.write(memory, b"abcd")
    if order != "unsealed":
        fcntl.fcntl(memory, 1033, 2 | 4 | 8)
    entry = {"name": "t", "datatype": "uint8", "shape": [4], "path": f"/proc/{os.getpid()}/fd/{memory}", "offset": 0, "bytes": 4}
    changes = {
        "too long": {"shape": [5], "bytes": 5},
        "unfit": {"shape": [2]},
        "negative": {"shape": [-2, -2]},
        "huge": {"shape": [1 << 40, 1 << 40]},
        "a gigabyte": {"shape": [(1 << 30) + 1], "bytes": (1 << 30) + 1},
        "elsewhere": {"path": "/etc/hostname"},
        "closed": {"path": f"/proc/{os.getpid()}/fd/999"},
        "name": {"name": "../t"},
    }
    send(work, type="result", batch=batch, item=number, tensors=[{**entry, **changes.get(order, {})}])
    if order == "then die":
        # By a name of its own: the same tests read other handlers' memory at the same time.
        while f"/memfd:{name} (deleted)" not in open_files(os.getppid()):
            time.sleep(0.001)
        os._exit(0)


def open_files(process):
    targets = []
    for name in os.listdir(f"/proc/{process}/fd"):
        try:
            targets.append(os.readlink(f"/proc/{process}/fd/{name}"))
        except OSError:
            pass
    return targets


def answer(batch, item, order):
    number = item["item"]
    workdir = item["workdir"]

    def output(path, name="out.txt", media="text/plain"):
        outputs = [{"name": name, "path": path, "mediaType": media}]
        send(work, type="result", batch=batch, item=number, outputs=outputs)

    if order == "exit":
        sys.stderr.write("it hurts\n")
        os._exit(5)
    elif order == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif order == "leave child":
        child_and_die(item)
    elif order == "twice":
        send(work, type="result", batch=batch, item=number, json=1)
        send(work, type="result", batch=batch, item=number, json=2)
    elif order == "stop unasked":
        send(work, type="cancelled", batch=batch, item=number)
    elif order == "stranger":
        send(work, type="result", batch=batch, item=number + 1000, json=1)
    elif order == "old batch":
        send(work, type="result", batch=batch + 7, item=number, json=1)
    elif order == "oversized":
        raw(work, b"", length=(1 << 20) + 1)
    elif order == "not json":
        raw(work, b"{nonsense")
    elif order == "unknown type":
        send(work, type="sing", batch=batch)
    elif order == "early done":
        send(work, type="done", batch=batch)
    elif order == "escape":
        output("/etc/hostname")
    elif order == "dots":
        output(workdir + "/../../../../../../etc/hostname")
    elif order == "symlink":
        os.symlink("/etc/hostname", workdir + "/link")
        output(workdir + "/link")
    elif order == "directory":
        os.mkdir(workdir + "/sub")
        output(workdir + "/sub")
    elif order == "missing":
        output(workdir + "/nothing")
    elif order == "bad name":
        open(workdir + "/x", "w").close()
        output(workdir + "/x", name="../x")
    elif order.startswith("tensor "):
        tensor(batch, number, order.removeprefix("tensor "))
    elif order == "good":
        with open(workdir + "/x", "w") as file:
            file.write("x")
        output(workdir + "/x")
    elif order == "hang":
        send(control, type="progress", item=number, done=0, message="hanging")
        stop.wait()
    elif order == "ignore SIGTERM":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send(control, type="progress", item=number, done=0, message="hanging")
        while True:
            signal.pause()
    elif order == "noise":
        sys.stdout.buffer.write(b"caf\xe9\nx" + b"y" * 10000 + b"\n\rold\rnew\nno end")
        sys.stdout.flush()
        os._exit(0)
    elif order == "descriptors":
        names = sorted(os.listdir("/proc/self/fd"), key=int)
        targets = []
        for name in names:
            try:
                targets.append(os.readlink("/proc/self/fd/" + name))
            except OSError:
                pass
        send(work, type="result", batch=batch, item=number, json=targets)
    elif order == "environment":
        send(work, type="result", batch=batch, item=number, json=dict(os.environ))
    elif order == "fail batch":
        send(work, type="failed", batch=batch, code="boom", message="all of it", retryable=False)
        return False
    elif order == "fail memory":
        send(work, type="failed", batch=batch, code="out_of_memory", message="no room", retryable=True)
        return False
    else:
        send(work, type="result", batch=batch, item=number, json={"echo": order})
    return True


def main():
    global work, mode
    send(control, type="hello", channel="control", protocol=2 if mode == "version" else 1, pid=os.getpid())
    if mode == "die":
        die_at_start()
    if mode == "silent":
        stop.wait()
    if mode == "slow":
        print("waiting for " + sys.argv[2], flush=True)
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.01)
    if mode == "fatal":
        send(control, type="fatal", message="no such file: weights.bin")
        os._exit(1)
    threading.Thread(target=listen, daemon=True).start()
    work = connect()
    if mode == "deaf once":
        # The first of them never answers; the next one finds the mark and does.
        if os.path.exists(sys.argv[2]):
            mode = ""
        else:
            open(sys.argv[2], "w").close()
            mode = "deaf"
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    send(control, type="ready", batchMax=3)  # in front of the work channel's hello, which is allowed
    send(work, type="hello", channel="work")
    while True:
        message = receive(work)
        going = True
        for item in message["items"]:
            going = going and answer(message["batch"], item, item["input"])
        if going:
            send(work, type="done", batch=message["batch"])


main()
