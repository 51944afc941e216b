"""What goes over the wire: pydantic models of requests and answers, and messages on what does not fit that never repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from nisba.schema import ClaimType, Document, EntityLabel, SourceType, Stance
from nisba.serve.limits import Limits

SHOWN = 8  # problems that a message lists
ID_LENGTH = 200
# A character that is no white space to any of Python, Rust and ECMAScript, whose notions of \s differ.
VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f\ufeff]"
# No control character but white space: what has others is no article but a binary file, or was cut out of one.
TEXT = r"^[^\x00-\x08\x0e-\x1f\x7f]*$"

SAID = {  # by pydantic's type of error; its own messages may quote the input
    "missing": "is missing",
    "extra_forbidden": "has a key that is not of the format",
    "model_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a string",
    "string_unicode": "is not Unicode text",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
}


class RequestError(ValueError):
    """A body that cannot be taken; ``status`` is 400 for what is no JSON, else 422."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Articles(Message):
    """The form of a request, without the server's limits: ``request_model`` adds them."""

    class Article(Message):
        id: str | None = None
        text: str

    documents: Sequence[Article]


Span = Annotated[tuple[int, int], Field(description="[start, end) in Unicode code points of the text")]
Score = Annotated[float, Field(ge=0, le=1)]


class Entity(Message):
    """A name in the text."""

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    label: EntityLabel
    score: Score


class Claim(Message):
    """Something that the article attributes to somebody. A role is a list of spans in text order."""

    id: str
    cue: list[Span]
    source: list[Span]
    content: list[Span] = Field(min_length=1)
    addressee: list[Span]
    type: ClaimType
    source_type: SourceType
    stance: Stance
    speaker: str | None
    score: Score


class AnnotatedDocument(Message):
    """A document of nisba's interchange format; its text is as it was sent."""

    id: str
    text: str
    meta: dict[str, Any]
    entities: list[Entity]
    claims: list[Claim]


class Failure(Message):
    """A document that the model failed on."""

    position: int = Field(ge=0, description="in the request, from 0")
    id: str
    error: str


class Answer(Message):
    """The annotated documents in the order of the request, without those that are listed in ``errors``."""

    documents: list[AnnotatedDocument]
    errors: list[Failure]


class State(Message):
    status: Literal["alive", "ready"]


class Error(Message):
    error: str = Field(description="one message; it never repeats what was sent")


def request_model(limits: Limits) -> type[Articles]:
    """The form of a request under these limits."""

    class Article(Articles.Article):
        """One text; where there is no id, the document's position in the request stands for it."""

        id: Annotated[str, StringConstraints(min_length=1, max_length=ID_LENGTH, pattern=VISIBLE)] | None = None
        text: Annotated[str, StringConstraints(min_length=1, max_length=limits.max_characters, pattern=TEXT)]

    class Request(Articles):
        """The documents to annotate: one, or many."""

        documents: Annotated[list[Article], Field(min_length=1, max_length=limits.max_documents)]

    return Request


def parse(raw: bytes, model: type[Articles]) -> list[Document]:
    """The documents of a request's body. Raises RequestError."""
    try:
        articles = model.model_validate_json(raw).documents
    except ValidationError as error:
        raise problems(error) from None
    return [Document(str(i) if article.id is None else article.id, article.text) for i, article in enumerate(articles)]


def problems(error: ValidationError) -> RequestError:
    """What is wrong with a request, by place; nothing of the request itself."""
    count = error.error_count()
    if count > 1000:  # to list them would take longer than the request is worth
        return RequestError(f"{count} problems", 422)
    found = error.errors(include_url=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return RequestError(f"not JSON: {found[0]['ctx']['error']}", 400)
    lines = list(dict.fromkeys(problem(entry["type"], entry["loc"], entry.get("ctx", {})) for entry in found))
    more = [f"… (+{len(lines) - SHOWN})"] if len(lines) > SHOWN else []
    return RequestError("; ".join(lines[:SHOWN] + more), 422)


def problem(kind: str, where: tuple[int | str, ...], context: dict[str, Any]) -> str:
    """One problem; of ``where`` only names and positions of the format, not a key that the client made up."""
    if kind == "extra_forbidden":
        where = where[:-1]
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in where).removeprefix(".")
    if kind == "string_too_long":
        said = f"has more than {context['max_length']:,} characters"
    elif kind == "too_long":
        said = f"has more than {context['max_length']:,} documents"
    elif kind == "string_pattern_mismatch":
        said = "must have a visible character" if context["pattern"] == VISIBLE else "has a control character"
    else:
        said = SAID.get(kind, "is not of the format")
    return f"{path or 'the request'}: {said}"
