"""The demo: paste a text or upload files, see who said what, take the result along. ``nisba demo --model MODEL`` serves it.

It is served to this machine only (unless ``GRADIO_SERVER_NAME`` names another address), calls no other host, keeps no history and
writes no text to a log. Uploads and results lie in a folder of the server's own: each is deleted after KEPT seconds, all of them
when the server ends.
"""

from __future__ import annotations

import html
import json
import os
import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module, metadata, resources
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from nisba.files import FormatError, decode
from nisba.formats import jsonl
from nisba.inputs import LINES, TEXT, InputError, text_document
from nisba.report.page import render
from nisba.schema import Document, SchemaError, excerpt, trim

if TYPE_CHECKING:
    from nisba.predict import Predictor

LIMIT = 50_000  # characters of one text
FILES, DOCUMENTS, BYTES = 20, 200, 2_000_000  # of one batch
WAITING = 32  # requests in the queue; one is worked on at a time
KEPT, SWEEP = 1740, 60  # seconds: the age at which an upload or a result is deleted, and between two looks for such
SHOWN = 8  # problems that a message lists
REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")  # of the hub: owner/name
TITLE = "nisba: who said what in Arabic news"
EXAMPLE = (
    "قالت وزيرة المياه هدى المنصوري إن السد الجديد سيعمل قبل الصيف، وأضافت: «لن ترتفع التعرفة هذا العام».\n"
    "ونفى رئيس اتحاد المزارعين علم الاتحاد بموعد التشغيل، بحسب صحيفة «ضفاف»."
)
ABOUT = (
    "تجد نسبة في الأخبار العربية من قال ماذا: لفظ النسبة والمصدر والمنسوب والأسماء. النتائج من نموذج وقد تخطئ، "
    "وهي تقرأ ما ينسبه النص ولا تحكم هل قيل حقا. لا يُحفظ نص، وتُحذف الملفات خلال نصف ساعة."
)
ABOUT_ENGLISH = (
    "nisba finds who said what in Arabic news: cue, source, content and names. A model's results can be wrong; they say what "
    "a text attributes, not whether it was said. No text is kept; files are deleted within half an hour."
)
MOST = (
    f"ملفات txt وjsonl: حتى {FILES} ملفا و{DOCUMENTS} نص و{BYTES / 1e6:g} ميغابايت، والنص حتى {LIMIT:,} حرف.",
    f"txt and jsonl files: up to {FILES} files, {DOCUMENTS} documents, {BYTES / 1e6:g} MB; a document up to {LIMIT:,} characters.",
)
COUNTED = {
    "characters": ("الأحرف", "characters"),
    "files": ("الملفات", "files"),
    "bytes": ("البايتات", "bytes"),
    "documents": ("النصوص", "documents"),
}
FOLDER = resources.files("nisba.spaces") / "demo"
RTL = "() => { document.documentElement.lang = 'ar'; document.documentElement.dir = 'rtl' }"
FONTS = ("Noto Naskh Arabic", "Noto Sans Arabic", "Segoe UI", "Tahoma", "Geeza Pro", "sans-serif")  # none is downloaded


class DemoError(RuntimeError):
    """The demo cannot start."""


def launch(predictor: Predictor, *, port: int | None = None) -> None:
    """Serve the demo until interrupted. Raises DemoError."""
    with serving(predictor, port=port) as address, suppress(KeyboardInterrupt):
        print(f"nisba demo: {address} (Ctrl-C ends it)", flush=True)
        threading.Event().wait()


@contextmanager
def serving(predictor: Predictor, *, port: int | None = None) -> Iterator[str]:
    """The demo, served while the block runs; its address. Without a port the first free one from 7860. Raises DemoError."""
    with own_folder():  # gradio asks for its folder when it is imported, and later again
        gr = gradio()
        page = build(predictor).queue(max_size=WAITING, default_concurrency_limit=1)
        try:
            _, address, _ = page.launch(
                server_port=port,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                inline=False,
                run_history=False,
                enable_monitoring=False,
                ssr_mode=False,
                mcp_server=False,
                pwa=False,
                footer_links=[],
                max_file_size=BYTES,
                theme=theme(gr),
                css=(FOLDER / "demo.css").read_text("utf-8"),
                js=RTL,
            )
        except (OSError, OverflowError) as error:
            if isinstance(error, OSError) and error.errno is not None:  # no port has to do with it
                raise
            raise DemoError(f"port {port or '7860 to 7959'}: not free, or not allowed; give another with --port") from error
        try:
            yield address
        finally:
            page.close(verbose=False)


