"""The four real jobs through the public API, and whether what comes back is right."""

import csv
import io
import json

from _millrace import DATA, ROOT, Server, wait_until


def character_errors(found, truth):
    """Edits per character of the truth, whitespace folded: where a line was broken is no reading error."""
    found, truth = " ".join(found.split()), " ".join(truth.split())
    row = list(range(len(truth) + 1))
    for i, a in enumerate(found, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(truth, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1] / len(truth)


def check_ocr(server):
    report = DATA / "report"
    pdf = server.submit_files("ocr", [report / "medical-report-4pages.pdf"])["id"]
    pngs = server.submit_files("ocr", sorted(report.glob("*.png")))["id"]
    for job, allowed in ((pdf, 0.0025), (pngs, 0.001)):
        done = server.wait(job)
        assert [output["name"] for output in done["outputs"]] == ["result.json", "text.txt"], done["outputs"]
        pages = server.json("GET", f"/v1/jobs/{job}/result")["pages"]
        assert [page["page"] for page in pages] == sorted(page["page"] for page in pages) and len(pages) == 4
        for number, page in enumerate(pages, 1):
            truth = (report / f"medical-report-page{number}.txt").read_text()
            errors = character_errors(page["text"], truth)
            print(f"page {number}: {errors:.2%} of the characters wrong (allowed {allowed:.2%})")
            assert errors <= allowed, f"page {number}: {errors:.2%}"
            assert all(len(line["polygon"]) == 4 and 0 < line["confidence"] <= 1 for line in page["lines"])
        progress = [data for name, data in server.events(job) if name == "progress"]
        assert progress and progress[-1]["done"] == 4 and progress[-1]["unit"] == "pages", progress
    text = server.call("GET", f"/v1/jobs/{pdf}/result/text.txt")[2].decode()
    assert text.count("\f") >= 3 and "Riverside General Hospital" in text


def check_photos(server):
    photos = sorted((DATA / "photos").iterdir())
    job = server.submit_files("classify", photos, {"topK": 3})["id"]
    server.wait(job)
    images = server.json("GET", f"/v1/jobs/{job}/result")["images"]
    assert [image["file"] for image in images] == [photo.name for photo in photos]
    best = {image["file"]: image["classes"][0] for image in images}
    expected = {"chelsea.png": ("tiger cat", 0.3845), "coffee.png": ("espresso", 0.9511), "camera.png": ("tripod", 0.9366)}
    for name, (label, probability) in expected.items():
        assert best[name]["label"] == label, best[name]
        assert abs(best[name]["probability"] - probability) < 1e-3, best[name]
    assert all(len(image["classes"]) == 3 for image in images)


def check_comments(server):
    # Quotes, line breaks inside of fields, CRLF and a semicolon must come back as they were.
    tricky = 'id;note;comment\r\n1;"a;b";"It was ""great"",\nreally"\r\n2;;"I waited three hours and nobody helped me."\r\n3; x ;ok\r\n'
    job = server.submit_files("sentiment", [("tricky.csv", tricky.encode())])["id"]
    server.wait(job)
    result = server.call("GET", f"/v1/jobs/{job}/result")[2].decode()
    records = list(csv.reader(io.StringIO(result, newline=""), delimiter=";"))
    assert records[0] == ["id", "note", "comment", "sentiment", "sentiment_score"], records[0]
    assert [record[:3] for record in records] == list(csv.reader(io.StringIO(tricky, newline=""), delimiter=";"))
    assert [record[3] for record in records[1:3]] == ["positive", "negative"], records
    assert '1;"a;b";"It was ""great"",\nreally";' in result and "\r\n3; x ;ok;" in result, result

    comments = DATA / "comments-1000.csv"
    job = server.submit_files("sentiment", [comments])["id"]
    done = server.wait(job)
    assert done["progress"]["done"] == 1000 and done["progress"]["unit"] == "rows", done["progress"]
    rows = list(csv.DictReader(io.StringIO(server.call("GET", f"/v1/jobs/{job}/result")[2].decode(), newline="")))
    original = list(csv.DictReader(comments.open(newline="")))
    assert [{key: row[key] for key in original[0]} for row in rows] == original, "the other columns changed"
    agreement = sum(row["label"] == row["sentiment"] for row in rows) / len(rows)
    print(f"agreement with people: {agreement:.1%}")
    assert abs(agreement - 0.821) < 0.002, agreement

    single = server.submit_json("sentiment", {"input": {"text": "not bad at all"}})["id"]
    server.wait(single)
    assert server.json("GET", f"/v1/jobs/{single}/result")["results"][0]["label"] in ("positive", "neutral", "negative")


def check_training(server):
    job = server.submit_json("train", {"parameters": {"epochs": 2, "trainSamples": 20000}})["id"]
    done = server.wait(job)
    assert [output["name"] for output in done["outputs"]][:2] == ["result.json", "model.onnx"], done["outputs"]
    assert server.json("GET", f"/v1/jobs/{job}/result")["accuracy"] > 0.75
    return job


def check_trained_model_serves(server, job):
    """What the training left is a model that the ONNX runner serves."""
    model = server.folder / "trained"
    model.mkdir()
    for output in server.job(job)["outputs"]:
        if output["name"] in ("model.onnx", "model.yaml"):
            (model / output["name"]).write_bytes(server.call("GET", output["url"])[2])
    config = server.folder / "trained.yaml"
    config.write_text(f"endpoints: {{ fashion: {{ model: {model} }} }}\n")
    boot = json.loads((ROOT / "Examples/onnx-model/ankle-boot.json").read_text())
    with Server(config=str(config), environment={"MILLRACE_ONNXRUNTIME": onnx_runtime()}) as fashion:
        answer = fashion.submit_json("fashion", boot)["id"]
        fashion.wait(answer)
        outputs = fashion.json("GET", f"/v1/jobs/{answer}/result")["outputs"]
        logits = outputs["logits"]
        while isinstance(logits[0], list):
            logits = logits[0]
        assert len(logits) == 10 and max(range(10), key=logits.__getitem__) == 9, f"an ankle boot is class 9: {logits}"


def onnx_runtime():
    return str(next((ROOT / ".venv/lib").glob("python3*/site-packages/onnxruntime/capi")))


def main():
    with Server() as server:
        assert server.workers() == [], "workers at rest"
        training = check_training(server)
        check_photos(server)
        check_comments(server)
        check_ocr(server)
        check_trained_model_serves(server, training)
        wait_until(lambda: not server.workers(), 90, "the fleet is back at zero", server)


main()
