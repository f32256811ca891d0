import shutil

from benchkit.bench import Bench, main
from benchkit.models import millrace_bench
from benchkit.trials import seconds_of

from .load import read_under_load
from .rapid import Rapid
from .report import PAGES, PDF, error_rates, extract_pages
from .settings import OCRSettings
from .table import print_ocr_table


class OCRBench(Bench):
    repeated = ("process", "system")

    def __init__(self, settings):
        super().__init__(settings)
        self.rapid = self.images = None

    def print_table(self):
        print_ocr_table(self.figures)

    def run_process(self, _):
        """rapidocr is given the pages as images, which were taken out of the PDF file before; Millrace the file."""
        if self.rapid is None:
            self.images = extract_pages(self.settings.folder / "pages")
            self.rapid = Rapid(self.settings)
            # Once before it counts, as in Millrace's own benchmark.
            self.rapid.read(self.images)
        seconds, texts = seconds_of(lambda: self.rapid.read(self.images))
        self.figures.add("rapidocr", len(PAGES) / seconds)
        wanted = self.add_error_rates("rapidocr", texts)
        model = ("--model", self.settings.model, "--threads", self.settings.threads)
        answer = millrace_bench(self.settings, "ocr", *model, PDF)
        if answer is None:
            self.say("this millrace-bench has no command ocr: what Millrace does in one process is left out")
            for name in ("process", "rapidocr_ratio", "cer_difference", "system_ratio"):
                self.figures.say(name, "n/a")
            return
        self.figures.add("process", len(PAGES) / answer["seconds"])
        found = self.add_error_rates("process", [page["text"] for page in answer["pages"]])
        self.figures.add("cer_difference", max(one - other for one, other in zip(found, wanted)))

    def run_system(self, number):
        data = self.fresh("system", number)
        seconds, jobs = read_under_load(self.settings, data)
        shutil.rmtree(data)
        self.figures.add("system", sum(map(len, jobs)) / seconds)
        self.add_error_rates("system", jobs[0])
        self.figures.add("pages_differing", sum(one != other for job in jobs for one, other in zip(job, jobs[0])))

    def add_error_rates(self, who, texts):
        rates = error_rates(texts)
        for page, rate in zip(PAGES, rates):
            self.figures.add(f"{who}_{page}", rate)
        return rates


main(OCRBench, OCRSettings.read())
