"""What a model's repository holds beside the saved model, for ``AutoModel`` to load it without nisba (``remote_code``)."""

from __future__ import annotations

from importlib import resources
from typing import Any

from nisba.labels import ROLE_TAGS
from nisba.schema import SOURCE_TYPES, STANCES

AUTO_MAP = {"AutoModel": "modeling_nisba.NisbaForAttribution"}
FILES = {"modeling_nisba.py": "remote_code.py"} | {name: name for name in ("model.py", "attention.py", "dropout.py")}  # there: here


def describe(config: dict[str, Any]) -> dict[str, Any]:
    """The contents of a saved model's ``config.json`` with the class that reads it and the labels of the claim heads added."""
    labels = {"role_tags": list(ROLE_TAGS), "source_type_labels": list(SOURCE_TYPES), "stance_labels": list(STANCES)}
    return config | {"auto_map": AUTO_MAP, "nisba": config["nisba"] | labels}


def files() -> dict[str, bytes]:
    """The code that goes into the repository, by file name."""
    package = resources.files("nisba")
    return {name: package.joinpath(source).read_bytes() for name, source in FILES.items()}
