#!/usr/bin/env bash
# Stop the SLURM that start-cluster.sh started, and put back the configuration that was in /etc/slurm before.
set -euo pipefail

home=${BRIGHTCELL_TEST_SLURM:-/var/lib/brightcell-slurm}
mark="# Written by brightcell's tests/slurm/start-cluster.sh"
left=0

stop() { # program pid-file
  local number
  number=$(cat "$2" 2>/dev/null) || return 0
  if [ "$(cat "/proc/$number/comm" 2>/dev/null)" = "$1" ]; then
    kill "$number"
    for _ in {1..150}; do
      kill -0 "$number" 2>/dev/null || break
      sleep 0.2
    done
    if kill -0 "$number" 2>/dev/null; then
      echo "stop-cluster.sh: $1, process $number, does not end" >&2
      left=1
      return 0
    fi
  fi
  rm -f "$2"
}

for file in "$home"/run/slurmd-*.pid; do
  stop slurmd "$file"
done
for program in slurmctld slurmdbd mariadbd munged; do
  stop $program "$home/run/$program.pid"
done
for file in slurm.conf slurmdbd.conf gres.conf; do
  if grep -qF "$mark" /etc/slurm/$file 2>/dev/null; then
    rm /etc/slurm/$file
  fi
  if [ -e /etc/slurm/$file.before-tests ]; then
    mv /etc/slurm/$file.before-tests /etc/slurm/$file
  fi
done
exit $left
