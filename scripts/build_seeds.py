"""seeds/markup/*.txt → seeds/articles.jsonl: ``python scripts/build_seeds.py [--check]`` after every change to the mark-up.

``--check`` writes nothing and fails where the two differ.
"""

import sys
from pathlib import Path

from nisba.files import FormatError
from nisba.formats import jsonl, markup

SEEDS = Path(__file__).parent.parent / "seeds"


def main(arguments: list[str]) -> int:
    try:
        documents = [document for file in sorted((SEEDS / "markup").glob("*.txt")) for document in markup.read(file)]
    except FormatError as error:
        print(error, file=sys.stderr)
        return 1
    target = SEEDS / "articles.jsonl"
    if "--check" in arguments:
        same = target.is_file() and target.read_text(encoding="utf-8") == "".join(map(jsonl.dump, documents))
        print(f"{target.name}: {'as' if same else 'NOT as'} the mark-up of {len(documents)} articles")
        return int(not same)
    print(f"{jsonl.write(documents, target)} articles: {target.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
