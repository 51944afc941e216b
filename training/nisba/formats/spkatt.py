"""The data of the shared task on speaker attribution (GermEval 2023, German): a JSON file a document, all in tokens. Read only.

``Cue`` (with the separable prefixes in ``PTC``), ``Source``, ``Message`` and ``Addr`` are the roles, each a list of tokens as
``sentence:token``. The files hold no text: it is rebuilt with a space between tokens and a line end between sentences, and
``meta["text"]`` says so. Tokens next to each other are one fragment, edges of punctuation are left out. A token in two roles is
left out of the later in the order cue, source, addressee, content. Annotations without a message are no claims. Both are listed
in ``meta["spkatt"]``, as is whatever else is said of an annotation (form, frame, medium, topic, …), by the claim's id. Only roles
are annotated, and ``meta["layers"]`` says so. Sentences may stand in a list or in an object, by number.
Data: https://github.com/uhh-lt/news-speaker-attribution-2023 (news), https://github.com/umanlp/SpkAtt-2023 (debates)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nisba.files import FormatError
from nisba.formats import collection
from nisba.formats.bounded import json_text, whole
from nisba.formats.fragments import words_of
from nisba.formats.problems import few
from nisba.schema import Claim, Document, SchemaError, Span, excerpt

PRETTY = ".pretty.json"  # the same again with the words spelt out, for people
KEYS = {"cue": ("Cue", "PTC"), "source": ("Source",), "addressee": ("Addr",), "content": ("Message",)}
REBUILT = "rebuilt from words"


def read(path: Path) -> Iterator[Document]:
    """The document of a file, or of every ``.json`` file of a folder and its sub-folders but the pretty ones; its id is its name,
    else the file's. Raises FormatError with all problems once the end is reached, OSError."""
    problems: list[str] = []
    files = collection.files(path, ".json", problems) if path.is_dir() else [(path, path.stem)]
    entries = ((file, name) for file, name in files if not (path.is_dir() and file.name.endswith(PRETTY)))
    yield from collection.read(entries, _document, problems, path)


def _document(file: Path, fallback: str) -> Document:
    """Raises FormatError, SchemaError."""
    row = json_text(whole(file), str(file))
    name = row.get("DocumentName", fallback) if isinstance(row, dict) else fallback
    try:
        reading = _Reading(row)
        if reading.problems:
            raise FormatError(reading.problems)
    except FormatError as error:
        raise FormatError(f"{file}: {excerpt(str(name))}: {problem}" for problem in error.problems) from None
    meta: dict[str, Any] = {"layers": ["roles"], "text": REBUILT}
    meta |= {"spkatt": reading.kept} if reading.kept else {}
    return Document(name, reading.text, claims=tuple(reading.claims), meta=meta)


