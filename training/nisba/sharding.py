"""Weights of which each process holds a shard (FSDP2), and ways to start training under which it would go wrong unseen.

A shard is a ``DTensor``. Gathering one and dealing one out are work for all processes together.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


class LaunchError(ValueError):
    """Training was started in a way that it does not support."""


def refuse(environment: Mapping[str, str]) -> None:
    """Raises LaunchError where the launcher has set what training does not support; ``environment`` is that of the process.

    The names are those that ``accelerate launch`` sets (accelerate 1.15, ``accelerate.utils.launch``).
    """
    on = {name for name, value in environment.items() if value.lower() in ("1", "true", "yes", "on")}
    sharded = "ACCELERATE_USE_FSDP" in on
    steps = environment.get("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1")
    half = environment.get("ACCELERATE_MIXED_PRECISION", "no") not in ("no", "bf16")
    problems = [
        ("ACCELERATE_USE_DEEPSPEED" in on, "DeepSpeed takes a step before its gradients can be looked at; shard with FSDP2"),
        ("ACCELERATE_USE_MEGATRON_LM" in on, "Megatron-LM is not supported; shard with FSDP2"),
        ("ACCELERATE_USE_PARALLELISM_CONFIG" in on, "parallelism_config is not supported; shard with FSDP2"),
        (steps != "1", "gradient_accumulation_steps must be 1; train.accumulate and train.memory deal out the micro-batches"),
        (sharded and environment.get("FSDP_VERSION", "1") != "2", "fsdp_version must be 2"),
        (
            sharded and "FSDP_ACTIVATION_CHECKPOINTING" in on,
            "instead of fsdp_activation_checkpointing use train.gradient_checkpointing",
        ),
        (sharded and half, "mixed_precision must be bf16 or 'no' under FSDP2"),
    ]
    if found := [message for there, message in problems if there]:
        raise LaunchError(f"accelerate: {'; '.join(found)} (configs/accelerate has examples)")


def one_arithmetic(accelerator: Accelerator) -> None:
    """Have FSDP2 compute as one process does: in half precision products alone (autocast), not sums of gradients and of losses too,
    as accelerate asks of it."""
    if accelerator.is_fsdp2:
        accelerator.state.fsdp_plugin.mixed_precision_policy = None


def whole(tensor: Tensor) -> Tensor:
    """The tensor that this process holds a shard of, or itself; nothing that a gradient flows through."""
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach()


def local(tensor: Tensor) -> Tensor:
    """What of the tensor lies in this process: a view of its shard, or itself."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def dealt(value: Tensor, like: Tensor) -> Tensor:
    """This process's shard of a whole tensor, which all processes have, where ``like`` is one; else the tensor itself."""
    if not isinstance(like, DTensor) or value.shape != like.shape:
        return value
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def gathered(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """Whole tensors on the CPU, by name, on the processes that ``keep`` them, nothing on others: those only give their shards."""
    found = {}
    for name, tensor in tensors.items():
        if isinstance(tensor, DTensor) or keep:
            full = whole(tensor)
            if keep:
                found[name] = full.cpu().contiguous()
    return found


@torch.no_grad()
def fill(targets: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Whole values into tensors of the same names, whole ones or shards. Raises KeyError where one has no value."""
    for name, target in targets.items():
        target.copy_(dealt(values[name], target))
