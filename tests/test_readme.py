"""What README and the Makefile promise exists: commands, options, files, and the Python lines."""

import re
import shlex
from pathlib import Path

from nisba import config
from nisba.cli import parser


def blocks(root, language):
    return re.findall(rf"```{language}\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def commands(root):
    lines = [line.split("#")[0].strip() for block in blocks(root, "sh") for line in block.splitlines()]
    return [line for line in lines if line]


def test_every_nisba_command_parses(root):
    seen = [shlex.split(line)[1:] for line in commands(root) if line.startswith("nisba ")]
    assert len(seen) >= 7
    for arguments in seen:
        parser().parse_args(arguments)
    help_text = parser().format_help()
    assert {arguments[0] for arguments in seen} >= {"predict", "show", "evaluate", "check", "build", "train"}
    assert all(arguments[0] in help_text for arguments in seen)


def test_every_launch_names_files_that_exist(root):
    launches = [shlex.split(line) for line in commands(root) if line.startswith("accelerate launch")]
    assert launches
    for words in launches:
        assert (root / "train.py").is_file()
        for option in ("--config", "--config_file"):
            if option in words:
                assert (root / words[words.index(option) + 1]).is_file()
        if "--set" in words:
            config.load(root / "configs" / "arabert.yaml", [words[words.index("--set") + 1]])


def test_make_targets_exist(root):
    makefile = (root / "Makefile").read_text(encoding="utf-8")
    targets = [line.removeprefix("make ") for line in commands(root) if line.startswith("make ")]
    assert {"quickstart", "test"} <= set(targets)
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_files_named_in_backticks_exist(root):
    for page in ("README.md", "CONTRIBUTING.md", "seeds/DATASHEET.md", "data/README.md"):
        text = (root / page).read_text(encoding="utf-8")
        named = re.findall(r"`((?:seeds|configs|scripts|tests|data)/[\w./-]*|[A-Z]+\.md|\w+\.py|\w+\.toml)`", text)
        for name in named:
            places = [root / name, root / Path(page).parent / name, root / "training" / "nisba" / name, root / "scripts" / name]
            assert any(place.exists() for place in places), f"{page}: {name}"


def test_the_interchange_example_is_valid(root):
    import json

    from nisba.schema import Document

    (example,) = blocks(root, "json")
    assert Document.from_dict(json.loads(example)).claims[0].speaker == "وزير الصحة"


def test_no_path_of_a_machine(root):
    files = [p for pattern in ("*.md", "training/**/*.py", "configs/**/*.yaml", "Makefile") for p in root.glob(pattern)]
    assert files
    assert [p.name for p in files if re.search(r"/(?:home|root|work|Users)/", p.read_text(encoding="utf-8"))] == []
