"""The dataset card and the citation are read as the hub and GitHub read them."""

import json
import subprocess
import sys

import pytest
import yaml
from datasets import load_dataset
from huggingface_hub import DatasetCard

from nisba.formats import jsonl
from nisba.schema import Document


@pytest.fixture(scope="module")
def card(root):
    return DatasetCard.load(root / "seeds" / "README.md")


@pytest.fixture(scope="module")
def dispatches(root):
    return [d for name in ("dispatches", "more_dispatches") for d in jsonl.read(root / "seeds" / f"{name}.jsonl")]


def test_the_card_of_the_seeds_loads_them(card, root, seeds, dispatches, tmp_path):
    assert (card.data.license, card.data.language, card.data.task_categories) == ("cc-by-4.0", ["ar"], ["token-classification"])
    rows = load_dataset(str(root / "seeds"), split="train", cache_dir=str(tmp_path))
    assert [row["id"] for row in rows] == [document.id for document in (*seeds, *dispatches)]
    assert rows[0]["text"] == seeds[0].text


def test_its_numbers_and_its_example_are_true(card, seeds, dispatches, root):
    text = " ".join(card.text.split())
    for documents, kind, claim in ((seeds, "articles", "attributed claims"), (dispatches, "short dispatches", "claims")):
        names, claims = sum(len(d.entities) for d in documents), sum(len(d.claims) for d in documents)
        assert f"{len(documents)} {kind}" in text
        assert f" {names:,} names" in text
        assert f" {claims:,} {claim}" in text
    example = card.text.split("```json\n")[1].split("```")[0]
    document = Document.from_dict(json.loads(example))
    assert document.claims[0].content[0].of(document.text) == "إن اللقاح آمن"
    sheet = (root / "seeds" / "DATASHEET.md").read_text(encoding="utf-8")
    for line in (line for line in sheet.splitlines() if line.startswith("| words |")):
        assert f"{int(line.split('|')[2]):,} words" in text


def test_the_table_of_the_datasheet_is_that_of_the_script(root):
    printed = subprocess.run([sys.executable, "scripts/coverage.py"], cwd=root, capture_output=True, text=True, check=True).stdout
    table = [line for line in printed.splitlines() if line.startswith("|")]
    sheet = (root / "seeds" / "DATASHEET.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in sheet if line.startswith("|")] == table


def test_the_citation_has_what_its_format_requires(root):
    citation = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # schema 1.2.0
    assert all({"type", "title", "authors"} <= reference.keys() for reference in citation["references"])
    version = next(line for line in (root / "pyproject.toml").read_text().splitlines() if line.startswith("version"))
    assert version == f'version = "{citation["version"]}"'
    articles, *dispatches = (
        sum(1 for _ in (root / f"seeds/{name}.jsonl").open(encoding="utf-8"))
        for name in ("articles", "dispatches", "more_dispatches")
    )
    assert f"{articles} Arabic news articles and {sum(dispatches)} dispatches" in str(citation)
    lines = sum(1 for part in ("train", "dev", "test") for _ in (root / f"data/ant/{part}.jsonl").open(encoding="utf-8"))
    assert f"{lines} articles of the ANT corpus" in str(citation)
