"""A CAS as XMI: XML 1.0 in which a feature structure is an element, its features attributes, the text an attribute of ``cas:Sofa``.

Read with expat: nothing that a document type could declare is ever expanded, and the line of every element is known. XML cannot
hold all of Unicode (no NUL, hardly a control): ``unfit`` says what it cannot.
Format: https://uima.apache.org/d/uimaj-current/references.html (XMI CAS serialization)
"""

from __future__ import annotations

import re
import xml.parsers.expat
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from nisba.files import FormatError
from nisba.formats.cas_types import ARRAY, SOFA, VIEW
from nisba.formats.problems import few
from nisba.formats.structures import KEPT, Cas, Structure, Value, checked
from nisba.schema import excerpt

_XMI, _CAS, _OURS = "http://www.omg.org/XMI", "http:///uima/cas.ecore", "http:///nisba.ecore"
DEEPEST = 3  # elements in each other: the root, a structure, a value of a list
_ID = f"{_XMI} id"
_UNFIT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PREFIXES = {"uima.cas.": "cas:", "nisba.": "nisba:"}
_WHITE = {"\t": "&#9;", "\n": "&#10;", "\r": "&#13;", "\x85": "&#133;", "\u2028": "&#8232;"}  # the latter two: line ends to XML 1.1


def unfit(text: str, structures: Sequence[Structure]) -> str | None:
    """The first character that XML cannot hold, as ``U+0000``."""
    for value in (text, *(value for structure in structures for value in structure.values.values())):
        if isinstance(value, str) and (found := _UNFIT.search(value)):
            return f"U+{ord(found.group()):04X}"
    return None


def render(text: str, structures: Sequence[Structure], members: Sequence[int]) -> str:
    """The XMI file of a text, whose id is 1, and structures."""
    rows = [
        f'<xmi:XMI xmlns:xmi="{_XMI}" xmlns:cas="{_CAS}" xmlns:nisba="{_OURS}" xmi:version="2.0">',
        '<cas:NULL xmi:id="0"/>',
        *(_element(structure) for structure in structures if structure.type != ARRAY),
        f'<cas:Sofa xmi:id="1" sofaNum="1" sofaID="{VIEW}" mimeType="text/plain" sofaString={quoteattr(text, _WHITE)}/>',
        f'<cas:View sofa="1" members="{" ".join(map(str, members))}"/>',
        "</xmi:XMI>",
    ]
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(rows) + "\n"


def _element(structure: Structure) -> str:
    prefix = next(prefix for package, prefix in _PREFIXES.items() if structure.type.startswith(package))
    name = prefix + structure.type.rpartition(".")[2]
    values = "".join(f" {key}={quoteattr(_written(value), _WHITE)}" for key, value in structure.values.items() if value != ())
    return f'<{name} xmi:id="{structure.id}"{values}/>'


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def parse(data: bytes) -> Cas:
    """The CAS of an XMI file. Raises FormatError with everything that is wrong: not XML, a document type, other elements."""
    parsing = _Parsing()
    try:
        parsing.parser.Parse(data, True)
    except xml.parsers.expat.ExpatError as error:
        raise FormatError(
            [f"line {error.lineno}: not XML: {xml.parsers.expat.ErrorString(error.code)}: «{_near(data, error)}»"]
        ) from None
    except LookupError as error:
        raise FormatError([f"line 1: not XML: {excerpt(str(error))}"]) from None  # an encoding that Python has not
    return parsing.done()


class _Parsing:
    """A CAS under way. XMI may name members before it says what they are."""

    def __init__(self) -> None:
        self.parser = xml.parsers.expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.cas, self.problems, self.depth = Cas(), list[str](), 0
        self.views: dict[str, str] = {}

    def done(self) -> Cas:
        members = self.views.get(str(self.cas.sofa), "").split()
        if not all(member.isascii() and member.isdigit() and len(member) < 10 for member in members):
            self.problems.append(f"cas:View: members must be numbers: «{excerpt(' '.join(members))}»")
        elif not self.problems:
            self.cas.members = frozenset(map(int, members))
        return checked(self.cas, self.problems)

    def _doctype(self, name: str, *_: object) -> None:
        raise FormatError([f"line {self.parser.CurrentLineNumber}: has a document type; XMI needs none: «{excerpt(name)}»"])

    def _start(self, tag: str, values: dict[str, str]) -> None:
        self.depth += 1
        line = f"line {self.parser.CurrentLineNumber}"
        few(self.problems)
        if self.depth > DEEPEST:
            raise FormatError([f"{line}: not XMI: elements in elements in elements: «{excerpt(tag)}»"])
        if self.depth == 1 and tag != f"{_XMI} XMI":
            raise FormatError([f"{line}: not XMI: the root element is «{excerpt(tag)}»"])
        if self.depth != 2:  # deeper ones are values of lists of strings, which our types have not
            return
        space, _, name = tag.rpartition(" ")
        kind = space.removeprefix("http:///").removesuffix(".ecore").replace("/", ".") + "." + name
        if kind == "uima.cas.View":
            self.views[values.get("sofa", "")] = values.get("members", "")
        elif kind in KEPT or kind == SOFA:
            own = {key: value for key, value in values.items() if " " not in key}
            structure = Structure(self._id(values, line), kind, own, line)
            if kind == SOFA:
                self._sofa(structure)
            else:
                self.cas.add(structure, self.problems)

    def _end(self, tag: str) -> None:
        self.depth -= 1

    def _id(self, values: dict[str, str], line: str) -> int:
        given = values.get(_ID, "")
        if given.isascii() and given.isdigit() and len(given) < 10:
            return int(given)
        self.problems.append(f"{line}: xmi:id must be a number: «{excerpt(given)}»")
        return -1

    def _sofa(self, sofa: Structure) -> None:
        if sofa.values.get("sofaID") != VIEW:
            return
        if self.cas.sofa:
            self.problems.append(f"{sofa.where}: a second text of the view {VIEW}")
        text = sofa.values.get("sofaString")
        self.cas.sofa, self.cas.text = sofa.id, text if isinstance(text, str) else None


def _near(data: bytes, error: xml.parsers.expat.ExpatError) -> str:
    lines = data.split(b"\n", error.lineno)
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else b""
    return excerpt(line[max(0, error.offset - 20) : error.offset + 20].decode("utf-8", "replace").strip())
