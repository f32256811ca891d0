"""Photos of several jobs in one call of the network."""

from millrace import handler

import network

classifier = None


def load():
    global classifier
    classifier = network.Classifier()


@handler(batch_max=64, setup=load)
def classify(batch):
    classes = iter(classifier.classify([file.path for item in batch for file in item.files]))
    return [{"classes": [next(classes) for _ in item.files]} for item in batch]


if __name__ == "__main__":
    classify.serve()
