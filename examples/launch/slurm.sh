#!/usr/bin/env bash
# Trains on the nodes, at least two, of a Slurm job: one worker a node; the first node also has the scheduler and one server.
#
#     sbatch examples/launch/slurm.sh story.txt
#
#SBATCH --job-name=gluon-deeprnn
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=02:00:00
set -euo pipefail
text=$1
# The address of this node by which it reaches the next one: the network that the nodes have in common.
last=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | tail -n 1)
address=$(ip route get "$(getent ahostsv4 "$last" | awk 'NR == 1 { print $1 }')" | grep -o 'src [0-9.]*' | cut -d ' ' -f 2)
root=$address:$((20000 + SLURM_JOB_ID % 20000))

gluon-deeprnn launch --role scheduler --wait 600 --root "$root" --workers "$SLURM_NNODES" &
scheduler=$!
gluon-deeprnn launch --role server --wait 600 --root "$root" --address "$address" &
# Process 0 of srun runs on the first node, where the files are written; logs in a folder for each process.
# The variables are expanded by the shell of each process.
# shellcheck disable=SC2016
srun --cpus-per-task="$SLURM_CPUS_ON_NODE" bash -c 'gluon-deeprnn launch --role worker --wait 600 --index "$SLURM_PROCID" --root "$0" --logs "launch-logs/$SLURM_PROCID" \
    -- train --text "$1" --out "runs/slurm-$SLURM_JOB_ID"' "$root" "$text"
wait "$scheduler"
