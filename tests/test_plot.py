"""Learning curves as a picture: what is drawn, what is refused, labels that cannot break out of it."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from nisba import plot
from nisba.cli import main
from nisba.files import FormatError
from nisba.model import HEADS

pytest.importorskip("matplotlib")
SCORES = ("dev.names.strict.f1", "dev.claims.soft80.f1", "dev.claims.strict.f1", "dev.speaker")
TEXT = "{http://www.w3.org/2000/svg}text"


def line(epoch, score=50.0, **values):
    row = {"epoch": epoch, "step": 10 * epoch, "seconds": 1.0, "subwords_per_second": 900}
    row |= {f"loss.{head}": 1 / epoch for head in HEADS} | dict.fromkeys(SCORES, score)
    return row | {"score": score} | values


def run(folder, *lines):
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(each if isinstance(each, str) else json.dumps(each) + "\n" for each in lines))
    return folder


def texts(file):
    return [element.text for element in ElementTree.fromstring(file.read_bytes()).iter(TEXT)]


def test_several_runs_in_one_picture(tmp_path, capsys):
    one, other = run(tmp_path / "one", line(1), line(2), line(3)), run(tmp_path / "other", line(1))
    target = tmp_path / "new" / "curves.svg"
    assert main(["plot", str(one), str(other / "metrics.jsonl"), "-o", str(target)]) == 0
    assert capsys.readouterr().out == f"written: {target}\n"
    found = texts(target)
    assert set(plot.PANELS.values()) <= set(found)
    assert found.count("epoch") == len(plot.PANELS)
    assert {"mean loss of a step", "dev articles, %", plot.label(str(one))} <= set(found)
    first = target.read_bytes()
    assert main(["plot", str(one), str(other / "metrics.jsonl"), "-o", str(target)]) == 0
    assert target.read_bytes() == first  # the same picture every time
    assert [path.name for path in target.parent.iterdir()] == ["curves.svg"]


def test_png(tmp_path):
    target = tmp_path / "curves.PNG"
    plot.plot([run(tmp_path / "one", line(1))], target)
    assert target.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_best_epoch_is_marked(tmp_path):
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    lines = plot.read(run(tmp_path / "run", line(1, 40), line(2, 60), line(3, 60)) / "metrics.jsonl")
    plot._curve(axes, lines, "loss.names", "-", "#000000")
    point, curve = axes.get_lines()
    assert point.get_xydata().tolist() == [[2, 0.5]]
    assert curve.get_xdata().tolist() == [1, 2, 3]


NAMES = (
    "<script>alert(1)</script> & \"x\" 'y'",
    "]]> --> <!--",
    "$x^2$ and $",
    r"\$ \frac{",
    "_hidden",
    "تجربة أولى",
    "a\tb\x01\ud800",
)


def test_names_of_runs_are_text():
    root = ElementTree.fromstring(plot.picture({name: [line(1)] for name in (*NAMES, "\ud800")}, "svg"))
    shown = ["".join(character if character.isprintable() else "\ufffd" for character in name) for name in NAMES]
    assert [element.text for element in root.iter(TEXT)][-len(NAMES) - 1 :] == [*shown, "\ufffd"]
    assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_long_names_are_cut():
    assert len(plot.label("a" * 500)) <= plot.LABEL + 1


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        ('{"epoch": 2', r"metrics.jsonl:2: not JSON: .*: «{\"epoch\": 2"),
        ("[1, 2]\n", r"metrics.jsonl:2: no line of an epoch: «\[1, 2\]"),
        (json.dumps({"epoch": 2}), r"metrics.jsonl:2: score: is missing"),
        (json.dumps(line(2, **{"loss.roles": "a"})), r"metrics.jsonl:2: loss.roles: must be a number: «\"a\"»"),
        (json.dumps(line(2, **{"loss.roles": True})), r"loss.roles: must be a number"),
        (json.dumps(line(2, **{"loss.roles": float("nan")})), r"loss.roles: must be a finite number"),
        (json.dumps(line(2, **{"loss.roles": 10**400})), r"loss.roles: must be a finite number"),
        (json.dumps(line(1)), r"metrics.jsonl:2: epoch 1 follows epoch 1"),
        ("[" * 100_000, r"metrics.jsonl:2: too long"),
        ("[" * 50_000, r"metrics.jsonl:2: not JSON"),
        ("\n", r"metrics.jsonl:2: not JSON"),
        ("\xff", r"metrics.jsonl:2: not JSON"),
    ],
)
def test_a_damaged_line_is_named(damaged, message, tmp_path):
    folder, target = run(tmp_path / "run", line(1), damaged), tmp_path / "curves.svg"
    with pytest.raises(FormatError, match=message):
        plot.plot([folder], target)
    assert not target.exists()


def test_what_cannot_be_drawn(tmp_path, capsys, monkeypatch):
    folder, empty = run(tmp_path / "run", line(1)), run(tmp_path / "empty")
    target = str(tmp_path / "curves.svg")
    assert main(["plot", str(empty), "-o", target]) == 1
    assert "empty/metrics.jsonl: holds no epoch" in capsys.readouterr().err
    assert main(["plot", str(tmp_path / "none"), "-o", target]) == 1
    assert f"{tmp_path / 'none'}: No such file" in capsys.readouterr().err
    assert main(["plot", str(folder), "-o", str(tmp_path / "curves.pdf")]) == 1
    assert "must end in .svg or .png" in capsys.readouterr().err
    assert main(["plot", *[str(folder)] * 29, "-o", target]) == 1
    assert "29 runs are more than the 28" in capsys.readouterr().err
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert main(["plot", str(folder), "-o", target]) == 1
    assert "nisba plot needs matplotlib: pip install 'nisba[plot]'" in capsys.readouterr().err
    assert not Path(target).exists()


def test_a_full_disk_leaves_the_old_picture(tmp_path, monkeypatch):
    folder, target = run(tmp_path / "run", line(1)), tmp_path / "curves.svg"
    target.write_text("old")
    monkeypatch.setattr("os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        plot.plot([folder], target)
    assert target.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.svg", "run"]
