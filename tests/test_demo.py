"""The demo in a browser, through its real server on the loopback; its limits and messages; the files of its Space."""

import ast
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import pytest
import regex
import requests
import torch
import yaml

import nisba
from nisba import config, demo, encoder
from nisba.files import FormatError
from nisba.fit import save
from nisba.formats import jsonl
from nisba.inputs import InputError
from nisba.labels import ROLE_TAGS
from nisba.report.page import segments
from nisba.schema import ROLES, Claim, Document, Entity, SchemaError, Span, trim

HOSTILE = (
    'قال علي حسن "></iframe><script>window.hacked=1</script><img src=x onerror="window.hacked=1"> '
    "${window.hacked=1} {{hacked}} &quot;&amp;"
)
WAIT = 30  # seconds for the server and the page
BUTTONS = (
    "[...document.querySelectorAll('button:not([tabindex=\"-1\"]), a')].filter(b => b.checkVisibility())"  # tabs are there twice
)


class Rules:
    """Stands in for a model: ``said`` with two words for its source, the rest of the sentence for its content."""

    said = regex.compile(r"\b(?<cue>و?(?:قال|نفى|قالت)) (?<source>\w+ \w+)(?<content>[^.\n]+)")

    def __init__(self):
        self.seen = []

    def stream(self, documents):
        for document in documents:
            self.seen.append(document)
            found = list(self.said.finditer(document.text))
            claims = []
            for number, match in enumerate(found):
                spans = {role: (trim(document.text, *match.span(role)),) for role in ("cue", "source", "content")}
                claims.append(Claim(str(number), **spans, source_type="person", speaker=match["source"], score=0.5))
            names = tuple(Entity(Span(*match.span("source")), "PER", 0.5) for match in found)
            yield Document(document.id, document.text, names, tuple(claims), document.meta)


class Fails:
    def stream(self, documents):
        raise AssertionError("the model is asked")


