"""A small chart of plain characters."""

_ROWS, _COLUMN = 6, 6


def curve(values, title):
    """One column per value, the lowest value on the bottom row and the highest on the top one."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    rows = [round((value - low) / span * (_ROWS - 1)) for value in values]
    print(f"  {title}")
    for row in reversed(range(_ROWS)):
        level = low + span * row / (_ROWS - 1)
        marks = "".join(("*" if at == row else ":" if at > row else " ").center(_COLUMN) for at in rows)
        print(f"  {level:6.1%} |{marks}".rstrip())
    print("         +" + "-" * (_COLUMN * len(values)))
    print("          " + "".join(str(number).center(_COLUMN) for number in range(1, len(values) + 1)).rstrip())
