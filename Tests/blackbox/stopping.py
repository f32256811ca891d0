"""A stop of the server in the middle of a training gives the job back, uncounted; the next server finishes it. And a model that
cannot be loaded is not started over and over, and says why."""

from _millrace import ROOT, Server, wait_until


def stop_in_the_middle():
    server = Server()
    config = server.folder / "millrace.yaml"
    config.write_text(f"endpoints: {{ train: {{ model: {ROOT}/models/fashion-trainer, scaling: {{ drain: 14s }} }} }}\n")
    server.config = str(config)
    server.environment["MILLRACE_PYTHON"] = str(ROOT / ".venv/bin/python")
    with server:
        job = server.submit_json("train", {"parameters": {"epochs": 8, "trainSamples": 60000}})["id"]
        wait_until(lambda: ((server.job(job).get("progress") or {}).get("done") or 0) > 1.2, 60, "the training is in its middle", server)
        server.stop()
        server.start()
        waiting = server.job(job)
        assert waiting["crashes"] == 0, f"a stop was counted as a crash: {waiting}"
        released = [data["reason"] for name, data in server.events_so_far(job) if name == "state" and "released" in data["reason"]]
        assert released, "the job was not given back"
        done = server.wait(job)
        assert done["crashes"] == 0 and done["attempt"] == 1, done
        print(f"released with: {released[0]}")


def broken_model():
    server = Server()
    model = server.folder / "broken"
    model.mkdir()
    (model / "model.yaml").write_text("name: broken\nrunner: process\ncommand: [\"/bin/sh\", \"-c\", \"echo no weights here >&2; exit 1\"]\n")
    config = server.folder / "millrace.yaml"
    config.write_text("endpoints: { broken: { model: broken } }\n")
    server.config = str(config)
    with server:
        job = server.submit_json("broken", {"input": 1})["id"]
        wait_until(lambda: server.json("GET", "/v1/endpoints/broken").get("problem"), 30, "the endpoint says what is wrong", server)
        problem = server.json("GET", "/v1/endpoints/broken")["problem"]
        assert "no weights here" in problem, problem
        wait_until(lambda: len(list((server.data / "logs/workers").glob("*.log"))) >= 3, 60, "a third worker was tried", server)
        assert server.job(job)["state"] == "queued", "nothing is silently discarded"
        # 1 s, 2 s, 4 s between the tries: a hot loop would have made dozens by now.
        assert len(list((server.data / "logs/workers").glob("*.log"))) <= 5


stop_in_the_middle()
broken_model()
