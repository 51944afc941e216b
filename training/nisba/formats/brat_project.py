"""What a brat project of ours is called and looks like: labels, attributes, and the configuration that brat reads from its folder.

Configuration: https://brat.nlplab.org/configuration.html
"""

from __future__ import annotations

from nisba.schema import CLAIM_TYPES, ENTITY_LABELS, SOURCE_TYPES, STANCES, Role

CUE, UNCUED = "Cue", "Uncued"  # events: their trigger is the cue, or the content where there is none
LABELS: dict[str, Role] = {"Content": "content", "Source": "source", "Addressee": "addressee"}
VALUES: dict[str, tuple[str, ...]] = {"Type": CLAIM_TYPES, "SourceType": SOURCE_TYPES, "Stance": STANCES}  # of claims
OPTIONAL, AMBIGUOUS = "Optional", "Ambiguous"  # flags of claims and of names

_COLOURS: dict[str, str] = dict(zip(ENTITY_LABELS, ("#9fd3ff", "#ffc48a", "#a6e3a1", "#d5c4f7"), strict=True)) | {
    CUE: "#ffe066",
    UNCUED: "#fff3bf",
    "Content": "#dee2e6",
    "Source": "#f8b4b4",
    "Addressee": "#f4c2e7",
}


def files() -> dict[str, str]:
    """The name and content of every configuration file."""
    return {"annotation.conf": _annotation(), "visual.conf": _visual(), "tools.conf": TOOLS}


def _annotation() -> str:
    arguments = "Source*:Source, Addressee*:Addressee"
    return "\n".join(
        [
            "# Names and claims as nisba has them: GUIDELINE.md says what to annotate.",
            "# Mark the cue as Cue and draw arrows from it to Content, Source and Addressee. A claim without a cue:",
            "# mark its content as Uncued. A role in several pieces is one mark; brat adds pieces with «Add Frag.».",
            "",
            "[entities]",
            *ENTITY_LABELS,
            *LABELS,
            "",
            "[relations]",
            "# Claims nest and share words.",
            "<OVERLAP>\tArg1:<ENTITY>, Arg2:<ENTITY>, <OVL-TYPE>:<ANY>",
            "",
            "[events]",
            f"{CUE}\tContent+:Content, {arguments}",
            f"{UNCUED}\tContent*:Content, {arguments}",
            "",
            "[attributes]",
            "# No Type: indirect. No SourceType: implicit, where there is no source. No Stance: neutral.",
            *(f"{name}\tArg:{CUE}|{UNCUED}, Value:{'|'.join(values)}" for name, values in VALUES.items()),
            "# A claim on which annotators may differ; a name that scoring is to leave out.",
            f"{OPTIONAL}\tArg:{CUE}|{UNCUED}",
            f"{AMBIGUOUS}\tArg:{'|'.join(ENTITY_LABELS)}",
            "",
        ]
    )


def _visual() -> str:
    return "\n".join(
        [
            "[labels]",
            f"{CUE} | Cue",
            f"{UNCUED} | Content without cue | Uncued",
            "Content | Content | Cont",
            "Source | Source | Src",
            "Addressee | Addressee | Addr",
            "SourceType | Kind of source",
            "",
            "[drawing]",
            "SPAN_DEFAULT\tfgColor:black, bgColor:lightgreen, borderColor:darken",
            "ARC_DEFAULT\tcolor:black, arrowHead:triangle-5",
            "ATTRIBUTE_DEFAULT\tglyph:*",
            f"{OPTIONAL}\tdashArray:3-3, glyph:<NONE>",
            f"{AMBIGUOUS}\tdashArray:3-3, glyph:<NONE>",
            *(f"{label}\tbgColor:{colour}" for label, colour in _COLOURS.items()),
            "",
        ]
    )


TOOLS = """\
# brat lays Arabic out from the left and may draw a mark beside its words; the offsets that it stores are right.
[options]
Tokens\ttokenizer:whitespace
Sentences\tsplitter:newline
Validation\tvalidate:none
Annotation-log\tlogfile:<NONE>

[search]

[annotators]

[disambiguators]

[normalization]
"""
