"""Jobs: interrupted ≡ uninterrupted, several processes ≡ one, wherever a process ends; nothing lost, nothing twice."""

import errno
import gzip
import json
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from nisba import blocks, job, journal
from nisba.inputs import InputError, open_input
from nisba.job import Job
from nisba.journal import JournalError
from nisba.records import Columns
from nisba.schema import Document, Entity, Span
from nisba.shards import Rank, ShardError
from tests.test_scripts import script

COLUMNS = Columns()
LINES = [json.dumps({"id": f"d{n}", "text": f"خبر {n}"}, ensure_ascii=False) if n % 7 else "{oops" for n in range(30)]
LEFT = {"out.jsonl", "out.jsonl.errors.jsonl"}
TOLD = LEFT | {"out.jsonl.progress.json"}  # by a run that was asked to go on


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 4)
    monkeypatch.setattr(job, "EVERY", 0)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(LINES), encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "out.jsonl"


class Model:
    """Marks the first word, and remembers which texts it was given together. ``stop`` is raised at a group."""

    def __init__(self, stop=None, at=None):
        self.groups, self.stop, self.at = [], stop, at

    def load(self):
        return self.annotate

    def annotate(self, documents):
        group = list(documents)
        self.groups.append([document.id for document in group])
        if len(self.groups) == self.at:
            raise self.stop
        return (replace(document, entities=(Entity(Span(0, 3), "PER", score=0.25),)) for document in group)


def run(source, output, model=None, *, columns=COLUMNS, identity=(("model", "m"),), strict=False, **ways):
    texts = open_input(str(source), columns, result=output)
    work = Job(texts, columns, (model or Model()).load, dict(identity), strict=strict)
    return work.run(output, **ways)


def names(output):
    return {path.name for path in output.parent.iterdir()}


def results(output):
    errors = output.with_name(f"{output.name}.errors.jsonl")
    return output.read_bytes(), errors.read_bytes() if errors.exists() else None


@pytest.fixture
def whole(source, tmp_path):
    """What an undisturbed run gives."""
    output = tmp_path / "whole" / "out.jsonl"
    run(source, output)
    return results(output)


