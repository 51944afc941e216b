"""Many machines: two nodes of Ray give what one process gives, whatever dies on the way; nothing is lost, nothing there twice."""

import os
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from ray.cluster_utils import Cluster

from nisba import batch
from nisba import ray as engine
from nisba.inputs import InputError
from nisba.journal import JournalError
from nisba.parts import Parts
from nisba.progress import Summary
from nisba.ray import RayError
from nisba.records import Columns
from nisba.schema import Document, Entity, Span
from nisba.storage import Table

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
TEXTS, BAD = 360, (0, 63, 64, 200)


class Rules:
    """Stands in for a model, with scores that depend on what is annotated together."""

    def stream(self, documents):
        documents = list(documents)
        for document in documents:
            names = (Entity(Span(0, 5), "PER", len(documents) / 100),)
            yield Document(document.id, document.text, names, (), document.meta)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    for file in batch.MODEL.values():
        (folder / file).write_text("x")
    return str(folder)


@pytest.fixture(scope="module")
def articles(tmp_path_factory):
    """Two files, four rows that are no documents."""
    folder = tmp_path_factory.mktemp("articles")
    texts = [None if i in BAD else f"قالوا\u2028خبر {i}" for i in range(TEXTS)]
    table = pa.table({"text": texts, "meta": [f'{{"n": {i}}}' for i in range(TEXTS)]})
    pq.write_table(table.slice(0, 100), folder / "a.parquet", row_group_size=30)
    pq.write_table(table.slice(100), folder / "b.parquet", row_group_size=50)
    return str(folder)


@pytest.fixture(scope="module")
def plain(model, articles, tmp_path_factory):
    """What one process makes of them."""
    output = tmp_path_factory.mktemp("plain") / "out.parquet"
    columns = Columns()
    batch.predict(articles, output, model=model, device="cpu", load=lambda *_: Rules(), columns=columns)
    table = pq.read_table(output)
    assert table.num_rows == TEXTS - len(BAD)
    assert any(table.column("entities").to_pylist())
    return table, output.with_name("out.parquet.errors.jsonl").read_bytes()


@pytest.fixture(scope="module")
def nodes():
    os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve them beside anything else that runs
    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    second = cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def run(model, articles, tmp_path):
    def start(**options):
        return engine.predict(articles, str(tmp_path / "out"), model=model, rows=64, **options)

    return start


def same(output, plain):
    """The result is that of one process, and nothing else is left."""
    assert pq.read_table(output).equals(plain[0])
    assert output.with_name("out.errors.jsonl").read_bytes() == plain[1]
    assert sorted(path.name for path in output.iterdir()) == ["_JOB", "_SUCCESS", *(f"part-{n:05d}.parquet" for n in range(6))]


def first_time(folder, what):
    try:
        Path(folder, what).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


class Worker(engine.Worker):
    annotate = staticmethod(Rules().stream)


class Mortal(Worker):
    """Tells where each part was done, and is killed with one part half done and with another done but not told."""

    def outcome(self, number):
        notes = f"{self.plan.output}.notes"
        Path(notes, f"{number} {ray.get_runtime_context().get_node_id()}").touch()
        row = super().outcome(number)
        if number == 3 and first_time(notes, "after"):
            os.kill(os.getpid(), signal.SIGKILL)
        return row

    def work(self, number):
        for done in super().work(number):
            if number == 1 and first_time(f"{self.plan.output}.notes", "before"):
                os.kill(os.getpid(), signal.SIGKILL)
            yield done


class Slow(Worker):
    def outcome(self, number):
        time.sleep(1.5)
        return super().outcome(number)


class Poisoned(Worker):
    """As where a text needs more memory than there is."""

    def outcome(self, number):
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().outcome(number)


class Stillborn(engine.Worker):
    """As where a library is broken on all machines."""

    def outcome(self, number):
        os.kill(os.getpid(), signal.SIGKILL)


class Full(Worker):
    def work(self, number):
        if number == 1:
            raise OSError(28, "No space left on device")
        return super().work(number)


def test_two_nodes_and_two_deaths_give_what_one_process_gives(nodes, run, plain, tmp_path, monkeypatch):
    notes = tmp_path / "out.notes"
    notes.mkdir()
    monkeypatch.setattr(engine, "Worker", Mortal)
    summary = run()
    assert (summary.documents, summary.errors, summary.before) == (TEXTS - len(BAD), len(BAD), 0)
    same(tmp_path / "out", plain)
    names = [path.name for path in notes.iterdir()]
    assert {"before", "after"} < set(names)
    assert len({name.split()[1] for name in names if " " in name}) == 2


