#!/bin/bash
# Two machines of four GPUs each under Slurm: sbatch configs/accelerate/slurm.sh configs/joint.yaml runs/joint
# in the project's folder, which all machines share. The second word is the configuration's output. Five minutes ahead of the end Slurm
# sends SIGUSR1 to this script, which passes it on; training saves where it stands, and the job goes back into the queue. Started again,
# it goes on from there. A job that fails does not go back.
#SBATCH --job-name=nisba
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

config=${1:?the configuration, as configs/joint.yaml}
output=${2:?its output, as runs/joint}
mkdir -p "$output"

# The machines meet at the first one, at a port of this job; each gets its own copy of the file, with its number.
export CONFIG=$config LAUNCH=$output/accelerate-$SLURM_JOB_ID
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export FIRST PORT=$((20000 + SLURM_JOB_ID % 20000)) PROCESSES=$((SLURM_JOB_NUM_NODES * SLURM_GPUS_ON_NODE))
machine='
sed -e "s/^machine_rank:.*/machine_rank: $SLURM_NODEID/" -e "s/^num_machines:.*/num_machines: $SLURM_JOB_NUM_NODES/" \
    -e "s/^main_process_ip:.*/main_process_ip: $FIRST/" -e "s/^main_process_port:.*/main_process_port: $PORT/" \
    -e "s/^num_processes:.*/num_processes: $PROCESSES/" configs/accelerate/multi_node.yaml > "$LAUNCH-$SLURM_NODEID.yaml"
exec nisba train --config "$CONFIG" --accelerate "$LAUNCH-$SLURM_NODEID.yaml"
'

asked=
trap 'asked=1; kill -USR1 "$step"' USR1
srun --kill-on-bad-exit=1 bash -c "$machine" &
step=$!
code=0
wait "$step" || code=$?
if [ -n "$asked" ]; then # the signal has ended the first wait, not the step
    code=0
    wait "$step" || code=$?
fi
if [ -n "$asked" ] && [ "$code" -eq 0 ] && [ -d "$output/checkpoints" ]; then
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
