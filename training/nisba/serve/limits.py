"""What a server takes, and how it puts documents together. Every field is an option of ``nisba serve``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


class LimitError(ValueError):
    """Limits that cannot be kept, all of them in one message."""


def limit(default: int, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Whole numbers. What is beyond ``max_bytes`` to ``max_characters`` is refused for good (4xx), beyond the rest for now (5xx).

    Memory that requests can take is about ``max_requests`` × ``max_bytes``, some 512 MiB by default and far less in practice.
    Raises LimitError.
    """

    max_bytes: int = limit(2_097_152, "of a request's body")
    max_documents: int = limit(64, "in a request")
    max_characters: int = limit(50_000, "in a document")
    max_queue: int = limit(512, "documents that wait for the model; more are told to come back")
    max_requests: int = limit(256, "requests that are read or wait for their answer; more are told to come back")
    timeout: int = limit(120, "seconds for a request, its reading included")
    batch_documents: int = limit(32, "documents that are annotated together, at most")
    batch_characters: int = limit(65_536, "characters that are annotated together, at most, unless one document has more")
    batch_wait: int = limit(5, "milliseconds that an idle model waits for more documents")

    def __post_init__(self) -> None:
        problems = []
        for entry in fields(self):
            least = 0 if entry.name == "batch_wait" else 1
            if getattr(self, entry.name) < least:
                problems.append(f"{option(entry.name)}: must be at least {least}: {getattr(self, entry.name)}")
        if self.max_queue < self.max_documents:
            problems.append(
                f"{option('max_queue')}: a request of {self.max_documents} documents would never fit in: {self.max_queue}"
            )
        if problems:
            raise LimitError("; ".join(problems))

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Limits:
        """From the options of a command line, by name."""
        return cls(**{entry.name: options[entry.name] for entry in fields(cls)})


def add_options(parser: argparse.ArgumentParser) -> None:
    """An option for every field."""
    for entry in fields(Limits):
        text = f"{entry.metadata['help']} (default: {entry.default:,})"
        parser.add_argument(option(entry.name), type=int, default=entry.default, metavar="N", help=text)


def option(name: str) -> str:
    """How a field is given on the command line."""
    return f"--{name.replace('_', '-')}"
