"""Reading order: rows from top to bottom, lines of a row from left to right."""


def rows(lines):
    """Groups lines into rows. A line belongs to the row whose first line is less than half a line's height away."""
    grouped = []
    for line in sorted(lines, key=_middle):
        if grouped and abs(_middle(grouped[-1][0]) - _middle(line)) < 0.5 * _height(line):
            grouped[-1].append(line)
        else:
            grouped.append([line])
    return [sorted(row, key=_left) for row in grouped]


def _middle(line):
    return sum(y for _, y in line["polygon"]) / 4


def _height(line):
    ys = [y for _, y in line["polygon"]]
    return max(ys) - min(ys)


def _left(line):
    return min(x for x, _ in line["polygon"])
