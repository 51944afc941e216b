"""To the Hugging Face Hub. Each command returns the exit code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nisba.hub import Published, Target


def publish(options: argparse.Namespace) -> int:
    """Lay out a run for the Hub, push it, read it back."""
    from nisba.publishing import ids, lay_out, publish_model

    model = options.model.resolve()
    run = model.parent if (model / "config.json").is_file() else options.model
    folder = lay_out(run, options.repo, dataset=options.dataset, licence=options.licence)
    if not (folder / "example.png").is_file():
        print("nisba: no Chromium: the card has no picture of its example", file=sys.stderr)
    if options.dry_run:
        return laid_out(folder, [options.repo, *ids(folder)])
    return announced(publish_model(run, folder, target(options)))


def publish_data(options: argparse.Namespace) -> int:
    """Lay out the corpus of a configuration for the Hub, push it, read it back."""
    from nisba import config
    from nisba.publishing_data import lay_out
    from nisba.publishing_data import publish as send

    settings = config.load(options.config, options.set)
    output = options.output or Path(settings.output) / "hub-data"
    folder = lay_out(
        settings.data, output, repo=options.repo, title=options.title, standoff=options.standoff, licence=options.licence
    )
    if options.dry_run:
        return laid_out(folder, [options.repo])
    return announced(send(folder, target(options)))


def publish_space(options: argparse.Namespace) -> int:
    """Push a demo of a published model, read it back."""
    from nisba.demo import space_files
    from nisba.publishing import publish_space as send

    files = space_files(options.model, options.title)
    if options.dry_run:
        print("\n".join([*sorted(files), "not published (--dry-run)"]))
        return 0
    return announced(send(files, options.model, target(options)))


def target(options: argparse.Namespace) -> Target:
    from nisba.hub import Target

    return Target(
        options.repo,
        private=options.private,
        revision=options.revision,
        pull_request=options.pull_request,
        tag=options.tag,
    )


def laid_out(folder: Path, ids: list[str]) -> int:
    """List what would be published, after the search for tokens and paths."""
    from nisba.hub import scan

    scan(folder, ids)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        print(f"{file.stat().st_size:>12,} {file}")
    print("not published (--dry-run)")
    return 0


def announced(published: Published) -> int:
    print(f"{'published' if published.new else 'unchanged'}, read back and compared: {published.url}")
    return 0
