"""Draws docs/assets/stages.svg: where the processor time of one item goes, from a job's submission to its result.

The shares were sampled with `perf` in the worker and counted from /proc for the server and the client; docs/performance.md says how.
    python3 Benchmarks/stage_chart.py
"""

from pathlib import Path

#: Stage, colour.
STAGES = {
    "model": "#3b6ea5",
    "decode": "#d98d3a",
    "resize": "#7a9e4d",
    "rest of the worker": "#9c7fb5",
    "server": "#b5525c",
    "client": "#999999",
}
#: Item, milliseconds of processor time of each stage.
ITEMS = {
    "a photo, 13.7 ms": {"model": 9.52, "decode": 0.77, "resize": 0.40, "rest of the worker": 1.25, "server": 1.50, "client": 0.27},
    "a comment, 6.7 ms": {"model": 6.36, "rest of the worker": 0.17, "server": 0.16},
    "a scanned page, 3.6 s": {"model": 3076, "decode": 15, "resize": 65, "rest of the worker": 265, "server": 139},
}
WIDTH, LEFT, BAR, STEP = 760, 190, 34, 58


def draw():
    height = STEP * len(ITEMS) + 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13">',
        "<title>Where the processor time of one item goes</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    span = WIDTH - LEFT - 20
    for row, (item, stages) in enumerate(ITEMS.items()):
        top, total = 14 + row * STEP, sum(stages.values())
        parts.append(f'<text x="{LEFT - 12}" y="{top + BAR / 2 + 5}" text-anchor="end" fill="#222222">{item}</text>')
        x = float(LEFT)
        for stage, value in stages.items():
            width = span * value / total
            share = 100 * value / total
            parts.append(
                f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" fill="{STAGES[stage]}">'
                f"<title>{stage}: {share:.1f} %</title></rect>"
            )
            if width > 34:
                parts.append(f'<text x="{x + width / 2:.1f}" y="{top + BAR / 2 + 5}" text-anchor="middle" fill="#ffffff">{share:.0f} %</text>')
            x += width
    x, top = float(LEFT), 14 + STEP * len(ITEMS) + 8
    for stage, colour in STAGES.items():
        parts.append(f'<rect x="{x:.0f}" y="{top}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 17:.0f}" y="{top + 11}" fill="#222222">{stage}</text>')
        x += 34 + 7.2 * len(stage)
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    (Path(__file__).resolve().parent.parent / "docs/assets/stages.svg").write_text(draw())
