"""``python scripts/publish.py --model runs/quickstart --repo user/name``: the same as ``nisba publish``."""

import sys

from nisba.cli import main

if __name__ == "__main__":
    sys.exit(main(["publish", *sys.argv[1:]]))