def test_every_document_once_in_order_and_every_error_told(source, out):
    model = Model()
    summary = run(source, out, model)
    assert (summary.documents, summary.errors, summary.before) == (25, 5, 0)
    rows = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [f"d{n}" for n in range(30) if n % 7]
    assert all(row["entities"] == [{"start": 0, "end": 3, "label": "PER", "score": 0.25}] for row in rows)
    told = [json.loads(line) for line in out.with_name("out.jsonl.errors.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["position"], row["file"], row["line"]) for row in told] == [(n + 1, "in.jsonl", n + 1) for n in range(0, 30, 7)]
    assert names(out) == LEFT
    assert [len(group) for group in model.groups] == [3, 3, 4, 3, 4, 3, 4, 1]


def test_without_errors_there_is_no_file_of_errors_and_an_old_one_goes(source, out):
    run(source, out)
    source.write_text('{"text": "نعم"}', encoding="utf-8")
    run(source, out)
    assert names(out) == {"out.jsonl"}
    assert json.loads(out.read_text(encoding="utf-8"))["id"] == "1"


def ends_at(number, action):
    """``action`` in a process of its own that ends without a word at its ``number``-th dealing with the disk.

    Returns its exit code: 9 where it ended so, 0 where it came to its end before."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = [number]

    def counted(call):
        def wrapped(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return call(*arguments, **options)

        return wrapped

    try:
        for name in ("fsync", "replace", "unlink", "open"):
            setattr(os, name, counted(getattr(os, name)))
        action()
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("form", [".jsonl", ".jsonl.gz"])
def test_a_process_that_ends_anywhere_is_taken_up(form, source, out, whole, monkeypatch):
    monkeypatch.setattr(job, "EVERY", 0 if form == ".jsonl" else 60)
    out = out.with_name(f"out{form}")
    number, code = 0, 9
    while code == 9:
        for path in out.parent.iterdir():
            path.unlink()
        code = ends_at(number, lambda: run(source, out))
        if code == 9:
            summary = run(source, out, resume=True)
            assert (summary.documents, summary.errors) == (25, 5), number
        found, errors = results(out)
        assert (gzip.decompress(found) if form == ".jsonl.gz" else found, errors) == whole, number
        assert names(out) == {name.replace(".jsonl", form, 1) for name in (TOLD if code == 9 else LEFT)}, number
        number += 1
    assert code == 0
    assert number > (35 if form == ".jsonl" else 10)


def test_one_of_two_processes_that_ends_anywhere_is_taken_up(source, out, whole, monkeypatch):
    monkeypatch.setattr(job, "EVERY", 60)
    number, codes = 0, [9]
    ranks = [Rank(0, 2), Rank(1, 2)]
    while 9 in codes:
        for path in out.parent.iterdir():
            path.unlink()
        codes = [ends_at(number, lambda rank=rank: run(source, out, rank=rank)) for rank in ranks]
        for rank in ranks if 9 in codes else ():
            run(source, out, rank=rank, resume=True)
        assert results(out) == whole, number
        assert names(out) == (TOLD if 9 in codes else LEFT), number
        number += 1
    assert codes == [0, 0]
    assert number > 15


def test_interrupted_again_and_again(source, out, whole):
    for number in range(200):
        code = ends_at(2 * number % 17 + 5, lambda: run(source, out, resume=True))
        if code == 0:
            break
    assert results(out) == whole
    assert number > 2


@pytest.mark.parametrize("world", [2, 3, 20])
@pytest.mark.parametrize(("order", "resume"), [(1, True), (-1, True), (1, False)])
def test_several_processes_make_what_one_makes(world, order, resume, source, out, whole):
    model = Model()
    for number in range(world)[::order]:
        assert not out.exists()
        run(source, out, model, rank=Rank(number, world), resume=resume)
    assert results(out) == whole
    assert names(out) == (TOLD if resume else LEFT)
    alone = Model()
    run(source, out.with_name("alone.jsonl"), alone)
    assert sorted(model.groups) == sorted(alone.groups)
    for number in range(world if resume else 0):  # one that starts again late finds the result
        assert run(source, out, None, rank=Rank(number, world), resume=True).documents == 25
    assert results(out) == whole


def test_a_late_process_does_not_begin_what_is_done(source, out):
    run(source, out, rank=Rank(1, 2), resume=True)
    run(source, out, rank=Rank(0, 2), resume=True)
    model = Model()
    run(source, out, model, rank=Rank(1, 2), resume=True)
    assert model.groups == []
    assert names(out) == TOLD


def test_groups_do_not_depend_on_where_a_run_begins(source, out, whole):
    undisturbed = Model()
    run(source, out.with_name("other.jsonl"), undisturbed)
    first, second = Model(KeyboardInterrupt(), at=4), Model()
    with pytest.raises(KeyboardInterrupt) as caught:
        run(source, out, first)
    assert str(caught.value) == f"interrupted; what is done is kept in {out}.partial; the same command with --resume goes on"
    summary = run(source, out, second, resume=True)
    assert first.groups[:3] + second.groups == undisturbed.groups
    assert (summary.documents, summary.before) == (25, 10)
    assert results(out) == whole


def test_the_journal_is_written_now_and_then(source, out, monkeypatch):
    saved = []
    monkeypatch.setattr(journal, "save", lambda entry, path, save=journal.save: (saved.append(entry.blocks), save(entry, path)))
    monkeypatch.setattr(job, "EVERY", 3600)
    run(source, out)
    assert saved == [0, 8, 8]


def test_long_texts_come_in_smaller_groups(source, out, monkeypatch):
    source.write_text("".join(f'{{"text": "xxx {"x" * size}"}}\n' for size in (50, 50, 50, 500, 50, 50)))
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 300)
    model = Model()
    run(source, out, model)
    assert [len(group) for group in model.groups] == [4, 2]


def test_a_run_that_was_interrupted_is_not_lost_by_beginning_anew(source, out, whole):
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=3))
    kept = {path: path.read_bytes() for path in out.parent.iterdir()}
    assert set(kept) == {out.with_name(f"out.jsonl.{end}") for end in ("partial", "errors.partial", "progress.json")}
    with pytest.raises(JournalError, match=r"out\.jsonl\.partial: a run .* go on with --resume, or begin anew with --overwrite"):
        run(source, out)
    assert {path: path.read_bytes() for path in out.parent.iterdir()} == kept
    model = Model()
    run(source, out, model, overwrite=True)
    assert len(model.groups) == 8
    assert results(out) == whole


CHANGES = {
    "model": ({"identity": (("model", "other"),)}, "model: m then, other now"),
    "columns": ({"columns": Columns("text", "id")}, "id column: id, else the row's number then, id now"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_job_is_told_from_this_one(name, source, out):
    options, message = CHANGES[name]
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=3))
    kept = {path: path.read_bytes() for path in out.parent.iterdir()}
    with pytest.raises(JournalError) as caught:
        run(source, out, resume=True, **options)
    assert str(caught.value) == f"{out}.partial: belongs to another job; begin anew with --overwrite\n  {message}"
    assert {path: path.read_bytes() for path in out.parent.iterdir()} == kept


def test_a_changed_input_or_version_is_told(source, out, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=3))
    with monkeypatch.context() as patch:
        patch.setattr(job, "__version__", "9.9")
        with pytest.raises(JournalError, match=r"nisba: 0\.\d+\.\d+ then, 9\.9 now"):
            run(source, out, resume=True)
    source.write_text("\n".join(LINES[:-1]), encoding="utf-8")
    with pytest.raises(JournalError, match=r"input: 1 files, .* bytes, SHA-256 .* then, 1 files, .* now"):
        run(source, out, resume=True)


def test_another_number_of_processes_is_told(source, out, whole):
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=3), rank=Rank(1, 2))
    for rank in (Rank(), Rank(1, 3)):
        with pytest.raises(JournalError, match=r"rank-1-of-2.*: left by another number of processes; go on with as many"):
            run(source, out, rank=rank, resume=True)
    with pytest.raises(JournalError, match="--overwrite is for one process"):
        run(source, out, rank=Rank(1, 2), overwrite=True)
    run(source, out, overwrite=True)
    assert results(out) == whole
    assert names(out) == LEFT
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=3))
    with pytest.raises(JournalError, match="left by another number"):
        run(source, out, rank=Rank(0, 2), resume=True)


def test_parts_that_are_not_what_the_journal_says(source, out):
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=5))
    partial, entry = out.with_name("out.jsonl.partial"), out.with_name("out.jsonl.progress.json")
    data = partial.read_bytes()
    partial.write_bytes(data[:50])
    with pytest.raises(JournalError, match="is shorter than its journal says"):
        run(source, out, resume=True)
    for text in ("{", "[]", '{"format": 2}', '{"format": 1, "x": 2}'):
        entry.write_text(text)
        with pytest.raises(JournalError, match="not a journal of this version"):
            run(source, out, resume=True)
    entry.unlink()
    for resume in (True, False):
        with pytest.raises(JournalError, match="is in the way, and no journal says what it is"):
            run(source, out, resume=resume)


def test_a_finished_result_is_told_and_stays_until_the_next_is_whole(source, out, whole):
    run(source, out, resume=True)
    model = Model()
    summary = run(source, out, model, resume=True)
    assert (summary.documents, summary.before, model.groups) == (25, 25, [])
    with pytest.raises(JournalError, match=r"out\.jsonl: belongs to another job; without --resume it is made anew"):
        run(source, out, resume=True, identity=(("model", "other"),))
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=5))
    assert results(out) == whole
    run(source, out, resume=True)
    out.write_text("edited")
    with pytest.raises(JournalError, match="is not as it was left"):
        run(source, out, resume=True)
    assert names(out) == TOLD
    out.unlink()
    run(source, out, resume=True)
    assert results(out) == whole
    run(source, out)
    assert names(out) == LEFT


@pytest.mark.parametrize("rank", [Rank(), Rank(0, 2)])
def test_a_result_that_nothing_is_known_of_is_neither_taken_for_this_one_nor_done_again(rank, source, out, whole):
    run(source, out)
    model = Model()
    for _ in range(2):
        with pytest.raises(JournalError, match=r"out\.jsonl: is there, and no run that could go on; without --resume it"):
            run(source, out, model, rank=rank, resume=True)
    assert (results(out), names(out), model.groups) == (whole, LEFT, [])


def test_a_run_of_several_that_was_to_replace_an_older_result_goes_on(source, out, whole):
    out.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        run(source, out, Model(KeyboardInterrupt(), at=3), rank=Rank(0, 2))
    run(source, out, rank=Rank(1, 2), resume=True)  # which had not begun
    assert out.read_text() == "old"
    run(source, out, rank=Rank(0, 2), resume=True)
    assert results(out) == whole


def test_two_that_end_at_once(source, out, whole, monkeypatch):
    """The second comes when the first has put all together and taken the journals away."""
    summaries = []

    def finish(places, form, *, keep, finish=job.finish):
        if places.rank.number == 0:
            summaries.append(run(source, out, rank=Rank(1, 2)))
            assert names(out) == LEFT
        return finish(places, form, keep=keep)

    monkeypatch.setattr(job, "finish", finish)
    summaries.append(run(source, out, rank=Rank(0, 2)))
    assert sum(summary.documents for summary in summaries) == 25
    assert results(out) == whole
    assert names(out) == LEFT


def test_only_one_process_writes_a_part(source, out):
    def meanwhile():
        with pytest.raises(ShardError, match=r"out\.jsonl\.partial: another process is writing it"):
            run(source, out, resume=True)
        return Model().annotate

    run(source, out, SimpleNamespace(load=meanwhile))


def test_an_interruption_before_the_first_block_leaves_nothing(source, out, whole):
    with pytest.raises(KeyboardInterrupt) as caught:
        run(source, out, Model(KeyboardInterrupt(), at=1))
    assert str(caught.value) == ""
    assert names(out) == set()
    assert ends_at(4, lambda: run(source, out)) == 9  # with a journal, without a block
    assert "out.jsonl.progress.json" in names(out)
    run(source, out)
    assert results(out) == whole
    assert names(out) == LEFT


def test_strict_stops_at_the_first_and_keeps_what_is_done(source, out, whole):
    source.write_text("\n".join(LINES[1:]), encoding="utf-8")
    with pytest.raises(blocks.StrictError, match=r"in\.jsonl:7: not JSON: .*; what is done is kept in .*--resume goes on"):
        run(source, out, strict=True)
    summary = run(source, out, resume=True)
    assert (summary.documents, summary.before, summary.errors) == (25, 4, 4)
    assert results(out)[0] == whole[0]


def test_no_document_at_all_leaves_the_old_result(source, out, whole):
    run(source, out)
    for text, errors in (("", False), ("\n\n", False), ("{oops\n[]", True)):
        source.write_text(text)
        told = results(out)[1]
        with pytest.raises(InputError, match=r"in\.jsonl: holds no document that can be read"):
            run(source, out)
        assert results(out)[0] == whole[0]
        assert (results(out)[1] != told) == errors
        assert not [name for name in names(out) if "partial" in name or "lock" in name]


def test_a_model_that_cannot_be_loaded_leaves_nothing(source, out):
    def refuse():
        raise InputError("no model")

    with pytest.raises(InputError, match="no model"):
        run(source, out, SimpleNamespace(load=refuse))
    assert names(out) == set()


@pytest.mark.parametrize(("call", "calls"), [("fsync", 27), ("replace", 11)])
def test_a_full_disk_can_be_gone_on_from(call, calls, source, out, whole, monkeypatch):
    for number in range(calls):
        with monkeypatch.context() as patch:
            left, real = iter(range(number)), getattr(os, call)

            def until_full(*arguments, left=left, real=real):
                if next(left, None) is None:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return real(*arguments)

            patch.setattr(os, call, until_full)
            with pytest.raises(OSError, match="No space left on device") as caught:
                run(source, out)
        assert caught.value.errno == errno.ENOSPC
        if started := bool(names(out)):
            assert f"; what is done is kept in {out}.partial; the same command with --resume goes on" in caught.value.strerror
        assert started == (number > {"fsync": 3, "replace": 1}[call])
        assert not [name for name in names(out) if name.endswith((".new", "assembled.partial"))]
        run(source, out, resume=True)
        assert results(out) == whole
        assert names(out) == TOLD
        for path in out.parent.iterdir():
            path.unlink()
    run(source, out)


def test_what_cannot_be_read_twice(out, monkeypatch):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=open(os.devnull, "rb")))  # noqa: SIM115
    with pytest.raises(
        InputError, match="standard input: cannot be read a second time, so no run over it can go on; put it into a file"
    ):
        run("-", out, resume=True)
    with pytest.raises(InputError, match="standard input: cannot be read a second time, so several processes cannot share it"):
        run("-", out, rank=Rank(0, 2))
    assert names(out) == set()


def test_standard_input_into_a_file(out, whole, tmp_path, monkeypatch):
    for at in (3, None):
        (tmp_path / "copy").write_text("\n".join(LINES), encoding="utf-8")
        with open(tmp_path / "copy", "rb") as stream:
            monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stream))
            if at:
                with pytest.raises(KeyboardInterrupt, match="it cannot go on: the input cannot be read a second time"):
                    run("-", out, Model(KeyboardInterrupt(), at=at))
            else:
                run("-", out, overwrite=True)
    assert results(out)[0] == whole[0]


def test_streaming_tells_errors_and_writes_lines(source, whole, capsys):
    lines = []
    summary = Job(open_input(str(source), COLUMNS), COLUMNS, Model().load).stream(lines.append)
    assert "".join(lines).encode() == whole[0]
    assert (summary.documents, summary.errors) == (25, 5)
    error = capsys.readouterr().err
    assert error.count("\n") == 5
    assert error.startswith("nisba: in.jsonl:1: not JSON: ")


def test_documents_twice_under_one_id_are_two_documents(source, out):
    source.write_text('{"id": "a", "text": "نعم"}\n' * 9, encoding="utf-8")
    run(source, out)
    assert [Document.from_dict(json.loads(line)).id for line in out.read_text(encoding="utf-8").splitlines()] == ["a"] * 9


def test_five_kills(root, tmp_path):
    killed, jobs = script(root, "kill_predict").disturb(tmp_path, kills=5, lines=400, seed=1, ways=[(".jsonl", 1), (".parquet", 2)])
    assert killed == 5
    assert jobs >= 1
