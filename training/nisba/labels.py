"""Label sets, spans ↔ tags over words, allowed transitions. Tags are IOB2."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

from nisba.schema import ENTITY_LABELS, ROLES, Span


def iob2(labels: Sequence[str]) -> tuple[str, ...]:
    """``O``, then ``B-x``, ``I-x`` for every label: the tag of index 2k+1 begins label k, 2k+2 continues it."""
    return ("O", *(f"{prefix}-{label}" for label in labels for prefix in "BI"))


NAME_TAGS = iob2(ENTITY_LABELS)
ROLE_TAGS = iob2(ROLES)


def allowed(tags: Sequence[str]) -> list[list[bool]]:
    """``allowed[i][j]``: tag j may follow tag i. The last row is the start of a text: nothing may begin inside."""
    return [[_follows(before, after) for after in tags] for before in (*tags, "O")]


def _follows(before: str, after: str) -> bool:
    return not after.startswith("I-") or before[2:] == after[2:]


def tag(words: Sequence[Span], spans: Iterable[tuple[Span, str]], tags: Sequence[str]) -> tuple[list[int], int]:
    """Tag indices, one a word, and how many spans the tags cannot hold (no word of their own, or taken already)."""
    result, lost = [0] * len(words), 0
    starts, ends = [word.start for word in words], [word.end for word in words]
    for span, label in spans:
        first, last = bisect_right(ends, span.start), bisect_left(starts, span.end)
        exact = first < last and starts[first] == span.start and ends[last - 1] == span.end
        if not exact or any(result[first:last]):
            lost += 1
            continue
        begin = tags.index(f"B-{label}")
        result[first:last] = [begin] + [begin + 1] * (last - first - 1)
    return result, lost


def untag(indices: Sequence[int], tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """``(first word, behind the last word, label)`` of every span. An I that follows nothing of its kind begins a span."""
    spans: list[tuple[int, int, str]] = []
    previous = "O"
    for i, index in enumerate(indices):
        current = tags[index]
        if current != "O":
            if current[0] == "I" and previous[2:] == current[2:]:
                first, _, label = spans[-1]
                spans[-1] = (first, i + 1, label)
            else:
                spans.append((i, i + 1, current[2:]))
        previous = current
    return spans