@contextmanager
def own_folder() -> Iterator[None]:
    """Where gradio keeps files while the block runs: a new folder that only this user may read, not one that all servers share."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    with tempfile.TemporaryDirectory(prefix="nisba-demo.") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder
        try:
            yield
        finally:
            del os.environ["GRADIO_TEMP_DIR"]
            if before is not None:
                os.environ["GRADIO_TEMP_DIR"] = before


def theme(gr: ModuleType) -> Any:
    """Fonts that are there already; small print dark enough to read."""
    grey, light = "*neutral_600", "*neutral_300"
    return gr.themes.Default(primary_hue="blue", font=FONTS, font_mono=("monospace",)).set(
        body_text_color_subdued=grey,
        body_text_color_subdued_dark=light,
        block_info_text_color=grey,
        block_info_text_color_dark=light,
    )


def build(predictor: Predictor) -> Any:
    """The page as ``gradio.Blocks``, not yet served. Raises DemoError where gradio is missing."""
    gr = gradio()

    def read(text: str) -> tuple[str, Any]:
        with told():
            document = annotate(predictor, text)
        return frame(document), ready([document])

    def run(files: list[str] | None) -> tuple[str, Any]:
        with told():
            documents = annotate_files(predictor, [Path(file) for file in files or ()])
        return table(documents), ready(documents)

    def ready(documents: Sequence[Document]) -> Any:
        return gr.DownloadButton(value=save(documents, Path(download.GRADIO_CACHE)), visible=True)

    with gr.Blocks(title="نسبة nisba", analytics_enabled=False, delete_cache=(SWEEP, KEPT)) as page:
        gr.HTML('<h1 class="title" dir="rtl">نسبة: من قال ماذا · <bdi lang="en">nisba</bdi></h1>', apply_default_css=False)
        gr.HTML(about(ABOUT, ABOUT_ENGLISH), apply_default_css=False)
        with gr.Tab(both("نص", "Text")):
            text = gr.Textbox(
                label=both("الصق نص الخبر", "Paste an article"),
                info=both(f"حتى {LIMIT:,} حرف", f"up to {LIMIT:,} characters"),
                lines=8,
                max_lines=16,
                rtl=True,
                elem_classes="pasted",
            )
            with gr.Row():
                button = gr.Button(both("من قال ماذا؟", "Who said what?"), variant="primary", scale=3)
                example = gr.Button(both("مثال", "Example"))
            annotated = gr.HTML(apply_default_css=False)
            download = gr.DownloadButton(both("تنزيل JSONL", "Download JSONL"), visible=False)
        with gr.Tab(both("ملفات", "Files")):
            files = gr.File(label=both("ملفات", "Files"), file_count="multiple", file_types=[TEXT, LINES], height=220)
            gr.HTML(about(*MOST), apply_default_css=False)
            start = gr.Button(both("تحليل الملفات", "Annotate the files"), variant="primary")
            found = gr.HTML(apply_default_css=False)
            batch = gr.DownloadButton(both("تنزيل JSONL", "Download JSONL"), visible=False)
        model = {"concurrency_id": "model", "api_visibility": "private"}  # both tabs wait for the one model
        gr.on([button.click, text.submit], read, [text], [annotated, download], **model)
        start.click(run, [files], [found, batch], **model)
        example.click(lambda: EXAMPLE, None, [text], queue=False, api_visibility="private")
    return page


def annotate(predictor: Predictor, text: str | None) -> Document:
    """The annotated document of a pasted text. Raises InputError for none and for one beyond LIMIT."""
    if not text or trim(text, 0, len(text)) is None:
        raise InputError("الصق نصا أولا\nPaste a text first")
    check("characters", len(text), LIMIT)
    return next(predictor.stream([text_document("text", text, "text")]))


def annotate_files(predictor: Predictor, files: Sequence[Path]) -> list[Document]:
    """The annotated documents of a batch. Raises InputError for none and beyond a limit, FormatError with all problems."""
    if not files:
        raise InputError("اختر ملفا أولا\nChoose a file first")
    check("files", len(files), FILES)
    check("bytes", sum(file.stat().st_size for file in files), BYTES)
    documents = read_files(files)
    check("documents", len(documents), DOCUMENTS)
    for document in documents:
        check("characters", len(document.text), LIMIT, where=document.id)
    return list(predictor.stream(documents))


def check(what: str, count: int, most: int, *, where: str = "") -> None:
    """Raises InputError, in both languages, where ``count`` is beyond the limit ``most``; ``where`` is a document's id."""
    if count > most:
        arabic, english = COUNTED[what]
        prefix = f"{excerpt(where)}: " if where else ""
        raise InputError(f"{prefix}عدد {arabic} {count:,} والحد الأعلى {most:,}\n{count:,} {english}, the limit is {most:,}")


def both(arabic: str, english: str) -> str:
    """A phrase in both languages, each in its own direction (Unicode isolates)."""
    return f"\u2067{arabic}\u2069 / \u2066{english}\u2069"


