"""What test_fit starts with torchrun: two processes on a CPU that take up a run with FSDP2, and are asked to stop behind step 3.

accelerate uses FSDP2 on GPUs and their like alone; here it takes the CPU for one.
"""

import sys

from accelerate.state import PartialState
from accelerate.utils import DistributedType
from torch.distributed.tensor import DTensor

from nisba import config, fit
from nisba.descent import Learner
from nisba.interrupts import Interrupts, Stopped

PartialState._prepare_backend = lambda *arguments: ("gloo", DistributedType.MULTI_GPU)


def main(file: str) -> None:
    interrupts, step = Interrupts(), Learner.step

    def asked(self, **options):
        assert all(isinstance(parameter, DTensor) for parameter in self.bare.parameters())
        step(self, **options)
        interrupts.asked = options["done"] == 2

    Learner.step = asked
    try:
        fit.fit(config.load(file), interrupts=interrupts)
    except Stopped as stop:
        print(stop)


if __name__ == "__main__":
    main(sys.argv[1])
