import re

import pytest
from hypothesis import given, settings

from nisba.cli import main
from nisba.formats import jsonl
from nisba.report.page import render, segments
from nisba.schema import Claim, Document, Entity, Span
from tests.strategies import documents

HOSTILE = 'قال «<script>window.hacked=1</script>» <img src=x onerror="window.hacked=1"> \u202eنعم &amp; لا'


@settings(max_examples=100, deadline=None)
@given(documents())
def test_segments_join_to_the_text(document):
    cut = list(segments(document))
    assert "".join(segment.text for segment in cut) == document.text
    covered = {n for segment in cut for n in segment.claims}
    assert covered == set(range(len(document.claims)))
    assert sorted(n for segment in cut for n in segment.opens) == sorted(covered)


def hostile_document():
    claim = Claim('"><script>', content=(Span(6, 12),), cue=(Span(0, 3),), speaker="<b onclick=x>")
    return Document("<script>id</script>", HOSTILE, (Entity(Span(0, 3), "PER"),), (claim,))


def test_text_is_escaped_and_nothing_is_loaded():
    page = render([hostile_document()])
    body = page[page.index("<main>") : page.index("<script>\n")]
    assert "<script>" not in body
    assert "<img" not in body
    assert "&lt;img src=x" in body
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", page)
    assert "default-src 'none'" in page


def test_show_writes_the_page(tmp_path, seeds, capsys):
    file = tmp_path / "a.jsonl"
    jsonl.write(seeds[:2], file)
    assert main(["show", str(file)]) == 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count("<article>") == 2
    assert page.count("data-claim=") == sum(len(d.claims) for d in seeds[:2])


@pytest.mark.browser
def test_direction_highlights_and_links(driver, seeds, tmp_path):
    document = seeds[0]
    (tmp_path / "page.html").write_text(render([document, hostile_document()]), encoding="utf-8")
    driver.get((tmp_path / "page.html").as_uri())
    run = driver.execute_script
    assert run("return getComputedStyle(document.body).direction") == "rtl"
    assert run("return getComputedStyle(document.querySelector('.text p')).direction") == "rtl"
    assert run("return document.querySelector('.text p').textContent") == document.text
    sources = run("return [...document.querySelectorAll('article:first-of-type .text .source')].length")
    assert sources >= sum(bool(claim.source) for claim in document.claims)
    colour = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
    assert run(colour, ".text .cue") != run(colour, ".text .source")
    # Click the third claim: its words are marked, and no others.
    run("document.querySelectorAll('[data-claim=\"2\"] a')[0].click()")
    marked = run("return [...document.querySelectorAll('.text .on')].map(e => e.textContent).join('')")
    claim = document.claims[2]
    spans = sorted(claim.cue + claim.source + claim.content + claim.addressee)
    assert "".join(marked.split()) == "".join("".join(span.of(document.text) for span in spans).split())
    # Click a cue in the text: its row is marked.
    run("document.querySelector('.text .cue').click()")
    assert run("return document.querySelectorAll('li.on').length") == 1
    for link in run("return [...document.querySelectorAll('.claims a')].map(a => a.getAttribute('href'))"):
        assert run("return document.querySelector(arguments[0]) !== null", link)
    assert run("return window.hacked") is None
    assert run("return [...document.querySelectorAll('.text p')].at(-1).textContent") == HOSTILE
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling(driver, seeds, tmp_path):
    (tmp_path / "page.html").write_text(render(seeds[:3]), encoding="utf-8")
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    )
    driver.get((tmp_path / "page.html").as_uri())
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 375
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
