import json
import re
from itertools import pairwise

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from nisba.metrics.report import pair, summary, tally
from nisba.report.evaluation import embed, render
from nisba.schema import Claim, Document, Span
from tests.test_page import HOSTILE

EVIL = "</script><script>window.hacked=1</script><!--"


def page(pairs, resamples=20):
    counted = tally(pairs)
    report = summary(counted, resamples=resamples)
    return render(pairs, counted, report), report


def hostile():
    """A document whose every string would run if it could, with a direction override and a character beyond U+FFFF."""
    text = "𐎀 " + HOSTILE + "\u2066 " + EVIL
    start = text.index("نعم")
    claim = Claim(
        EVIL,
        content=(Span(start, start + 3),),
        cue=(Span(2, 5),),
        source=(Span(start + 10, start + 12),),
        source_type="person",
        speaker="<img src=x onerror=window.hacked=1>",
    )
    gold = Document(EVIL, text, (), (claim,), {"category": EVIL})
    return gold, Document(EVIL, text, (), (Claim("p", content=claim.content, speaker="\u202eليلى", score=0.5),))


@pytest.fixture
def damaged(seeds):
    """Three articles whose predictions have every kind of error here and there, and a hostile one."""

    def spoil(n, claim):
        options = {name: getattr(claim, name) for name in Claim.__slots__} | {"score": 0.9 - n / 40}
        if n % 4 == 1:
            options |= {"source": (), "source_type": "implicit"}
        if n % 4 == 2:
            options |= {"speaker": "شخص آخر"}
        return Claim(**options)

    pairs = []
    for document in seeds[:3]:
        claims = [spoil(n, claim) for n, claim in enumerate(document.claims) if n % 5]
        pairs.append((document, Document(document.id, document.text, document.entities[1:], tuple(claims))))
    return [*pairs, hostile()]


def test_nothing_hostile_is_markup(damaged):
    html, _ = page(damaged)
    assert html.count("<script") == 3
    assert html.count("</script>") == 3
    assert "<img" not in html
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", html)
    assert "script-src 'sha256-" in html
    assert "script-src 'unsafe-inline'" not in html
    data = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    assert not re.search("[<>&\u2028\u2029]", data)
    assert [article["text"] for article in json.loads(data)] == [gold.text for gold, _ in damaged]


def test_embedded_json_is_the_value():
    value = {"a<b>&": ["\u2028", "</script>", "نعم"]}
    assert json.loads(embed(value)) == value


def test_a_page_of_nothing():
    html, report = page(pair([Document("d", "نعم")], [Document("d", "نعم")]))
    assert report["claims"]["strict"]["f1"] is None
    assert "NaN" not in html
    assert "None" not in html