class _Reading:
    """A document under way: where its tokens lie in the text that they make, and what is wrong with it."""

    def __init__(self, row: Any):
        self.problems: list[str] = []
        self.kept: dict[str, Any] = {}
        self.claims: list[Claim] = []
        self._pieces: list[str] = []
        self._length = 0
        self._numbers: dict[str, int] = {}  # sentence:token → number of the token in the document
        self._edges: list[tuple[int, int]] = []
        sentences, annotations = self._sections(row)
        for where, name, tokens in sentences:
            self._sentence(where, name, tokens)
        self.text = "".join(self._pieces)
        for where, annotation in annotations if not self.problems else ():
            self._annotation(where, annotation)

    def _sections(self, row: Any) -> tuple[list[tuple[str, Any, Any]], list[tuple[str, Any]]]:
        """(where, sentence's name, its tokens) and (where, annotation) of either layout."""
        if not isinstance(row, dict) or not row:
            self.problems.append(f"must be an object with Sentences: «{excerpt(str(row))}»")
            return [], []
        if "Sentences" in row:
            rows = self._objects("Sentences", row["Sentences"])
            sentences = [(where, sentence.get("SentenceId"), sentence.get("Tokens")) for where, sentence in rows]
            return sentences, [*self._objects("Annotations", row.get("Annotations", []))]
        numbered = {key: value for key, value in row.items() if key.isascii() and key.isdigit() and isinstance(value, dict)}
        wrong = [f"is no sentence, and there are no Sentences: «{excerpt(key)}»" for key in row if key not in numbered]
        self.problems += wrong[:1]
        sentences = [(key, int(key), value.get("Tokens")) for key, value in numbered.items()]
        annotations = (self._objects(f"{key}.Annotations", value.get("Annotations", [])) for key, value in numbered.items())
        return sentences, [pair for pairs in annotations for pair in pairs]

    def _objects(self, where: str, rows: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        given = rows if isinstance(rows, list) else [rows]
        for number, row in enumerate(given):
            few(self.problems)
            if isinstance(row, dict) and given is rows:
                yield f"{where}[{number}]", row
            else:
                self.problems.append(f"{where}: must be a list of objects: «{excerpt(str(row))}»")

    def _sentence(self, where: str, name: Any, tokens: Any) -> None:
        if type(name) is not int or f"{name}:0" in self._numbers:
            self.problems.append(f"{where}.SentenceId: must be a number, and not given before: «{excerpt(str(name))}»")
            return
        if not isinstance(tokens, list) or not all(isinstance(token, str) and token.strip() for token in tokens):
            self.problems.append(f"{where}.Tokens: must be a list of words: «{excerpt(str(tokens))}»")
            return
        for number, token in enumerate(tokens):
            gap = " " if number else "\n" if self._pieces else ""
            self._pieces += [gap, token]
            start = self._length + len(gap)
            self._length = start + len(token)
            self._numbers[f"{name}:{number}"] = len(self._edges)
            self._edges.append((start, self._length))

    def _annotation(self, where: str, row: dict[str, Any]) -> None:
        taken: set[int] = set()
        shared: list[str] = []
        roles: dict[str, Any] = {}
        for role, keys in KEYS.items():
            numbers = {number: token for key in keys for token, number in self._tokens(f"{where}.{key}", row.get(key, []))}
            shared += [token for number, token in numbers.items() if number in taken]
            roles[role] = self._fragments(sorted(numbers.keys() - taken))
            taken |= numbers.keys()
        used = {key for keys in KEYS.values() for key in keys}
        rest = {
            key: value for key, value in row.items() if key not in used and not key.endswith("Text") and value not in ([], None)
        }
        if not roles["content"]:
            self.kept.setdefault("without_message", []).append({key: value for key, value in row.items() if value != []})
            return
        name = f"c{len(self.claims) + 1}"
        for key, value in (("annotations", rest), ("shared", shared)):
            if value:
                self.kept.setdefault(key, {})[name] = value
        try:
            # Source types are a guess: only the roles are meant.
            self.claims.append(Claim(name, **roles, source_type="person" if roles["source"] else "implicit"))
        except SchemaError as error:
            self.problems += [f"{where}: {problem}" for problem in error.problems]

    def _tokens(self, where: str, tokens: Any) -> Iterator[tuple[str, int]]:
        for token in tokens if isinstance(tokens, list) else [tokens]:
            few(self.problems)
            if isinstance(token, str) and token in self._numbers and isinstance(tokens, list):
                yield token, self._numbers[token]
            else:
                self.problems.append(f"{where}: must be a list of tokens of the document: «{excerpt(str(token))}»")

    def _fragments(self, numbers: Sequence[int]) -> tuple[Span, ...]:
        """What runs of tokens cover, without punctuation at their edges."""
        all_of = {*numbers}
        firsts = [number for number in numbers if number - 1 not in all_of]
        lasts = [number for number in numbers if number + 1 not in all_of]
        found = (words_of(self.text, self._edges[a][0], self._edges[b][1]) for a, b in zip(firsts, lasts, strict=True))
        return tuple(span for span in found if span is not None)
