"""Import label types and a file into a database of doccano, and export it again: ``doccano.py IN.jsonl TYPES_FOLDER OUT.jsonl``.

Runs where doccano is installed (``scripts/check_formats.sh``), with its own code from the file to the tables and back, in a project
for sequence labelling with relations and overlapping spans; ends with 1 where it refuses a line.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import backend
import django


def main(source: Path, types: Path, target: Path) -> int:
    from data_export.models import ExportedExample
    from data_export.pipeline.dataset import Dataset
    from data_export.pipeline.factories import create_comment, create_formatter, create_labels, create_writer
    from data_export.pipeline.services import ExportApplicationService
    from data_import.datasets import load_dataset
    from data_import.pipeline.catalog import JSONL, RELATION_EXTRACTION
    from data_import.pipeline.readers import FileName
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from label_types.serializers import RelationTypeSerializer, SpanTypeSerializer
    from projects.models import ProjectType, SequenceLabelingProject

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("nisba")
    options = {"use_relation": True, "allow_overlapping": True, "collaborative_annotation": True}
    kind = ProjectType.SEQUENCE_LABELING
    project = SequenceLabelingProject.objects.create(name="nisba", created_by=user, project_type=kind, **options)
    for name, serializer in (("span_types.json", SpanTypeSerializer), ("relation_types.json", RelationTypeSerializer)):
        given = serializer(data=json.loads((types / name).read_text(encoding="utf-8")), many=True)
        given.is_valid(raise_exception=True)
        given.save(project=project)
    names = [FileName(str(source), source.name, source.name)]
    dataset = load_dataset(RELATION_EXTRACTION, JSONL, names, project, encoding="utf_8")
    dataset.save(user)
    examples = ExportedExample.objects.filter(project=project)
    found = Dataset(examples, create_labels(project, examples), create_comment(examples))
    ExportApplicationService(found, create_formatter(project, "JSONL"), create_writer("JSONL")).export(str(target))
    refused = [f"{source}:{error.line_num}: {error.message}" for error in dataset.errors]
    print(*refused, f"{source}: {examples.count()} examples, {len(refused)} lines refused", sep="\n")
    return int(bool(refused))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["DATABASE_URL"] = f"sqlite:///{scratch}/db.sqlite3"
        os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.development"
        sys.path.insert(0, str(Path(backend.__file__).parent))
        django.setup()
        sys.exit(main(*map(Path, sys.argv[1:])))
