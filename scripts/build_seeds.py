"""seeds/markup/ → seeds/*.jsonl: ``python scripts/build_seeds.py [--check]`` after every change to the mark-up.

``--check`` writes nothing and fails where they differ.
"""

import sys
from pathlib import Path

from nisba.files import FormatError
from nisba.formats import jsonl, markup

SEEDS = Path(__file__).parent.parent / "seeds"
FOLDERS = {
    "articles.jsonl": "markup",
    "dispatches.jsonl": "markup/dispatches",
    "more_dispatches.jsonl": "markup/more_dispatches",
}


def main(arguments: list[str]) -> int:
    try:
        built = {
            name: [d for file in sorted((SEEDS / folder).glob("*.txt")) for d in markup.read(file)]
            for name, folder in FOLDERS.items()
        }
    except FormatError as error:
        print(error, file=sys.stderr)
        return 1
    wrong = 0
    for name, documents in built.items():
        target = SEEDS / name
        if "--check" in arguments:
            same = target.is_file() and target.read_text(encoding="utf-8") == "".join(map(jsonl.dump, documents))
            wrong += not same
            print(f"{name}: {'as' if same else 'NOT as'} the mark-up of {len(documents)} articles")
        else:
            print(f"{jsonl.write(documents, target)} articles: {name}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
