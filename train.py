"""What ``accelerate launch train.py [--config FILE] [--set section.key=value]`` starts."""

import sys

from nisba.cli import main

if __name__ == "__main__":
    sys.exit(main(["fit", *sys.argv[1:]]))
