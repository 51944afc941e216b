"""Spans in other units: every format that quotes its text names the repair, does it on request, and only where all spans agree."""

import json

import pytest

from nisba import convert
from nisba.files import FormatError

HEADS = {"utf16": "😀 ", "crlf": "\r\n\r\n", "bom": "\ufeff"}  # in front of the text
SHIFTS = {"utf16": 1, "crlf": -2, "bom": -1}  # what the slip makes of offsets behind it
WORDS = "قال علي: نعم، ثم كلا."


def spans(text):
    """(start, end, text) of a content and of a name."""
    return [(text.index(word), text.index(word) + len(word), word) for word in ("نعم", "علي")]


def brat(folder, text, places):
    (a, b, content), (c, d, name) = places
    (folder / "a.txt").write_text(text, encoding="utf-8", newline="")
    rows = f"T1\tUncued {a} {b}\t{content}\nE1\tUncued:T1\nT2\tPER {c} {d}\t{name}\n"
    (folder / "a.ann").write_text(rows, encoding="utf-8")
    return folder / "a.ann"


def polnear(folder, text, places):
    (a, b, content), (c, d, cue) = places
    (folder / "a.txt").write_text(text, encoding="utf-8", newline="")
    rows = f"T1\tContent {a} {b}\t{content}\nT2\tCue {c} {d}\t{cue}\nT3\tAttribution {c} {d}\t{cue}\n"
    rows += "E1\tAttribution:T3 Cue:T2 Content:T1\n"
    (folder / "a.ann").write_text(rows, encoding="utf-8")
    return folder / "a.ann"


def citron(folder, text, places):
    content, cue = ({"start": start, "end": end, "text": quoted} for start, end, quoted in places)
    return written(folder / "a.json", {"text": text, "quotes": [{"cue": cue, "sources": [], "contents": [content]}]})


def label_studio(folder, text, places):
    values = [{"start": start, "end": end, "text": quoted, "labels": ["PER"]} for start, end, quoted in places]
    common = {"from_name": "label", "to_name": "text", "type": "labels"}
    result = [common | {"id": f"r{i}", "value": value} for i, value in enumerate(values)]
    return written(folder / "a.json", [{"id": 1, "data": {"text": text}, "annotations": [{"result": result}]}])


def prodigy(folder, text, places):
    found = [{"start": start, "end": end, "label": "PER", "text": quoted} for start, end, quoted in places]
    return written(folder / "a.jsonl", {"text": text, "spans": found})


def w3c(folder, text, places):
    items = []
    for start, end, quoted in places:
        selector = [{"type": "TextPositionSelector", "start": start, "end": end}, {"type": "TextQuoteSelector", "exact": quoted}]
        items.append({"type": "Annotation", "body": {"value": "PER", "purpose": "tagging"}, "target": {"selector": selector}})
    return written(folder / "a.jsonl", {"type": "AnnotationPage", "nisba:text": text, "items": items})


def written(file, row):
    file.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
    return file


FORMATS = {"brat": brat, "citron": citron, "label-studio": label_studio, "polnear": polnear, "prodigy": prodigy, "w3c": w3c}


def covered(document):
    roles = [span for claim in document.claims for span in (*claim.content, *claim.cue)]
    return {span.of(document.text) for span in (*roles, *(entity.span for entity in document.entities))}


def test_the_formats_are_those_that_quote():
    """doccano quotes nothing, WebAnno TSV counts UTF-16 units by definition: their own tests show what can be done there."""
    assert FORMATS.keys() | {"doccano", "webanno-tsv"} == {*convert.QUOTING}


@pytest.mark.parametrize("repair", HEADS)
@pytest.mark.parametrize("name", FORMATS)
def test_a_slip_is_named_and_undone_where_all_spans_agree(name, repair, tmp_path):
    read, text = convert.module(name).read, HEADS[repair] + WORDS
    right = spans(text)
    moved = [(start + SHIFTS[repair], end + SHIFTS[repair], quoted) for start, end, quoted in right]

    def problems(places, repair=None):
        with pytest.raises(FormatError) as error:
            list(read(FORMATS[name](tmp_path, text, places), repair=repair))
        return error.value.problems

    found = problems(moved)
    assert len(found) >= 2
    assert all(problem.endswith(f"all of the document fit with --repair-offsets {repair}") for problem in found)
    (document,) = read(FORMATS[name](tmp_path, text, moved), repair=repair)
    assert document.text == text
    assert covered(document) == {"نعم", "علي"}
    assert all(problem.endswith(f"leave out --repair-offsets {repair}") for problem in problems(right, repair))
    assert not any("--repair-offsets" in problem for problem in problems([moved[0], right[1]], repair))
    by = [(start + 3, end + 3, quoted) for start, end, quoted in right]
    assert all(problem.endswith("all of the document would fit 3 characters back") for problem in problems(by))