@pytest.mark.browser
def test_the_error_browser(driver, damaged, tmp_path):
    html, report = page(damaged)
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    driver.get((tmp_path / "report.html").as_uri())
    run = driver.execute_script
    assert run("return getComputedStyle(document.body).direction") == "rtl"
    total = sum(report["errors"].values())
    count = "return Number(document.getElementById('count').textContent)"
    assert run(count) == total > 10
    assert run("return document.querySelectorAll('#list li').length") == min(total, 101)

    # Filter by kind; two kinds together; by article; everything again.
    chips = {chip.get_attribute("data-kind"): chip for chip in driver.find_elements(By.CSS_SELECTOR, ".chip")}
    assert list(chips) == list(report["errors"])
    chips["wrong_source"].click()
    assert run(count) == report["errors"]["wrong_source"] > 0
    chips["missed_cue"].click()
    assert run(count) == report["errors"]["wrong_source"] + report["errors"]["missed_cue"]
    assert chips["missed_cue"].get_attribute("aria-pressed") == "true"
    driver.find_element(By.ID, "clear").click()
    run("const s = document.getElementById('article'); s.value = '1'; s.dispatchEvent(new Event('change'))")
    assert 0 < run(count) < total
    assert all(
        name == damaged[1][0].id for name in run("return [...document.querySelectorAll('#list .id')].map(e => e.textContent)")
    )
    driver.find_element(By.ID, "clear").click()

    # The keyboard goes through the list; the text follows, whole and side by side.
    browse = driver.find_element(By.ID, "list")
    browse.send_keys(Keys.ARROW_DOWN)
    browse.send_keys(Keys.ARROW_DOWN)
    chosen = "return document.querySelector('#list [aria-selected=true]').id"
    assert run(chosen) == "e2"
    assert browse.get_attribute("aria-activedescendant") == "e2"
    assert run("return location.hash") == "#error-2"
    texts = run("return [...document.querySelectorAll('#detail .text')].map(e => e.textContent)")
    assert texts == [damaged[0][0].text] * 2
    assert run("return getComputedStyle(document.querySelector('#detail .text')).direction") == "rtl"
    browse.send_keys(Keys.END)
    assert run(chosen) == f"e{total - 1}"

    # Jump to an error by its address; what is marked is what is annotated.
    kinds = [error.kind for error in tally(damaged).errors[0]]
    wrong = kinds.index("wrong_source")
    driver.get((tmp_path / "report.html").as_uri() + f"#error-{wrong}")
    run("location.reload()")
    assert run(chosen) == f"e{wrong}"
    (error,) = tally(damaged).errors[0][wrong : wrong + 1]
    for side, document in enumerate(damaged[0]):
        claim = next(c for c in document.claims if c.id == (error.gold, error.predicted)[side])
        for role in ("source", "content"):
            marks = (
                "return [...document.querySelectorAll('#detail section')][arguments[0]].querySelectorAll('mark.' + arguments[1])"
            )
            shown = "".join(run(f"return [...({marks[7:]})].map(e => e.textContent).join('')", side, role).split())
            assert shown == "".join("".join(s.of(document.text) for s in claim.role(role)).split())
    assert run("return document.querySelectorAll('#detail mark.alone.source').length") > 0

    # The hostile article: text is text, offsets count code points, direction controls are shown and contained.
    driver.get((tmp_path / "report.html").as_uri() + f"#error-{total - 1}")
    run("location.reload()")
    assert run("return document.querySelector('#detail .text').textContent") == damaged[-1][0].text
    assert run("return document.querySelector('#detail mark.content').textContent") == "نعم"
    assert run("return [...document.querySelectorAll('#detail .text .control')].slice(0, 2).map(e => e.title)") == [
        "U+202E",
        "U+2066",
    ]
    assert run("return getComputedStyle(document.querySelector('#detail .control')).unicodeBidi") == "isolate"
    assert run("return window.hacked") is None
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 375, 800, 1000, 1300, 1600])
def test_no_width_breaks_the_page(driver, tmp_path, width):
    """Long ids, categories and speakers wrap; the bars keep their room."""
    long = "ا" * 200
    claim = Claim("c", content=(Span(0, 3),), speaker=long)
    gold = Document(long, "نعم", (), (claim,), {"category": long})
    pairs = [(gold, Document(long, "نعم", (), (Claim("p", content=(Span(0, 3),), speaker=long + "ب"),)))]
    (tmp_path / "report.html").write_text(page(pairs)[0], encoding="utf-8")
    device = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 800}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    driver.get((tmp_path / "report.html").as_uri())
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    tracks = driver.execute_script("return [...document.querySelectorAll('.track')].map(e => e.clientWidth)")
    assert min(tracks) >= 40
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.browser
def test_a_jump_opens_what_a_filter_hides(driver, damaged, tmp_path):
    html, report = page(damaged)
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    driver.get((tmp_path / "report.html").as_uri())
    run = driver.execute_script
    kinds = [error.kind for row in tally(damaged).errors for error in row]
    wanted = kinds.index("wrong_speaker")
    run("document.querySelector('.chip[data-kind=missed_cue]').click()")
    assert run("return Number(document.getElementById('count').textContent)") == report["errors"]["missed_cue"]
    # A claim that was missed: where it stands is outlined in the prediction's text.
    assert run("return document.querySelectorAll('#detail section:last-child .away').length") > 0
    assert run("return document.querySelectorAll('#detail section:last-child mark').length") == 0
    run(f"location.hash = '#error-{wanted}'")
    run("window.dispatchEvent(new HashChangeEvent('hashchange'))")
    assert run("return document.querySelector('#list [aria-selected=true]').id") == f"e{wanted}"
    assert run("return document.querySelectorAll('.chip[aria-pressed=true]').length") == 0
    assert run("return location.hash") == f"#error-{wanted}"


@pytest.mark.browser
def test_what_assistive_technology_is_told(driver, damaged, tmp_path):
    (tmp_path / "report.html").write_text(page(damaged)[0], encoding="utf-8")
    driver.get((tmp_path / "report.html").as_uri())
    run = driver.execute_script
    widgets = "[...document.querySelectorAll('[tabindex], svg, [role]')].filter(e => e.role !== 'option')"
    nameless = f"return {widgets}.filter(e => !e.ariaLabel).length"
    assert run(nameless) == 0
    assert run("return document.querySelectorAll('button:not([aria-pressed]):not(#clear)').length") == 0
    levels = run("return [...document.querySelectorAll('h1,h2,h3,h4')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.browser
def test_a_phone_and_the_dark(driver, damaged, tmp_path):
    (tmp_path / "report.html").write_text(page(damaged)[0], encoding="utf-8")
    device = {"width": 375, "height": 800, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    driver.get((tmp_path / "report.html").as_uri())
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 375
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    ground = "return getComputedStyle(document.body).backgroundColor"
    light = driver.execute_script(ground)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    assert driver.execute_script(ground) != light
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.browser
def test_no_text_of_an_article_turns_the_page(driver, tmp_path):
    """An id and a speaker with direction overrides stay in their own boxes."""
    (tmp_path / "report.html").write_text(page([hostile()])[0], encoding="utf-8")
    driver.get((tmp_path / "report.html").as_uri())
    bidi = "return [...document.querySelectorAll('#detail bdi, #list .id, #list .some')].map(e => getComputedStyle(e).unicodeBidi)"
    assert set(driver.execute_script(bidi)) == {"isolate"}
    shown = "return [...document.querySelectorAll('#detail .facts .control')].map(e => e.title)"
    assert driver.execute_script(shown) == ["U+202E"]
