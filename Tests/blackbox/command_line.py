"""The command line against a real server: data on standard output, words on standard error, exit codes; and the reference pages
that are made from the code are those in docs/."""

import json
import subprocess

from _millrace import BINARY, DATA, ROOT, Server, wait_until


def run(*arguments, status=0, **environment):
    done = subprocess.run([BINARY, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, env=environment or None, timeout=120)
    assert done.returncode == status, f"{arguments}: status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}"
    return done


def client_commands(server):
    own = {"MILLRACE_SERVER": f"http://127.0.0.1:{server.port}", "MILLRACE_DATA": str(server.data), "PATH": "/usr/bin:/bin"}
    answer = json.loads(run("submit", "classify", DATA / "photos/coffee.png", "--param", "topK=1", "--wait", **own).stdout)
    assert answer["images"][0]["classes"][0]["label"] == "espresso", answer
    identifier = run("submit", "train", "--param", "epochs=100", **own).stdout.strip()
    assert server.job(identifier)["endpoint"] == "train"
    wait_until(lambda: server.job(identifier)["state"] == "running", 60, "the training runs", server)
    run("jobs", "cancel", identifier, **own)
    wait_until(lambda: server.job(identifier)["state"] == "cancelled", 20, "the training is cancelled", server)
    listed = json.loads(run("jobs", "list", "--json", **own).stdout)
    assert identifier in json.dumps(listed)
    missing = run("submit", "clasify", DATA / "photos/coffee.png", status=4, **own)
    assert 'did you mean "classify"?' in missing.stderr and missing.stdout == ""
    run("jobs", "list", status=5, **{**own, "MILLRACE_API_KEY": "mr_wrong_key"})
    unreachable = run("jobs", "list", status=3, **{**own, "MILLRACE_SERVER": "http://127.0.0.1:9"})
    assert "millrace serve" in unreachable.stderr, unreachable.stderr


def keys(server):
    own = {"PATH": "/usr/bin:/bin"}
    key = run("keys", "create", "--name", "second", "--data", server.data, **own).stdout.strip()
    assert server.call("GET", "/v1/jobs", key=key)[0] == 200, "a new key works at once"
    rows = json.loads(run("keys", "list", "--json", "--data", server.data, **own).stdout)
    assert {row["name"] for row in rows} == {"first start", "second"} and key not in json.dumps(rows)
    run("keys", "revoke", next(row["id"] for row in rows if row["name"] == "second"), "--data", server.data, **own)
    wait_until(lambda: server.call("GET", "/v1/jobs", key=key)[0] == 401, 30, "the revoked key is refused", server)


def refusals(server):
    own = {"PATH": "/usr/bin:/bin"}
    second = run("serve", "--data", server.data, "--port", "0", status=1, **own)
    assert "another Millrace server" in second.stderr, second.stderr
    public = run("serve", "--host", "0.0.0.0", "--port", "0", "--data", server.folder / "public", status=1, **own)
    assert "no API key yet" in public.stderr and "keys create" in public.stderr, public.stderr
    faulty = run("serve", status=1, **{**own, "MILLRACE_PROT": "1", "MILLRACE_AUTH": "maybe"})
    assert "MILLRACE_PORT" in faulty.stderr and "MILLRACE_AUTH" in faulty.stderr, faulty.stderr
    assert run("doctor", **own).stdout.count("ok ") > 5


def references():
    for page in ("settings", "errors"):
        made = run("docs", page, PATH="/usr/bin:/bin").stdout
        assert made == (ROOT / f"docs/reference/{page}.md").read_text(), f"docs/reference/{page}.md is stale: millrace docs {page}"


def main():
    references()
    with Server() as server:
        client_commands(server)
        keys(server)
        refusals(server)


main()
