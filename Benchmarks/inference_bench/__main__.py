import json
import shutil
import subprocess

from benchkit.bench import Bench, main
from benchkit.models import millrace_bench
from benchkit.progress import ProgressBar
from benchkit.trials import best, seconds_of

from . import gpu, photo_jobs, sentiment
from .classifier import Classifier
from .coldstart import cold_starts
from .litserve_server import DEFAULT_SHAPES, SHAPES, LitServe
from .photos import make_photos
from .settings import InferenceSettings
from .table import print_inference_table

AGREEING_LEAST, DIFFERING_MOST = 0.995, 0.001
WARM_UP = 32
LOOP_BATCHES, SENTIMENT_BATCHES = (1, 4, 8, 16), (1, 8, 16, 32, 64)


class InferenceBench(Bench):
    repeated = ("photos", "sentiment")
    single = ("coldstart", "gpu")

    def __init__(self, settings):
        super().__init__(settings)
        self.photos = self.classifier = self.batch = self.shape = self.tuned_shape = None
        self.table = self.sentiment = self.sentiment_batch = None

    def print_table(self):
        print_inference_table(self.figures)

    # Photos

    def run_photos(self, number):
        if self.photos is None:
            self.prepare_photos()
        count = len(self.photos)
        seconds, wanted = seconds_of(lambda: self.classifier.classify(self.photos, self.batch))
        self.figures.add("loop", count / seconds)
        for figure, shape in (("litserve", self.shape), ("litserve_tuned", self.tuned_shape)):
            self.figures.add(figure, count / self.litserve(shape, self.photos, wanted, f"{figure}-{number}"))
        data = self.fresh("photo-jobs", number)
        # What it stores is kept to the end: for some minutes after thousands of files were deleted, ext4 makes new ones slowly.
        jobs = photo_jobs.classify(self.settings, data, self.photos)
        for figure, seconds in (("", jobs.ended), ("_fetched", jobs.fetched), ("_submit", jobs.submitted)):
            self.figures.add(f"millrace{figure}", count / seconds)
        self.figures.add("photos_agreed", 100 * self.agreeing("Millrace", jobs.classes, wanted))
        self.run_ceiling(wanted)

    def prepare_photos(self):
        self.photos = make_photos(self.settings.folder / "photos", self.settings.photos)
        self.classifier = Classifier(self.settings.classifier, self.settings.threads)
        some = self.photos[: self.settings.trial_photos]
        # Once before it counts.
        wanted = self.classifier.classify(some, 1)
        self.batch = best(
            "batch of the photo loop",
            LOOP_BATCHES,
            lambda batch: seconds_of(lambda: self.classifier.classify(some, batch))[0],
        )
        self.shape, self.tuned_shape = (
            best(what, shapes, lambda shape: self.litserve(shape, some, wanted, "litserve-trial", times=2), rounds=1)
            for what, shapes in (("LitServe as it comes, workers x batch", DEFAULT_SHAPES), ("LitServe, workers x batch", SHAPES))
        )

    def litserve(self, shape, photos, wanted, name, times=1):
        """Seconds for these photos by a server that is warm, the least of a few times."""
        with LitServe(self.settings, shape, name) as server:
            server.classify(photos[:WARM_UP])
            took = []
            for _ in range(times):
                bar = ProgressBar(f"LitServe, {shape}", len(photos))
                seconds, found = seconds_of(lambda: server.classify(photos, bar))
                self.agreeing("LitServe", found, wanted)
                took.append(seconds)
        return min(took)

    @staticmethod
    def agreeing(who, found, wanted):
        """The share of photos with the class that the loop found; the run fails when it is small."""
        share = sum(one == other for one, other in zip(found, wanted, strict=True)) / len(wanted)
        if share < AGREEING_LEAST:
            raise RuntimeError(f"{who} gives the loop's class for {share:.1%} of the photos only")
        return share

    def run_ceiling(self, wanted):
        model = ("--model", self.settings.classifier, "--threads", self.settings.threads)
        answer = millrace_bench(self.settings, "photos", *model, "--photos", self.photos[0].parent)
        if answer is None:
            self.figures.say("ceiling", "n/a")
            self.figures.say("ceiling_ratio", "n/a")
            return
        self.agreeing("millrace-bench", answer["classes"], wanted)
        self.figures.add("ceiling", answer["images"] / answer["seconds"])

    # Comments

    def run_sentiment(self, number):
        if self.sentiment is None:
            self.prepare_sentiment()
        rows = self.settings.rows
        seconds, wanted = seconds_of(lambda: self.sentiment.table(self.table, self.sentiment_batch))
        self.figures.add("sentiment_loop", rows / seconds)
        data = self.fresh("sentiment", number)
        seconds, found = sentiment.run_job(self.settings, data, self.table)
        shutil.rmtree(data)
        self.figures.add("sentiment_millrace", rows / seconds)
        self.figures.add("rows_differing", self.differing(found, wanted))

    def prepare_sentiment(self):
        self.table = sentiment.comments(self.settings.rows)
        self.sentiment = sentiment.SentimentLoop(self.settings)
        some = sentiment.comments(min(self.settings.trial_rows, self.settings.rows))
        self.sentiment.table(some, SENTIMENT_BATCHES[0])
        self.sentiment_batch = best(
            "batch of the sentiment loop",
            SENTIMENT_BATCHES,
            lambda batch: seconds_of(lambda: self.sentiment.table(some, batch))[0],
        )

    @staticmethod
    def differing(found, wanted):
        """How many rows have another label; the run fails when they are many, or not the rows of the file."""
        found, wanted = sentiment.labels_of(found), sentiment.labels_of(wanted)
        if [name for name, _ in found] != [name for name, _ in wanted]:
            raise RuntimeError(f"the result's {len(found)} rows are not the file's {len(wanted)} in their order")
        count = sum(one != other for one, other in zip(found, wanted))
        if count > DIFFERING_MOST * len(wanted):
            raise RuntimeError(f"{count} of {len(wanted)} rows have another label than the loop's")
        return count

    # Once

    def run_coldstart(self):
        (photo,) = make_photos(self.settings.folder / "cold-photo", 1)
        for seconds, worker, loading in cold_starts(self.settings, self.settings.folder / "cold", photo):
            self.figures.add("cold", 1000 * seconds)
            self.figures.add("cold_worker", 1000 * worker)
            self.figures.add("session", 1000 * loading)

    def run_gpu(self):
        command = (self.settings.gpu_python, "-B", "-m", "inference_bench.gpu")
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        answer = done.stdout.strip().splitlines()[-1]
        if answer == gpu.SKIPPED:
            self.figures.say("gpu_ratio", "skipped")
            return
        for name, values in json.loads(answer).items():
            for value in values:
                self.figures.add(f"gpu_{name}", value)


main(InferenceBench, InferenceSettings.read())
