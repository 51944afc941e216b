"""Documents out of labelled regions and the links between them: what people drew becomes names and claims (see ``regions``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from nisba.formats.carried import Carried, Roles, Was, recognised
from nisba.formats.regions import FIELDS, Region
from nisba.schema import ENTITY_LABELS, LAYERS, ROLES, Claim, Document, Entity, Problem, SchemaError, Span, excerpt

_HOLDS = {"content": "indirect", "source": "person", "cue": "neutral"}  # the place of a choice where choices are not annotated


def compose(
    document_id: str,
    text: str,
    regions: Sequence[Region],
    links: Iterable[tuple[int, int]],
    *,
    before: Carried | None,
    meta: Mapping[str, Any],
    speakers: bool = False,
    confirmed: bool = False,
) -> Document:
    """The document that the regions and the links between them (pairs of indices, either way round) show.

    Args:
        before: what nisba wrote into the file: ids of claims come from there, and what the regions do not tell.
        meta: of the document. Its ``layers`` follow what is drawn: choices that nobody made are not annotated.
        speakers: the regions show who spoke; where they name nobody there is nobody.
        confirmed: a person has gone through the document; one that had no annotation before has all of it now.

    Raises:
        SchemaError: with all problems: parts of claims that hang in the air, choices that are missing or contradict each other,
            and all that ``Document`` finds.
    """
    problems: list[Problem] = []
    groups = _groups(text, regions, links, problems)
    drawn = [_roles(group) for group in groups]
    same: list[Was | None] = recognised(drawn, before.claims) if before else [None] * len(groups)
    taken = {claim.fields.get("id") for claim in same if claim}
    fresh = (name for number in count(1) if (name := f"c{number}") not in taken)
    chosen = any(region.choice for region in regions)
    # Choices of a document in which they were not annotated only held the place.
    trusted = before is not None and (not chosen or "attributes" in _layers(before.meta))
    claims, known = [], True
    for group, roles, was in zip(groups, drawn, same, strict=True):
        old = was.fields if was else {}
        try:
            values, missing = _choices(group, roles, old if trusted else {})
            if missing and chosen:
                raise SchemaError([Problem("claim", f"nobody chose its {' and '.join(missing)}")])
            known = known and not missing
            values["speaker"] = _speaker(group) if speakers else old.get("speaker")
            values["score"] = next((r.score for r in group if r.score is not None), old.get("score"))
            values |= {role: tuple([Span(start, end) for start, end in spans]) for role, spans in roles.items()}
            values |= {"id": old["id"] if was else next(fresh), "core": not any(region.doubt for region in group)}
            claims.append(Claim(**values))
        except SchemaError as error:
            at, said = group[0].where, text[group[0].start : group[0].end]
            problems += [Problem(f"{at}: {p.field}", p.message, p.text or said) for p in error.problems]
    if problems:
        raise SchemaError(problems)
    entities = tuple([_entity(region, before) for region in regions if region.label in ENTITY_LABELS])
    meta = _relayered(meta, _annotated(meta, before, entities, claims, chosen=chosen, known=known, confirmed=confirmed))
    return Document(document_id, text, entities, tuple(claims), meta)


def _groups(text: str, regions: Sequence[Region], links: Iterable[tuple[int, int]], problems: list[Problem]) -> list[list[Region]]:
    """The regions of every claim, the first of its contents in front. Linear in regions and links."""
    near: list[list[int]] = [[] for _ in regions]
    for pair in links:
        one, other = regions[pair[0]], regions[pair[1]]
        if "content" not in (one.label, other.label) or one.label in ENTITY_LABELS or other.label in ENTITY_LABELS:
            at = f"{one.where}: {one.label} «{excerpt(text[one.start : one.end])}»"
            what = f"is linked with a {other.label}; a claim's content is what its other parts are linked with"
            problems.append(Problem(at, what, text[other.start : other.end]))
            continue
        near[pair[0]].append(pair[1])
        near[pair[1]].append(pair[0])
    groups: list[list[Region]] = []
    held: set[int] = set()
    for first, region in enumerate(regions):
        if region.label != "content" or first in held:
            continue
        members = {first: None}  # in the order in which they are met
        waiting = [first]
        while waiting:
            for i in near[waiting.pop()]:
                if i not in members:
                    members[i] = None
                    waiting += [i] if regions[i].label == "content" else []
        held |= members.keys()
        groups.append([regions[i] for i in members])
    for i, region in enumerate(regions):
        if i not in held and region.label not in ENTITY_LABELS:
            said = text[region.start : region.end]
            problems.append(Problem(region.where, f"a {region.label} that no content is linked with", said))
    return groups


def _roles(group: Sequence[Region]) -> Roles:
    roles: dict[str, list[tuple[int, int]]] = {role: [] for role in ROLES}
    for region in group:
        roles[region.label].append((region.start, region.end))
    return {role: tuple(sorted(places)) for role, places in roles.items()}


def _choices(group: Sequence[Region], roles: Roles, old: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The claim's fields of one choice, and which of them nobody chose, now or before. Raises SchemaError."""
    values: dict[str, Any] = {}
    missing = []
    for role, field in FIELDS.items():
        made = {region.choice for region in group if region.choice and region.label == role}
        if len(made) > 1:
            raise SchemaError([Problem(field, f"its {role} says {' and '.join(sorted(made))}")])
        value = made.pop() if made else old.get(field)
        if role == "source" and not roles[role]:
            value = "implicit"
        elif value is None or (role == "source" and value == "implicit"):
            missing += [field] if roles[role] else []
            value = _HOLDS[role]
        values[field] = value
    return values, missing


def _speaker(group: Sequence[Region]) -> str | None:
    named = {region.speaker for region in group if region.speaker is not None}
    if len(named) > 1:
        raise SchemaError([Problem("speaker", "more than one is named", " / ".join(sorted(named)))])
    return named.pop() if named else None


def _entity(region: Region, before: Carried | None) -> Entity:
    score = before.scores.get((region.start, region.end, region.label)) if before and region.score is None else region.score
    return Entity(Span(region.start, region.end), region.label, score, region.doubt)  # type: ignore[arg-type]


def _annotated(
    meta: Mapping[str, Any],
    before: Carried | None,
    entities: Sequence[Entity],
    claims: Sequence[Claim],
    *,
    chosen: bool,
    known: bool,
    confirmed: bool,
) -> frozenset[str]:
    """The layers that are annotated now: those that were, with what is drawn that was not there, without choices never made."""
    layers = set(_layers(meta))
    if before and confirmed and not before.named and not before.claims:
        layers |= LAYERS
    if before and entities and not before.named:
        layers.add("names")
    if before and claims and not before.claims:
        layers.add("roles")
    if chosen:
        layers.add("attributes")
    if not known:
        layers.discard("attributes")
    return frozenset(layers)


def _relayered(meta: Mapping[str, Any], layers: frozenset[str]) -> Mapping[str, Any]:
    if layers == _layers(meta):
        return meta
    rest = {key: value for key, value in meta.items() if key != "layers"}
    return rest if layers == LAYERS else rest | {"layers": sorted(layers)}


def _layers(meta: Mapping[str, Any]) -> frozenset[str]:
    layers = meta.get("layers", [*LAYERS])
    if not isinstance(layers, list) or not all(isinstance(layer, str) and layer in LAYERS for layer in layers):
        raise SchemaError([Problem("meta.layers", f"must be a list of {', '.join(sorted(LAYERS))}", str(layers))])
    return frozenset(layers)