@pytest.fixture(scope="module")
def sample(root):
    return (root / "seeds" / "sample.txt").read_text(encoding="utf-8")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Addresses beyond the loopback that this process, in which the server runs, looked up or connected to."""
    found = []
    connect, lookup = socket.socket.connect, socket.getaddrinfo

    def note(host):
        if host not in ("127.0.0.1", "::1", "localhost", "0.0.0.0", None):
            found.append(host)

    def connecting(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            note(address[0])
        return connect(self, address)

    def looking(host, *rest, **options):
        note(host.decode() if isinstance(host, bytes) else host)
        return lookup(host, *rest, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("gradio")))
        pytest.importorskip("gradio")
        patch.setattr(socket.socket, "connect", connecting)
        patch.setattr(socket, "getaddrinfo", looking)
        yield found


@pytest.fixture(scope="module")
def rules():
    return Rules()


@pytest.fixture(scope="module")
def address(outside, rules):
    with demo.serving(rules, port=free_port()) as address:
        yield address


@pytest.fixture
def folder(tmp_path):
    """What downloads go to."""
    path = tmp_path / "downloads"
    path.mkdir()
    return path


@contextmanager
def opened(driver, address, folder, *, width=1200):
    """The page in the browser, whose downloads go to ``folder``."""
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": width < 500}
    )
    driver.get_log("browser")
    try:
        driver.get(address)
        until(lambda: driver.execute_script("return document.querySelector('.pasted textarea') !== null"))
        yield driver.execute_script
    finally:
        driver.switch_to.default_content()
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        driver.get("about:blank")


def until(done):
    """The first true answer of ``done``."""
    end = time.monotonic() + WAIT
    while not (answer := done()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return answer


def paste(run, text):
    """As a user pastes: the value is there at once, and the page is told."""
    run(
        "const box = document.querySelector('.pasted textarea'); box.focus(); box.value = arguments[0];"
        "box.dispatchEvent(new Event('input', {bubbles: true}))",
        text,
    )


def click(run, label):
    until(lambda: run(f"return {BUTTONS}.some(b => b.textContent.includes(arguments[0]))", label))
    run(f"{BUTTONS}.find(b => b.textContent.includes(arguments[0])).click()", label)


def upload(driver, *files):
    from selenium.webdriver.common.by import By

    click(driver.execute_script, "Files")
    field = until(lambda: driver.find_elements(By.CSS_SELECTOR, "input[type=file]"))[0]
    field.send_keys("\n".join(map(str, files)))
    shown = "return [...arguments[0].map(name => document.body.innerText.includes(name))].every(Boolean)"
    until(lambda: driver.execute_script(shown, [file.stem for file in files]))


def enter(driver):
    """Into the frame with the annotated page, once it is there."""
    from selenium.webdriver.common.by import By

    driver.switch_to.frame(until(lambda: driver.find_elements(By.CSS_SELECTOR, "iframe.annotated"))[0])
    until(lambda: driver.execute_script("return document.querySelector('.claims') !== null"))


def downloaded(run, folder):
    click(run, "Download")
    return list(jsonl.read(until(lambda: [file for file in folder.iterdir() if file.suffix == ".jsonl"])[0]))


def toast(run):
    return until(lambda: run("return document.querySelector('.toast-body, [class*=toast-body]')?.innerText"))


def quiet(driver, address):
    """Nothing was asked of another host, nothing is left in the browser, and nothing went wrong in the page."""
    run = driver.execute_script
    asked = run("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert 5 < len(asked) < 250  # the browser lists no more
    left = "indexedDB.databases().then(found => arguments[0]([...Object.keys(localStorage), ...found.map(base => base.name)]))"
    assert driver.execute_async_script(left) == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


@pytest.mark.browser
def test_a_pasted_text(driver, address, rules, sample, folder, outside):
    with opened(driver, address, folder) as run:
        assert run("return [document.documentElement.dir, document.documentElement.lang]") == ["rtl", "ar"]
        assert run("return getComputedStyle(document.querySelector('.pasted textarea')).direction") == "rtl"
        paste(run, sample)
        click(run, "Who said what?")
        enter(driver)
        (document,) = Rules().stream([Document("text", sample)])
        assert len(document.claims) > 2
        assert run("return getComputedStyle(document.querySelector('.text p')).direction") == "rtl"
        assert run("return document.querySelector('.text p').textContent") == sample
        assert run("return document.querySelectorAll('[data-claim]').length") == len(document.claims)
        colour = "return getComputedStyle(document.querySelector(arguments[0])).backgroundColor"
        assert len({run(colour, f".text .{role}") for role in ("cue", "source", "content")}) == 3
        # Click the second claim: its words are marked, and no others.
        run("document.querySelectorAll('[data-claim=\"1\"] a')[0].click()")
        marked = run("return [...document.querySelectorAll('.text .on')].map(e => e.textContent).join('')")
        spans = sorted(span for role in ROLES for span in document.claims[1].role(role))
        assert "".join(marked.split()) == "".join("".join(span.of(sample) for span in spans).split())
        # Click a cue in the text: its row is marked.
        run("document.querySelector('.text .cue').click()")
        assert run("return [...document.querySelectorAll('li.on')].map(e => e.dataset.claim)") == ["0"]
        driver.switch_to.default_content()
        assert downloaded(run, folder) == [document]
        quiet(driver, address)
    assert outside == []


@pytest.mark.browser
def test_a_text_by_keyboard(driver, address, folder):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    with opened(driver, address, folder) as run:
        paste(run, "قال علي حسن إن الماء نظيف.")
        ActionChains(driver).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
        enter(driver)
        row = driver.find_element("css selector", "[data-claim] a")
        row.send_keys(Keys.ENTER)
        assert run("return document.querySelectorAll('li.on').length") == 1


@pytest.mark.browser
def test_hostile_text_is_inert(driver, address, folder, tmp_path):
    file = tmp_path / "hostile.jsonl"
    jsonl.write([Document("<img src=x onerror=window.hacked=1>", HOSTILE)], file)
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"id": "<img src=x onerror=window.hacked=1>", "text": 1}\n', encoding="utf-8")
    with opened(driver, address, folder) as run:
        paste(run, HOSTILE)
        click(run, "Who said what?")
        enter(driver)
        assert run("return document.querySelector('.text p').textContent") == HOSTILE
        assert run("return document.querySelectorAll('img, iframe, .text script').length") == 0
        assert run("return window.hacked") is None
        assert run("return window.origin") == "null"
        driver.switch_to.default_content()
        assert run("return [document.querySelectorAll('iframe').length, window.hacked ?? null]") == [1, None]
        assert downloaded(run, folder)[0].text == HOSTILE
        # A name of a document, in the table and in a message.
        upload(driver, file)
        click(run, "Annotate the files")
        assert until(lambda: run("return document.querySelector('.found tbody th')?.textContent")).startswith("<img src=x")
    with opened(driver, address, folder) as run:
        upload(driver, bad)
        click(run, "Annotate the files")
        assert "<img src=x onerror=window.hacked=1>: text: must be a string" in toast(run)
        assert run("return [document.querySelectorAll('[src=x]').length, window.hacked ?? null]") == [0, None]


@pytest.mark.browser
def test_a_batch_of_two_files(driver, address, folder, tmp_path, seeds, sample):
    one, two = tmp_path / "خبر.txt", tmp_path / "b.jsonl"
    one.write_text(sample, encoding="utf-8")
    jsonl.write(seeds[:3], two)
    with opened(driver, address, folder) as run:
        upload(driver, one, two)
        click(run, "Annotate the files")
        expected = list(Rules().stream([Document("خبر", sample), *(Document(d.id, d.text, meta=d.meta) for d in seeds[:3])]))
        rows = until(lambda: run("return [...document.querySelectorAll('.found tbody tr')].map(r => r.innerText.split('\\t'))"))
        assert rows == [[d.id, str(len(d.entities)), str(len(d.claims))] for d in expected]
        caption = run("return document.querySelector('.found caption').innerText")
        counts = [4, sum(len(d.entities) for d in expected), sum(len(d.claims) for d in expected)]
        assert [int(n) for n in re.findall(r"\d+", caption)] == counts
        assert downloaded(run, folder) == expected
        quiet(driver, address)


@pytest.mark.browser
def test_too_long_a_text_gives_a_message(driver, address, rules, folder, capfd):
    rules.seen.clear()
    with opened(driver, address, folder) as run:
        paste(run, "سرّ " * 12_501)
        click(run, "Who said what?")
        said = toast(run)
        assert "50,004 characters, the limit is 50,000" in said
        assert "والحد الأعلى 50,000" in said
        assert run("return document.querySelectorAll('iframe').length") == 0
        assert rules.seen == []
        # The page still works.
        paste(run, "قال علي حسن إن الماء نظيف.")
        click(run, "Who said what?")
        enter(driver)
    assert len(rules.seen) == 1
    out, err = capfd.readouterr()
    assert "Traceback" not in out + err
    assert "سرّ" not in out + err


@pytest.mark.browser
def test_a_phone_needs_no_sideways_scrolling(driver, address, folder, sample):
    with opened(driver, address, folder, width=390) as run:
        paste(run, sample)
        click(run, "Who said what?")
        enter(driver)
        assert run("return document.documentElement.scrollWidth <= innerWidth")
        driver.switch_to.default_content()
        assert run("return document.documentElement.scrollWidth") <= 390
        click(run, "Files")
        assert run("return document.documentElement.scrollWidth") <= 390


@pytest.mark.browser
def test_a_real_model(driver, tiny, tmp_path, folder, sample, outside):
    torch.manual_seed(1)
    settings = config.Config(model=config.Model(encoder=str(tiny), window=64))
    tokenizer, network = encoder.build(settings.model)
    network.claims.anchor.bias.data.fill_(-0.15)  # random weights see an anchor here and there
    network.claims.roles.bias.data[ROLE_TAGS.index("B-content")] += 4  # and content beside it
    save(network, tokenizer, settings, tmp_path / "model")
    predictor = nisba.load(str(tmp_path / "model"))
    with demo.serving(predictor, port=free_port()) as address, opened(driver, address, folder) as run:
        paste(run, sample)
        click(run, "Who said what?")
        enter(driver)
        claims = run("return document.querySelectorAll('[data-claim]').length")
        driver.switch_to.default_content()
        (document,) = downloaded(run, folder)
        assert document.text == sample  # reading it has checked its spans
        assert len(document.claims) == claims > 0
        assert document == predictor.predict(sample)
        quiet(driver, address)
    assert outside == []


def test_uploads_and_results_are_deleted(monkeypatch, outside):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/elsewhere")
    monkeypatch.setattr(demo, "KEPT", 1)
    monkeypatch.setattr(demo, "SWEEP", 1)
    with demo.serving(Rules(), port=free_port()) as address:
        answer = requests.post(f"{address}gradio_api/upload", files={"files": ("a.txt", "نص".encode())}, timeout=WAIT)
        (name,) = answer.json()
        file = Path(name)
        assert file.is_relative_to(folder := os.environ["GRADIO_TEMP_DIR"])
        until(lambda: not file.exists())
        assert Path(folder).stat().st_mode & 0o077 == 0
        too_large = requests.post(f"{address}gradio_api/upload", files={"files": ("a.txt", b"x" * (demo.BYTES + 1))}, timeout=WAIT)
        assert too_large.status_code == 413
    assert not Path(folder).exists()
    assert os.environ["GRADIO_TEMP_DIR"] == "/elsewhere"


def test_what_the_page_is_told(outside):
    """No statistics, no history, one request at a time, nothing for other programs to call."""
    page = demo.build(Rules()).queue()
    assert not page.analytics_enabled
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    assert page.delete_cache == (demo.SWEEP, demo.KEPT)
    assert {fn.api_visibility for fn in page.fns.values()} == {"private"}
    assert {fn.concurrency_id for fn in page.fns.values() if fn.queue} == {"model"}
    with demo.serving(Rules(), port=free_port()) as address:
        settings = requests.get(f"{address}config", timeout=WAIT).json()
    assert settings["footer_links"] == []
    assert settings["run_history"] is False
    assert settings["stylesheets"] == []
    assert settings["max_file_size"] == demo.BYTES


def test_a_port_in_use_is_named(outside):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for wrong in (port, 99_999):
            with pytest.raises(demo.DemoError, match=f"^port {wrong}: not free"), demo.serving(Rules(), port=wrong):
                pass


@pytest.mark.parametrize("text", [None, "", " \n\u200f", "«»"])
def test_no_text(text):
    with pytest.raises(InputError, match=r"الصق نصا أولا\nPaste a text first"):
        demo.annotate(Fails(), text)


def test_limits_of_a_text():
    document = demo.annotate(Rules(), "س" * demo.LIMIT)
    assert (document.id, len(document.text)) == ("text", demo.LIMIT)
    with pytest.raises(InputError) as caught:
        demo.annotate(Fails(), "س" * (demo.LIMIT + 1))
    assert str(caught.value) == "عدد الأحرف 50,001 والحد الأعلى 50,000\n50,001 characters, the limit is 50,000"
    with pytest.raises((InputError, SchemaError), match="lone surrogate"):
        demo.annotate(Fails(), "قال \ud800")


def test_limits_of_a_batch(tmp_path, monkeypatch):
    file, other = tmp_path / "a.jsonl", tmp_path / "b.txt"
    jsonl.write([Document(str(i), "نعم") for i in range(demo.DOCUMENTS)], file)
    other.write_text("لا", encoding="utf-8")
    assert len(demo.annotate_files(Rules(), [file])) == demo.DOCUMENTS
    with pytest.raises(InputError, match=r"اختر ملفا أولا\nChoose a file first"):
        demo.annotate_files(Fails(), [])
    with pytest.raises(InputError, match=r"عدد النصوص 201 والحد الأعلى 200\n201 documents, the limit is 200"):
        demo.annotate_files(Fails(), [file, other])
    with pytest.raises(InputError, match=r"21 files, the limit is 20"):
        demo.annotate_files(Fails(), [other] * 21)
    other.write_text("س" * (demo.LIMIT + 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"^b: عدد الأحرف 50,001 .*\n50,001 characters, the limit is 50,000"):
        demo.annotate_files(Fails(), [other])
    monkeypatch.setattr(demo, "BYTES", 100_000)
    with pytest.raises(InputError, match=r"عدد البايتات .*\n.* bytes, the limit is 100,000"):
        demo.annotate_files(Fails(), [file, other])


def test_every_problem_of_a_batch_is_told_by_the_names_that_were_uploaded(tmp_path):
    texts = {
        "a.jsonl": b'{"id": 1}\n{',
        "b.txt": "قال".encode("utf-16"),
        "c.txt": b" ",
        "d.TXT": b"d",
        "d.JSONL": b'{"id": "d", "text": "d"}',
    }
    for name, data in texts.items():
        (tmp_path / name).write_bytes(data)
    with pytest.raises(FormatError) as caught:
        demo.annotate_files(Fails(), [tmp_path / name for name in texts])
    starts = (
        "a.jsonl:1: ",
        "a.jsonl:2: not JSON",
        "b.txt:1: not UTF-8",
        "c.txt: holds no text",
        "d.JSONL: the document id is given",
    )
    assert {next((s for s in starts if p.startswith(s)), p) for p in caught.value.problems} == set(starts)
    assert str(tmp_path) not in str(caught.value)


def test_a_message_is_escaped_and_ends():
    assert demo.message(InputError("<b>\n&")) == "<bdi>&lt;b&gt;</bdi><br><bdi>&amp;</bdi>"
    lines = demo.message(FormatError(f"problem {i}" for i in range(1000))).split("<br>")
    assert lines == [*(f"<bdi>problem {i}</bdi>" for i in range(demo.SHOWN)), f"… (+{1000 - demo.SHOWN})"]


def test_the_example_is_found():
    document = demo.annotate(Rules(), demo.EXAMPLE)
    assert document.claims
    assert "".join(segment.text for segment in segments(document)) == demo.EXAMPLE


def test_the_frame_cannot_be_left():
    frame = demo.frame(next(Rules().stream([Document('"><script>', HOSTILE)])))
    assert re.fullmatch(r'<iframe [^<>]*sandbox="allow-scripts" srcdoc="[^<>"]*"></iframe>', frame)


def test_without_gradio_the_package_to_install_is_named(monkeypatch):
    code = "import sys; sys.modules['gradio'] = None\nfrom nisba import demo\n"
    code += "try: demo.build(None)\nexcept demo.DemoError as e: print(e)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "the demo needs gradio: pip install 'nisba[demo]'\n"
    monkeypatch.setattr(metadata, "version", lambda name: (_ for _ in ()).throw(metadata.PackageNotFoundError(name)))
    with pytest.raises(demo.DemoError, match=r"pip install 'nisba\[demo\]'"):
        demo.space_files("me/model")


@pytest.mark.parametrize("title", [None, 'نسبة: "من قال ماذا"\n- x: {{ y }}'])
def test_the_files_of_the_space(title, monkeypatch, outside):
    monkeypatch.setattr(metadata, "version", {"gradio": "6.99.1"}.__getitem__)
    files = demo.space_files("me/arabic-1.0", title)
    assert sorted(name for name in files if not name.startswith("nisba/")) == ["README.md", "app.py", "requirements.txt"]
    assert files["nisba/demo.py"] == Path(demo.__file__).read_bytes()
    _, front, text = files["README.md"].decode().split("---\n", 2)
    front = yaml.safe_load(front)
    assert front["title"] == (title or demo.TITLE)
    assert (front["sdk"], front["sdk_version"], front["app_file"]) == ("gradio", "6.99.1", "app.py")
    assert (front["license"], front["models"]) == ("apache-2.0", ["me/arabic-1.0"])
    assert len(front["short_description"]) <= 60  # the hub refuses a longer one
    assert "nisba demo --model me/arabic-1.0" in text
    assert "50,000 characters; a batch 20 files, 200 documents and 2,000,000 bytes" in text
    assert "{{" not in text
    needed = files["requirements.txt"].decode().splitlines()
    assert any(line.startswith("transformers") for line in needed)
    assert not any("extra" in line or line.startswith("gradio") for line in needed)


@pytest.mark.parametrize(("variable", "model"), [(None, "me/model"), ("", "me/model"), ("you/other", "you/other")])
def test_the_app_of_the_space_serves_its_model(variable, model, monkeypatch, outside):
    app = demo.space_files("me/model")["app.py"].decode()
    ast.parse(app)
    served = []
    monkeypatch.setattr(nisba, "load", lambda name: f"predictor of {name}")
    monkeypatch.setattr(demo, "launch", served.append)
    monkeypatch.delenv("NISBA_MODEL", raising=False)
    if variable is not None:
        monkeypatch.setenv("NISBA_MODEL", variable)
    exec(compile(app, "app.py", "exec"), {"__name__": "__main__"})
    assert served == [f"predictor of {model}"]


@pytest.mark.parametrize("repo", ["model", "a/b/c", "../x", "a/b\n", 'a/b"', "a b/c", "", "./model"])
def test_what_is_no_model_of_the_hub_gets_no_space(repo):
    with pytest.raises(InputError, match="no name of a model on the hub; give owner/name"):
        demo.space_files(repo)
