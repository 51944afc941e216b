"""spaCy's DocBin (``.spacy``): names are its entities, fragments of claims the spans of its group ``nisba``.

A span's label is the role, its ID the claim's id: ``spancat`` learns the roles with ``spans_key = "nisba"``. The rest travels as
JSON, which is text to spaCy, in ``user_data["nisba"]``; where somebody changed entities or spans since, these win. Tokens are those
of scoring, and white space where it is more than one space. Needs spaCy (extra ``docbin``). Nothing is lost; the whole file is in
memory, as it is in spaCy. How the bytes are read: ``docbin_bytes``.
Format: https://spacy.io/api/docbin, https://spacy.io/api/spangroup
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from spacy.tokens import Doc, DocBin
from spacy.tokens import Span as Run
from spacy.vocab import Vocab

from nisba.files import FormatError, atomic
from nisba.formats.bounded import load_row, pieces
from nisba.formats.carried import KEY, pack
from nisba.formats.docbin_bytes import Packed, unpacked
from nisba.formats.gather import gathered
from nisba.formats.gather import named as naming
from nisba.schema import LAYERS, ROLES, Claim, Document, Entity, Problem, SchemaError, Span, excerpt
from nisba.text import tokens

ATTRIBUTES = ("ENT_IOB", "ENT_TYPE")  # of tokens, beside the word itself
LIMIT = 1 << 28  # bytes of a file
REBUILT = {"text": "rebuilt from words"}


def write(documents: Iterable[Document], path: Path) -> int:
    """Write a DocBin; the file appears whole or not at all. Returns how many documents there were."""
    vocab, packed = Vocab(), DocBin(attrs=ATTRIBUTES, store_user_data=True)
    for document in documents:
        packed.add(doc(document, vocab))
    with atomic(path) as stream:
        stream.buffer.write(packed.to_bytes())  # type: ignore[attr-defined]  # nothing but bytes goes through it
    return len(packed)


def losses(document: Document) -> list[str]:
    """Nothing is lost."""
    return []


def doc(document: Document, vocab: Vocab) -> Doc:
    """A document as spaCy's ``Doc`` whose words go into ``vocab``."""
    words, spaces = split(document.text)
    found = Doc(vocab, words=words, spaces=spaces)
    first = {token.idx: token.i for token in found}
    behind = {token.idx + len(token): token.i + 1 for token in found}

    def run(span: Span, label: str, name: str = "") -> Run:
        return Run(found, first[span.start], behind[span.end], label=label, span_id=name)

    unmarked = "outside" if "names" in document.layers else "missing"
    found.set_ents([run(entity.span, entity.label) for entity in document.entities], default=unmarked)
    found.spans[KEY] = [run(span, role, claim.id) for claim in document.claims for role in ROLES for span in claim.role(role)]
    found.user_data[KEY] = pack(document)
    return found


def split(text: str) -> tuple[list[str], list[bool]]:
    """Words, and whether a space stands behind each, which together make the text. White space beyond that is a word."""
    words: list[str] = []
    spaces: list[bool] = []
    last = 0
    for start, end in [*((token.start, token.end) for token in tokens(text)), (len(text), len(text))]:
        gap = text[last:start]
        if words and gap.startswith(" "):
            spaces[-1], gap = True, gap[1:]
        found = [piece for piece in (gap, text[start:end]) if piece]
        words += found
        spaces += [False] * len(found)
        last = end
    return words, spaces


def read(path: Path) -> Iterator[Document]:
    """The documents of a DocBin; one that nisba did not write has its entities and what the group holds, and an id from the file's
    name. Raises FormatError with all problems once the end is reached, OSError."""
    documents = enumerate(unpacked(pieces(path, LIMIT), str(path)), 1)
    rows = ((f"{path}: document {number}", number, packed) for number, packed in documents)
    yield from gathered(rows, lambda packed, number: _document(packed, f"{path.stem}-{number:05}"), str(path))