def read_files(files: Sequence[Path]) -> list[Document]:
    """As ``inputs.documents``, but files are named as they were uploaded. Raises FormatError with the problems of all of them."""
    documents: dict[str, Document] = {}
    problems: list[str] = []
    for file in files:
        try:
            if file.suffix.lower() == LINES:
                with file.open("rb") as stream:
                    read = list(jsonl.parse(stream, file.name))
            else:
                read = [text_document(file.stem, decode(file.read_bytes(), file.name), file.name)]
        except (InputError, FormatError) as error:
            problems += str(error).splitlines()
            continue
        twice = [document.id for document in read if document.id in documents]
        problems += [f"{file.name}: the document id is given in another file too: «{excerpt(id)}»" for id in twice]
        documents |= {document.id: document for document in read}
    if problems:
        raise FormatError(problems)
    return list(documents.values())


def frame(document: Document) -> str:
    """The page of ``nisba show`` in a frame of its own: no origin, nothing of the outer page in its reach, only its own script."""
    page = html.escape(render([document]))
    return f'<iframe class="annotated" title="النص المعلَّم" sandbox="allow-scripts" srcdoc="{page}"></iframe>'


def table(documents: Sequence[Document]) -> str:
    """What was found, in all and in each document."""
    total = [len(documents), sum(len(d.entities) for d in documents), sum(len(d.claims) for d in documents)]
    heads = (both("النصوص", "documents"), both("الأسماء", "names"), both("الأقوال", "claims"))
    caption = " · ".join(f"{head} {count:,}" for head, count in zip(heads, total, strict=True))
    rows = (
        f'<tr><th scope="row"><bdi>{html.escape(d.id)}</bdi></th><td>{len(d.entities)}</td><td>{len(d.claims)}</td></tr>'
        for d in documents
    )
    columns = "".join(f'<th scope="col">{head}</th>' for head in (both("النص", "document"), *heads[1:]))
    return (
        f'<div class="found" dir="rtl" tabindex="0"><table><caption>{caption}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def save(documents: Sequence[Document], folder: Path) -> str:
    """The documents as a JSON Lines file in a new folder of ``folder``, whose name nobody can guess; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = Path(tempfile.mkdtemp(dir=folder)) / "nisba.jsonl"
    jsonl.write(documents, file)
    return str(file)


def about(arabic: str, english: str) -> str:
    """Two paragraphs of explanation."""
    return f'<p class="about" dir="rtl">{arabic}</p><p class="about" lang="en" dir="ltr">{english}</p>'


@contextmanager
def told() -> Iterator[None]:
    """Says what is wrong with an input on the page, where else there would be a traceback in the log."""
    try:
        yield
    except (InputError, FormatError, SchemaError) as error:
        raise gradio().Error(message(error), duration=30, print_exception=False) from None


def message(error: Exception) -> str:
    """An error's lines as HTML; it may quote what was uploaded."""
    lines = [f"<bdi>{html.escape(line)}</bdi>" for line in str(error).splitlines()]
    more = [f"… (+{len(lines) - SHOWN})"] if len(lines) > SHOWN else []
    return "<br>".join(lines[:SHOWN] + more)


def gradio() -> ModuleType:
    """gradio, told to send no statistics. Raises DemoError where it is missing."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        return import_module("gradio")
    except ImportError as error:
        raise missing() from error


def missing() -> DemoError:
    return DemoError("the demo needs gradio: pip install 'nisba[demo]'")


def space_files(repo: str, title: str | None = None) -> dict[str, bytes]:
    """The files of a Space that serves the model ``repo`` ("owner/name" on the hub), by path, ready to upload.

    ``title`` is what the hub lists it by. Raises InputError for what is no such name, DemoError where gradio is missing, whose
    version the Space names.
    """
    if not REPO.fullmatch(repo):
        raise InputError(f"{excerpt(repo)}: no name of a model on the hub; give owner/name")
    try:
        version = metadata.version("gradio")
    except metadata.PackageNotFoundError as error:
        raise missing() from error
    app = (FOLDER / "app.py").read_text("utf-8").replace('MODEL = ""', f"MODEL = {json.dumps(repo)}")
    environment = Environment(  # Markdown
        loader=PackageLoader("nisba", "spaces/demo"),
        autoescape=False,  # noqa: S701
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )
    card = environment.get_template("README.md.jinja").render(
        repo=repo,
        title=json.dumps(title or TITLE, ensure_ascii=False),
        version=version,
        limits={"characters": LIMIT, "files": FILES, "documents": DOCUMENTS, "bytes": BYTES},
    )
    return {"README.md": card.encode(), "app.py": app.encode(), "requirements.txt": requirements().encode()} | package()


def package() -> dict[str, bytes]:
    """This package's files under ``nisba/``: the Space runs the code that it was published with, from no index."""
    root = Path(__file__).parent
    kept = [file for file in sorted(root.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
    return {f"nisba/{file.relative_to(root).as_posix()}": file.read_bytes() for file in kept}


def requirements() -> str:
    """What nisba needs beside gradio, which the Space has, a line each."""
    needed = [line for line in metadata.requires("nisba") or () if "extra ==" not in line]
    return "".join(f"{line}\n" for line in needed)
