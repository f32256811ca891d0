import re
from collections import Counter

from millrace import handler


@handler(batch_max=32)
def count(batch):
    return [words(item) for item in batch]


def words(item):
    text = item.input["text"] if item.input else item.files[0].path.read_text("utf-8", errors="replace")
    counted = Counter(re.findall(r"\w+", text.lower()))
    return {"total": sum(counted.values()), "top": counted.most_common(item.parameters.get("top", 10))}


if __name__ == "__main__":
    count.serve()
