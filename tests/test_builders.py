import random
from dataclasses import replace

import pytest
from datasets import load_dataset

from nisba import builders, duplicates
from nisba.config import Data
from nisba.encode import load_tokenizer
from nisba.files import FormatError
from nisba.formats import jsonl
from nisba.schema import Claim, Document, Span


def ids(parts):
    return {part: {d.id for d in documents} for part, documents in parts.items()}


def test_split_is_seeded_complete_and_independent_of_order(seeds):
    parts = builders.split(seeds, dev=0.15, test=0.15, seed=0)
    assert sum(map(len, parts.values())) == len(seeds) == len(set.union(*ids(parts).values()))
    assert len(parts["dev"]) == len(parts["test"]) == round(0.15 * len(seeds))
    shuffled = random.Random(1).sample(seeds, len(seeds))
    assert ids(builders.split(shuffled, dev=0.15, test=0.15, seed=0)) == ids(parts)
    assert ids(builders.split(seeds, dev=0.15, test=0.15, seed=1)) != ids(parts)


def test_near_duplicates_stay_together(seeds):
    copies = [replace(d, id=f"{d.id}-copy", text="عاجل: " + d.text, entities=(), claims=()) for d in seeds[:10]]
    halves = [Document(f"{d.id}-half", d.text[: len(d.text) // 2]) for d in seeds[10:20]]
    for seed in range(5):
        parts = builders.split([*seeds, *copies, *halves], dev=0.2, test=0.2, seed=seed)
        side = {name: part for part, names in ids(parts).items() for name in names}
        assert all(side[d.id] == side[d.id.removesuffix("-copy")] for d in copies)
        assert all(side[d.id] == side[d.id.removesuffix("-half")] for d in halves)


def test_the_seeds_hold_no_near_duplicates(seeds):
    assert all(len(group) == 1 for group in duplicates.groups(d.text for d in seeds))


def test_too_few_articles_are_refused(seeds):
    with pytest.raises(builders.DataError, match="too few"):
        builders.split(seeds[:2], dev=0.2, test=0.2, seed=0)


def test_datasets_hold_the_annotation(seeds, tmp_path):
    parts = builders.split(seeds[:12], dev=0.2, test=0.2, seed=0)
    builders.save(parts, tmp_path / "data")
    names = load_dataset("parquet", data_files=str(tmp_path / "data/names/train.parquet"), cache_dir=str(tmp_path / "cache"))[
        "train"
    ]
    assert names.features["ner_tags"].feature.names[1] == "B-PER"
    by_id = {d.id: d for d in parts["train"]}
    assert set(names["id"]) == set(by_id)
    for row in names:
        text = by_id[row["id"]].text
        assert [text[a:b] for a, b in zip(row["starts"], row["ends"], strict=True)] == row["tokens"]
        assert sum(tag % 2 for tag in row["ner_tags"]) == len(by_id[row["id"]].entities)
    claims = load_dataset("parquet", data_files=str(tmp_path / "data/claims/train.parquet"), cache_dir=str(tmp_path / "cache"))[
        "train"
    ]
    assert len(claims) == sum(len(d.claims) for d in parts["train"])
    assert list(jsonl.read(tmp_path / "data/documents/test.jsonl")) == list(parts["test"])


def test_nothing_is_lost(seeds, tiny):
    assert builders.losses(seeds, load_tokenizer(str(tiny)), window=64) == (0, 0)


def test_ids_are_unique_over_files(seeds, tmp_path):
    for name in ("a", "b"):
        jsonl.write(seeds[:1], tmp_path / f"{name}.jsonl")
    with pytest.raises(FormatError, match=r"given before, in .*a\.jsonl"):
        builders.read([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")])


def test_statistics_count(seeds):
    values = builders.statistics({"all": seeds})["all"]
    assert values["articles"] == len(seeds)
    assert values["claims"] == sum(values["type"].values()) == sum(values["stance"].values())


def test_a_part_without_claims_has_its_columns(tmp_path):
    parts = {"train": [Document("a", "نعم", (), (Claim("c", content=(Span(0, 3),)),))], "dev": [Document("b", "لا")], "test": []}
    built = builders.datasets(parts)
    assert {part: len(rows) for part, rows in built["claims"].items()} == {"train": 1, "dev": 0, "test": 0}
    assert built["claims"]["dev"].features == built["claims"]["train"].features
    builders.save(parts, tmp_path / "data")
    assert (tmp_path / "data" / "claims" / "dev.parquet").is_file()


def written(folder, **files):
    for name, documents in files.items():
        jsonl.write(documents, folder / f"{name}.jsonl")
    return {name: [str(folder / f"{name}.jsonl")] for name in files}


def test_whole_files_join_their_parts(seeds, tmp_path):
    files = written(tmp_path, main=seeds[:20], more=seeds[20:25], dev=seeds[25:28], test=seeds[28:30])
    plain = builders.parts(Data(paths=files["main"], dev=0.2, test=0.1))
    whole = {"train_paths": files["more"], "dev_paths": files["dev"], "test_paths": files["test"]}
    parts = builders.parts(Data(paths=files["main"], dev=0.2, test=0.1, **whole))
    assert [*parts["train"]] == [*plain["train"], *seeds[20:25]]
    assert [*parts["dev"]] == [*plain["dev"], *seeds[25:28]]
    assert [*parts["test"]] == [*plain["test"], *seeds[28:30]]
    alone = builders.parts(Data(paths=[], **whole))
    assert ids(alone) == {part: {d.id for d in seeds[a:b]} for part, a, b in (("train", 20, 25), ("dev", 25, 28), ("test", 28, 30))}


def test_near_duplicates_across_parts_leave_the_earlier_one(seeds, tmp_path, caplog):
    copies = [replace(d, id=f"{d.id}-copy", text=d.text + " خبر", entities=(), claims=()) for d in seeds[:3]]
    files = written(
        tmp_path, train=seeds[:5], dev=[copies[0], *seeds[5:7]], test=[copies[1], seeds[5].__class__("x", seeds[6].text)]
    )
    parts = builders.parts(Data(paths=[], train_paths=files["train"], dev_paths=files["dev"], test_paths=files["test"]))
    assert [d.id for d in parts["train"]] == [d.id for d in seeds[2:5]]
    assert [d.id for d in parts["dev"]] == [copies[0].id, seeds[5].id]
    assert "train: left out 2 near-duplicates of later parts' articles" in caplog.text
    assert "dev: left out 1 near-duplicates" in caplog.text
    for emptied in ({"train": seeds[:1], "dev": copies[:1]}, {"train": seeds[3:5], "dev": seeds[:1], "test": copies[:1]}):
        with pytest.raises(builders.DataError, match=f"no article is left for {'train' if len(emptied) == 2 else 'dev'}"):
            builders.apart(emptied)


def test_what_only_a_third_article_connects_stays(seeds):
    formula = "قال المتحدث باسم الوزارة في بيان صدر اليوم"
    bridge = Document("bridge", formula)
    dev, test = (Document(d.id, f"{d.text}\n{formula}") for d in seeds[:2])
    parts = builders.apart({"train": [bridge, seeds[2]], "dev": [dev], "test": [test]})
    assert ids(parts) == {"train": {seeds[2].id}, "dev": {dev.id}, "test": {test.id}}


def test_who_is_left_out_leaves_nobody_else_out(seeds):
    words = [[f"كلمة{i}{c}" for i in range(40)] for c in "abc"]
    train, dev, test = (
        Document(name, " ".join(w))
        for name, w in (
            ("train", words[0] + words[1][:0]),
            ("dev", words[0][:20] + words[1]),
            ("test", words[1][:40] + words[2][:20]),
        )
    )
    parts = builders.apart({"train": [train], "dev": [dev, seeds[0]], "test": [test]})
    assert ids(parts) == {"train": {"train"}, "dev": {seeds[0].id}, "test": {"test"}}


def test_a_file_named_twice_is_one_problem(seeds, tmp_path):
    files = written(tmp_path, main=seeds[:20])
    with pytest.raises(FormatError) as error:
        builders.parts(Data(paths=files["main"], train_paths=files["main"]))
    assert [p.endswith("main.jsonl: named twice") for p in error.value.problems] == [True]


def test_examples_hold_only_what_is_annotated(seeds):
    names, roles = (replace(seeds[i], meta={"layers": [layer]}) for i, layer in enumerate(("names", "roles")))
    built = builders.datasets({"train": [names, roles, seeds[2]]})
    assert set(built["names"]["train"]["id"]) == {names.id, seeds[2].id}
    assert set(built["claims"]["train"]["id"]) == {seeds[2].id}
    values = builders.statistics({"train": [names, roles]})["train"]
    assert sum(values["names"].values()) == len(names.entities)
    assert values["claims"] == len(roles.claims)
    assert values["source_type"] == {}


@pytest.mark.parametrize("layers", [["names"], ["roles", "names"], []])
def test_articles_annotated_in_part_only_train(seeds, tmp_path, layers):
    part = replace(seeds[0], meta={"layers": layers}, claims=())
    files = written(tmp_path, part=[part], dev=seeds[1:2])
    with pytest.raises(FormatError, match=rf"part\.jsonl: {part.id}: only .* annotated: such articles go into data.train_paths"):
        builders.parts(Data(paths=[], train_paths=files["dev"], dev_paths=files["part"]))
    data = Data(paths=[], train_paths=files["part"], dev_paths=files["dev"])
    assert list(builders.parts(data)["train"]) == [part]
