"""The examples for accelerate, read by accelerate itself, and the job for Slurm."""

import os
import signal
import subprocess
import time

import pytest
import yaml
from accelerate.commands.launch import _validate_launch_command, launch_command_parser
from accelerate.utils import DistributedType
from accelerate.utils.launch import prepare_multi_gpu_env

from nisba import config, fit, sharding

KINDS = {
    "cpu": DistributedType.NO,
    "cpu_bf16": DistributedType.NO,
    "gpu": DistributedType.NO,
    "multi_gpu": DistributedType.MULTI_GPU,
    "multi_node": DistributedType.MULTI_GPU,
    "fsdp": DistributedType.FSDP,
    "deepspeed": DistributedType.DEEPSPEED,
}


def launched(root, name):
    """What accelerate makes of a file, and the environment that it would give to torchrun."""
    command = ["--config_file", str(root / "configs" / "accelerate" / f"{name}.yaml"), "--main_process_port", "0", "train.py"]
    options, defaults, _ = _validate_launch_command(launch_command_parser().parse_args(command))
    return options, defaults, prepare_multi_gpu_env(options)


def test_accelerate_takes_every_file(root):
    assert {file.stem for file in (root / "configs" / "accelerate").glob("*.yaml")} == KINDS.keys()
    for name, kind in KINDS.items():
        _, defaults, environment = launched(root, name)
        assert defaults.distributed_type == kind
        assert (environment.get("ACCELERATE_USE_FSDP") == "true") == (kind == DistributedType.FSDP)
        if kind != DistributedType.DEEPSPEED:
            sharding.refuse(environment)


def test_two_machines_meet_at_one_address(root):
    options, _, _ = launched(root, "multi_node")
    assert (options.nnodes, options.nproc_per_node, options.node_rank) == ("2", "4", 0)
    assert options.rdzv_backend == "static"
    assert options.rdzv_endpoint.startswith("localhost:")


FSDP = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "DeepSpeed takes a step before its gradients can be looked at"),
        ({"ACCELERATE_USE_MEGATRON_LM": "1"}, "Megatron-LM is not supported"),
        ({"ACCELERATE_USE_PARALLELISM_CONFIG": "true"}, "parallelism_config is not supported"),
        ({"ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}, "gradient_accumulation_steps must be 1; train.accumulate"),
        ({"ACCELERATE_USE_FSDP": "true"}, "fsdp_version must be 2"),
        (FSDP | {"FSDP_ACTIVATION_CHECKPOINTING": "true"}, "use train.gradient_checkpointing"),
        (FSDP | {"ACCELERATE_MIXED_PRECISION": "fp16"}, "mixed_precision must be bf16 or 'no' under FSDP2"),
    ],
)
def test_what_would_go_wrong_is_refused(environment, message, tmp_path, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(sharding.LaunchError, match=message):
        fit.fit(config.Config(output=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_what_goes_right_is_not():
    sharding.refuse({"ACCELERATE_USE_CPU": "true", "ACCELERATE_MIXED_PRECISION": "fp16", "ACCELERATE_USE_DEEPSPEED": "false"})
    sharding.refuse(FSDP | {"ACCELERATE_MIXED_PRECISION": "bf16", "FSDP_ACTIVATION_CHECKPOINTING": "false"})


STUBS = {
    "scontrol": 'if [ "$1" = show ]; then echo first; else echo "$@" >> requeued; fi',
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; SLURM_NODEID=1 exec "$@"',
    "nisba": """echo "$@" > called; cp "$5" given.yaml; mkdir -p runs/joint
trap 'mkdir -p runs/joint/checkpoints/epoch-0000-step-000007; exit 0' USR1
touch begun; for _ in $(seq 100); do sleep 0.05; done""",
}


@pytest.mark.parametrize("warned", [True, False])
def test_the_job_is_queued_again_only_where_it_has_not_finished(root, tmp_path, warned):
    """Slurm's commands and nisba itself are stand-ins; the script is the one that ships."""
    (tmp_path / "bin").mkdir()
    for name, text in STUBS.items():
        file = tmp_path / "bin" / name
        file.write_text(f"#!/bin/bash\n{text if warned or name != 'nisba' else 'mkdir -p runs/joint'}\n")
        file.chmod(0o755)
    (tmp_path / "configs").symlink_to(root / "configs")
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "first,second", "SLURM_JOB_NUM_NODES": "2", "SLURM_GPUS_ON_NODE": "4"}
    environment = os.environ | job | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    script = ["bash", str(root / "configs" / "accelerate" / "slurm.sh"), "configs/joint.yaml", "runs/joint"]
    process = subprocess.Popen(script, cwd=tmp_path, env=environment, start_new_session=True)
    try:
        if warned:
            for _ in range(200):
                if (tmp_path / "begun").exists():
                    break
                time.sleep(0.05)
            process.send_signal(signal.SIGUSR1)
        assert process.wait(20) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "requeued").exists() == warned
    if warned:
        assert (tmp_path / "requeued").read_text() == "requeue 7\n"
        assert (tmp_path / "called").read_text().split()[:3] == ["train", "--config", "configs/joint.yaml"]
        given = yaml.safe_load((tmp_path / "given.yaml").read_text())
        names = ("main_process_ip", "machine_rank", "num_machines", "num_processes")
        assert [given[name] for name in names] == ["first", 1, 2, 8]