def _document(packed: Packed | FormatError, fallback: str) -> Document:
    """Raises FormatError."""
    if isinstance(packed, FormatError):
        raise packed
    before, name = None, fallback
    try:
        if packed.carried is not None:
            before = _carried(packed.carried)
            name = before["id"]
        entities, named = _entities(packed, before)
        claims, claimed = _claims(packed, before)
        if before:
            meta = _relayered(before["meta"], named=named, claimed=claimed)
        else:
            layers = [layer for layer, there in (("names", packed.marked), ("roles", KEY in packed.groups)) if there]
            meta = {"layers": layers} | ({} if packed.spaced else REBUILT)
        return Document(name, packed.text, entities, claims, meta)
    except SchemaError as error:
        raise naming(str(name), error) from None


def _carried(value: str) -> dict[str, Any]:
    """What travelled along, names and claims as such. Raises SchemaError."""
    try:
        row: dict[str, Any] = load_row(value.encode())
        if row.keys() != {"id", "meta", "entities", "claims"} or not isinstance(row["meta"], dict):
            raise SchemaError([Problem(KEY, "must have id, meta, entities and claims, as nisba wrote it", value)])
        return row | {"entities": [*map(Entity.from_dict, row["entities"])], "claims": [*map(Claim.from_dict, row["claims"])]}
    except SchemaError as error:
        raise SchemaError(Problem(f"user_data: {p.field}", p.message, p.text) for p in error.problems) from None
    except (AttributeError, TypeError, ValueError) as error:
        raise SchemaError([Problem(f"user_data: {KEY}", f"is not what nisba wrote: {error}", value)]) from None


def _relayered(meta: dict[str, Any], *, named: bool, claimed: bool) -> dict[str, Any]:
    """``meta`` with the layers to which names or claims were added; of the claims' attributes nothing is known."""
    layers = meta.get("layers", [*LAYERS])
    if not isinstance(layers, list) or not (named or claimed):
        return meta
    changed = {str(layer) for layer in layers} | ({"names"} if named else set()) | ({"roles"} if claimed else set())
    changed -= {"attributes"} if claimed else set()
    return meta if changed == {*layers} else meta | {"layers": sorted(changed)}


def _entities(packed: Packed, before: dict[str, Any] | None) -> tuple[tuple[Entity, ...], bool]:
    """Those that are there, with what travelled along of them, in the order that they had; then new ones. Whether there are any."""
    there = {Entity(Span(start, end), label): None for start, end, label in packed.entities}  # type: ignore[arg-type]
    kept = [entity for entity in (before["entities"] if before else ()) if Entity(entity.span, entity.label) in there]
    known = {Entity(entity.span, entity.label) for entity in kept}
    added = [entity for entity in there if entity not in known]
    return (*kept, *added), bool(added)


def _claims(packed: Packed, before: dict[str, Any] | None) -> tuple[tuple[Claim, ...], bool]:
    """The same for claims. The attributes of new ones only hold their places."""
    there: dict[str, dict[str, Any]] = {}
    problems: list[Problem] = []
    for number, (start, end, role, name) in enumerate(packed.groups.get(KEY, ())):
        if role not in ROLES or not name:
            where, what = (
                f"spans[{KEY!r}][{number}]",
                f"must be one of {', '.join(ROLES)}" if name else "needs the claim's id as its ID",
            )
            problems.append(Problem(where, what, f"{role}: {packed.text[start:end]}"))
            continue
        roles = there.setdefault(name, dict.fromkeys(ROLES, ()))
        roles[role] = tuple(sorted({*roles[role], Span(start, end)}))
    if problems:
        raise SchemaError(problems)
    claims = []
    for claim in before["claims"] if before else ():
        if (spans := there.pop(claim.id, None)) is not None:
            claims.append(replace(claim, **spans) if spans["source"] else replace(claim, **spans, source_type="implicit"))
    for name, spans in there.items():
        try:
            claims.append(Claim(name, **spans, source_type="person" if spans["source"] else "implicit"))
        except SchemaError as error:
            problems += [Problem(f"claim {excerpt(name)}.{p.field}", p.message, p.text) for p in error.problems]
    if problems:
        raise SchemaError(problems)
    return tuple(claims), bool(there)
