#!/usr/bin/env bash
# Trains on several machines that ssh reaches: the scheduler, one server and worker 0 here, one worker on each other host.
#
#     TEXT=story.txt examples/launch/ssh.sh 10.0.0.1 node2 node3
#
# The first argument is the address of this machine in the network of the others.  The package must be installed on each
# host; only this machine needs the text, and has the run folder, runs/launched.  The ports 9091 and 9092 of this machine,
# and ports that ps-lite chooses on all, must be open between the hosts, and to nobody else.
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: TEXT=story.txt $0 ADDRESS HOST ..." >&2
    exit 2
fi
here=$1
shift
workers=$(($# + 1))
root=$here:9091
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT

gluon-deeprnn launch --role scheduler --root "$root" --workers "$workers" --logs launch-logs &
scheduler=$!
gluon-deeprnn launch --role server --root "$root" --address "$here" --logs launch-logs &
index=0
for host in "$@"; do
    index=$((index + 1))
    ssh "$host" gluon-deeprnn launch --role worker --index "$index" --root "$root" -- train &
done
gluon-deeprnn launch --role worker --index 0 --root "$root" --address "$here" -- train --text "$TEXT" --out runs/launched
wait "$scheduler"