def test_a_part_that_kills_its_worker_ends_the_run_and_another_goes_on(nodes, run, plain, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "Worker", Poisoned)
    with pytest.raises(RayError, match=r"^part 2 \(rows 129 to 192\): the worker died on it again"):
        run()
    assert Parts(str(tmp_path / "out"), 6).done() == {0, 1, 3, 4, 5}
    with pytest.raises(JournalError, match="go on with --resume"):
        run()
    monkeypatch.setattr(engine, "Worker", Worker)
    summary = run(resume=True)
    assert summary.before == summary.documents - 64
    same(tmp_path / "out", plain)
    assert run(resume=True) == Summary(summary.documents, summary.errors, summary.documents)


def test_workers_that_all_die_are_not_started_for_ever(nodes, run, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "Worker", Stillborn)
    monkeypatch.setattr(engine, "DEATHS", 1)
    with pytest.raises(RayError, match=r"^Ray: Actor"):
        run()
    assert not Parts(str(tmp_path / "out"), 6).done()


def test_a_part_that_fails_is_told(nodes, run, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "Worker", Full)
    with pytest.raises(
        RayError, match=r"^part 1 \(rows 65 to 128\): OSError: \[Errno 28\] No space left on device; what is done is kept"
    ):
        run()
    assert 1 not in Parts(str(tmp_path / "out"), 6).done()


def test_a_machine_that_is_lost_for_good(nodes, run, plain, tmp_path, monkeypatch):
    """Last, because it is lost: nobody waits for its parts to come back."""
    cluster, second = nodes
    passes = []

    def annotate(plan, numbers, workers, one_pass=engine.annotate):
        passes.append(len(numbers))
        for i, outcome in enumerate(one_pass(plan, numbers, workers)):
            if len(passes) == 1 and i == 0:
                cluster.remove_node(second, allow_graceful=False)
            yield outcome

    monkeypatch.setattr(engine, "Worker", Slow)
    monkeypatch.setattr(engine, "annotate", annotate)
    assert run().documents == TEXTS - len(BAD)
    same(tmp_path / "out", plain)
    assert passes[0] == 6
    assert len(passes) == 2


def test_an_interruption_says_what_is_kept(run, nodes, monkeypatch, tmp_path):
    def annotate(plan, numbers, workers):
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "annotate", annotate)
    with pytest.raises(
        KeyboardInterrupt, match=r"^interrupted; what is done is kept in .*out; the same command with --resume goes on$"
    ):
        run()


def test_what_is_refused_before_ray_starts(articles, model, tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "cluster", lambda: pytest.fail("Ray is started"))

    def refused(message, source=articles, **options):
        with pytest.raises(InputError, match=message):
            engine.predict(source, str(tmp_path / "out"), **({"model": model} | options))

    refused("a multiple of 64: 100", rows=100)
    refused("a multiple of 64: 0", rows=0)
    refused("at least one worker: 0", workers=0)
    refused("device cuda:1: on a cluster it is cpu or cuda", device="cuda:1")
    refused(r"\./none: no ", model="./none")
    refused("precision auto: machines may not agree", precision="auto")
    refused("no such file or folder", source=str(tmp_path / "none"))
    refused("no column «body»", text="body")
    refused("out: is, or lies in, what is read", source=str(tmp_path))
    refused("out: is, or lies in, what is read", source=str(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_no_cluster_where_one_is_named(articles, model, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray tries for minutes"))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(RayError, match=r"^RAY_ADDRESS 127\.0\.0\.1:1: no Ray: Connection refused$"):
        engine.predict(articles, str(tmp_path / "out"), model=model)
    assert not list(tmp_path.iterdir())


def test_a_ray_that_does_not_start(articles, model, tmp_path, monkeypatch):
    def init(**_):
        raise Exception("The current node timed out during startup.\nMany words.")  # noqa: TRY002 - as Ray does

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(RayError, match=r"^no Ray: The current node timed out during startup\.$"):
        engine.predict(articles, str(tmp_path / "out"), model=model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("/a", "/a", True),
        ("/a", "/a/b/c", True),
        ("/a", "/ab", False),
        ("/a/b", "/a", False),
        ("s3://a/b", "s3://a/b/c/", True),
        ("s3://a/b/", "s3://a/c", False),
        ("/a", "s3://a/b", False),
    ],
)
def test_a_result_where_texts_are_read(folder, name, expected):
    assert engine.held(folder, name) == expected


@pytest.mark.parametrize(("total", "rows"), [(1, 64), (400, 64), (9945, 128), (30_000, 448), (10**6, 512)])
def test_rows_of_a_part(total, rows):
    assert engine.usual([Table("a", "a", "", total - total // 2, 0), Table("b", "b", "", total // 2, 0)]) == rows


def test_no_gpu_where_one_is_asked_for(nodes, run):
    with pytest.raises(RayError, match="device cuda: the cluster has no GPU"):
        run(device="cuda")


def test_no_usage_statistics():
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
