"""Feature structures: what a UIMA CAS is made of, as far as it is ours, however it is written down (see ``xmi``, ``cas_json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nisba.files import FormatError
from nisba.formats.cas_types import ARRAY, LINK, TYPES, VIEW
from nisba.schema import excerpt

Value = str | int | bool | tuple[int, ...]
KEPT = frozenset((*TYPES, ARRAY))  # types that are read; whatever else a tool wrote is its own business


@dataclass(frozen=True, slots=True)
class Structure:
    """A feature structure. References are tuples of ids, or text with spaces between them. ``where`` is what messages call it."""

    id: int
    type: str
    values: Mapping[str, Value]
    where: str = ""

    def string(self, name: str) -> str | None:
        """A feature's text; None where it has none or an empty one: tools do not tell these apart. Raises FormatError."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.error(name, "must be a string", value)
        return value or None

    def flag(self, name: str) -> bool:
        """A feature's truth, false where it has none. Raises FormatError."""
        value = self.values.get(name, False)
        if not isinstance(value, bool) and value not in ("true", "false"):
            raise self.error(name, "must be true or false", value)
        return value is True or value == "true"

    def number(self, name: str) -> int:
        """A whole number that is not negative. Raises FormatError."""
        value = self.values.get(name)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
            return int(value)
        if type(value) is not int or value < 0:
            raise self.error(name, "must be a whole number", value)
        return value

    def references(self, name: str) -> tuple[int, ...]:
        """The ids that a feature refers to, null left out. Raises FormatError."""
        value = self.values.get(name, ())
        if isinstance(value, str):
            ids = value.split()
            if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in ids):
                raise self.error(name, "must refer to other structures by number", value)
            value = tuple(map(int, ids))
        if not isinstance(value, tuple):
            raise self.error(name, "must refer to other structures by number", value)
        return tuple(id_ for id_ in value if id_)

    def error(self, name: str, what: str, value: object) -> FormatError:
        given = "" if value is None else f": «{excerpt(str(value))}»"
        return FormatError([f"{self.where}: {self.type}.{name}: {what}{given}"])


@dataclass(slots=True)
class Cas:
    """The text of the first view and the structures of our types that are in its index, with the links that these hold."""

    text: str | None = None
    sofa: int = 0
    members: frozenset[int] = frozenset()
    structures: dict[int, Structure] = field(default_factory=dict)

    def add(self, structure: Structure, problems: list[str]) -> None:
        if structure.id in self.structures:
            problems.append(f"{structure.where}: the id {structure.id} is given twice: «{structure.type}»")
        self.structures[structure.id] = structure

    def indexed(self, kind: str) -> list[Structure]:
        """Those of a type that are in the index, in the order of their ids. One that is not there was deleted."""
        return [self.structures[i] for i in sorted(self.members & self.structures.keys()) if self.structures[i].type == kind]

    def links(self, claim: Structure) -> list[Structure]:
        """What a claim's ``roles`` refer to, in an array of its own or in the claim itself. Raises FormatError."""
        found = [self._get(claim, "roles", i) for i in claim.references("roles")]
        if len(found) == 1 and found[0].type == ARRAY:
            found = [self._get(found[0], "elements", i) for i in found[0].references("elements")]
        for link in found:
            if link.type != LINK:
                raise claim.error("roles", f"must hold links, not a {link.type}", link.id)
        return found

    def target(self, link: Structure, kind: str) -> Structure:
        """What a link leads to. Raises FormatError where that is of another type, or was deleted."""
        ids = link.references("target")
        if len(ids) != 1:
            raise link.error("target", "must lead to one annotation", link.values.get("target"))
        target = self._get(link, "target", ids[0])
        if target.type != kind:
            raise link.error("target", f"must lead to a {kind}, not to a {target.type}", ids[0])
        if target.id not in self.members:
            raise link.error("target", "leads to an annotation that is not in the index: it was deleted", ids[0])
        return target

    def _get(self, structure: Structure, name: str, id_: int) -> Structure:
        if id_ not in self.structures:
            raise structure.error(name, "refers to nothing of our types", id_)
        return self.structures[id_]


def checked(cas: Cas, problems: list[str]) -> Cas:
    """The same. Raises FormatError with ``problems``, or where it has no text."""
    if cas.text is None and not problems:
        problems.append(f"the view {VIEW} has no text (sofaString)")
    if problems:
        raise FormatError(problems)
    return cas
