"""The UIMA types in which a CAS holds our annotation, as a type system description and as the section ``%TYPES`` of a JSON CAS.

``nisba.Article`` is of the whole text: id and ``meta`` (as JSON). ``nisba.Name`` is a name. ``nisba.Claim`` lies on the first
fragment of its cue, or, where it has none, on the first fragment of its content. Its other fragments are spans ``nisba.Fragment``;
it holds links to them that say their role. Several claims may link one fragment. A score is the number as text: single precision
would change it. INCEpTION knows these types as the layers of ``configs/annotation/inception/layers.json``.
Format: https://uima.apache.org/d/uimaj-current/references.html (type system descriptor),
https://github.com/apache/uima-uimaj-io-jsoncas (JSON CAS 0.4.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

ARTICLE, NAME, FRAGMENT, CLAIM, LINK = (f"nisba.{name}" for name in ("Article", "Name", "Fragment", "Claim", "ClaimRolesLink"))
ARRAY, SOFA, VIEW = "uima.cas.FSArray", "uima.cas.Sofa", "_InitialView"
STRING, FLAG = "uima.cas.String", "uima.cas.Boolean"
LINKS = f"{LINK}[]"


@dataclass(frozen=True, slots=True)
class Type:
    """A type: what it is derived from, and its own features with their ranges."""

    base: str
    features: Mapping[str, str]


TYPES = {
    ARTICLE: Type("uima.cas.AnnotationBase", {"identifier": STRING, "meta": STRING}),
    NAME: Type("uima.tcas.Annotation", {"label": STRING, "ambiguous": FLAG, "score": STRING}),
    FRAGMENT: Type("uima.tcas.Annotation", {}),
    LINK: Type("uima.cas.TOP", {"role": STRING, "target": FRAGMENT}),
    CLAIM: Type(
        "uima.tcas.Annotation",
        {
            "identifier": STRING,
            "claimType": STRING,
            "sourceType": STRING,
            "stance": STRING,
            "speaker": STRING,
            "optional": FLAG,
            "score": STRING,
            "roles": LINKS,
        },
    ),
}


def descriptor() -> str:
    """``TypeSystem.xml``: what a program needs to read our XMI files."""
    types = "".join(
        f"    <typeDescription>\n      <name>{name}</name>\n      <description/>\n"
        f"      <supertypeName>{kind.base}</supertypeName>\n      <features>\n"
        + "".join(_feature(feature, reach) for feature, reach in kind.features.items())
        + "      </features>\n    </typeDescription>\n"
        for name, kind in TYPES.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<typeSystemDescription xmlns="http://uima.apache.org/resourceSpecifier">\n'
        f"  <name>nisba</name>\n  <types>\n{types}  </types>\n</typeSystemDescription>\n"
    )


def _feature(name: str, reach: str) -> str:
    array = f"<elementType>{LINK}</elementType><multipleReferencesAllowed>false</multipleReferencesAllowed>"
    kind = f"<rangeTypeName>{ARRAY if reach == LINKS else reach}</rangeTypeName>{array if reach == LINKS else ''}"
    return f"        <featureDescription><name>{escape(name)}</name><description/>{kind}</featureDescription>\n"


def section() -> dict[str, Any]:
    """``%TYPES`` of a JSON CAS."""
    return {
        name: {"%NAME": name, "%SUPER_TYPE": kind.base}
        | {feature: {"%NAME": feature, "%RANGE": reach} for feature, reach in kind.features.items()}
        for name, kind in TYPES.items()
    }
