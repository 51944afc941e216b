"""``python -m nisba``, and so ``torchrun -m nisba`` and ``accelerate launch -m nisba``: the same as the ``nisba`` command."""

import sys

from nisba.cli import main

if __name__ == "__main__":
    sys.exit(main())
