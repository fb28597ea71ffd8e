#!/usr/bin/env bash
# Start a SLURM of two nodes on this machine, for `make test-slurm`: the real daemons, with GPUs that are only pretended.
#
#   sudo tests/slurm/start-cluster.sh    # on Debian or Ubuntu; installs what is missing, seconds once that is there
#   sudo tests/slurm/stop-cluster.sh
#
# Everything lies in the folder that BRIGHTCELL_TEST_SLURM names, or in /var/lib/brightcell-slurm. The configuration alone
# is in /etc/slurm, because SLURM takes SLURM_CONF out of the environment of what a job starts. What was there before is
# kept, and put back when the cluster is stopped. What runs already is left alone.
set -euo pipefail

home=${BRIGHTCELL_TEST_SLURM:-/var/lib/brightcell-slurm}
nodes=(node1 node2)
controller_port=26817 accounting_port=26819 database_port=26806 first_node_port=26820
mark="# Written by brightcell's tests/slurm/start-cluster.sh"

fail() {
  echo "start-cluster.sh: $*" >&2
  exit 1
}

# Whether the daemon of a pid file runs; a number that another program has by now does not count.
runs() { # name program
  local number
  number=$(cat "$home/run/$1.pid" 2>/dev/null) && [ "$(cat "/proc/$number/comm" 2>/dev/null)" = "$2" ]
}

# Wait until a command succeeds.
until_true() { # what command...
  local what=$1 end=$((SECONDS + 60))
  shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || fail "waited a minute for $what; the logs are in $home/log"
    sleep 0.2
  done
}

install_packages() {
  local program
  for program in munged mariadbd my_print_defaults slurmdbd slurmctld slurmd sbatch; do
    command -v $program >/dev/null && continue
    command -v apt-get >/dev/null || fail "$program is not installed, and there is no apt-get that could do it"
    echo "Installing SLURM and MariaDB ..."
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      munge mariadb-server-core mariadb-client slurmdbd slurmctld slurmd slurm-client >"$home/log/install.log" 2>&1 ||
      fail "the packages could not be installed: $home/log/install.log"
    return
  done
}

write_configuration() {
  local file node port=$first_node_port host password
  host=$(hostname -s)
  mkdir -p /etc/slurm
  for file in slurm.conf slurmdbd.conf gres.conf; do
    if [ -e /etc/slurm/$file ] && ! grep -qF "$mark" /etc/slurm/$file; then
      mv /etc/slurm/$file /etc/slurm/$file.before-tests
    fi
  done
  # Two jobs of the tests' trainings do not fit on one node. MinJobAge is what docs/slurm.md asks of a cluster.
  {
    cat <<END
$mark
ClusterName=tests
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$home/run/munge.socket
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool/%n
SlurmctldPidFile=$home/run/slurmctld.pid
SlurmdPidFile=$home/run/slurmd-%n.pid
SlurmctldLogFile=$home/log/slurmctld.log
SlurmdLogFile=$home/log/slurmd-%n.log
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=$accounting_port
AccountingStoragePass=$home/run/munge.socket
AccountingStorageTRES=gres/gpu

# Jobs are followed without cgroups, which a container may not have: SLURM itself watches their memory.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
MpiDefault=none

# Tests should not wait long for a job to start, to end, or for a lost node.
SchedulerParameters=batch_sched_delay=0,sched_min_interval=200000,bf_interval=2
KillWait=5
SlurmdTimeout=60
ReturnToService=2
MinJobAge=300

# The nodes have what is said here, whatever this machine has.
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
GresTypes=gpu
PartitionName=DEFAULT Nodes=ALL MaxTime=1-0 DefMemPerCPU=500 State=UP
PartitionName=cpu Default=YES
PartitionName=gpu
END
    for node in "${nodes[@]}"; do
      echo "NodeName=$node NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port++)) CPUs=8 RealMemory=16000 Gres=gpu:2"
    done
  } >/etc/slurm/slurm.conf
  {
    echo "$mark"
    echo "Name=gpu File=$home/gpus/nvidia[0-1]"
  } >/etc/slurm/gres.conf
  password=$(cat "$home/database-password" 2>/dev/null || head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
  (
    umask 077 # slurmdbd refuses a configuration that others can read
    echo "$password" >"$home/database-password"
    cat >/etc/slurm/slurmdbd.conf <<END
$mark
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=$accounting_port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$home/run/munge.socket
PidFile=$home/run/slurmdbd.pid
LogFile=$home/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=$database_port
StorageUser=slurm
StoragePass=$password
StorageLoc=slurm
END
    cat >"$home/accounts.sql" <<END
create or replace user 'slurm'@'127.0.0.1' identified by '$password';
create or replace user 'slurm'@'localhost' identified by '$password';
grant all on slurm.* to 'slurm'@'127.0.0.1';
grant all on slurm.* to 'slurm'@'localhost';
END
  )
}

start_munge() {
  local socket=$home/run/munge.socket
  [ -s "$home/munge.key" ] || (umask 077 && head -c 128 /dev/urandom >"$home/munge.key")
  runs munged munged || munged --socket "$socket" --key-file "$home/munge.key" --pid-file "$home/run/munged.pid" \
    --log-file "$home/log/munged.log" --seed-file "$home/munge.seed"
  until_true "munge" munge --no-input --socket "$socket"
}

start_database() {
  runs mariadbd mariadbd && return
  if [ ! -d "$home/database/mysql" ]; then
    mariadb-install-db --no-defaults --user=root --datadir="$home/database" --skip-test-db >"$home/log/database.log" 2>&1 ||
      fail "the database could not be made: $home/log/database.log"
  fi
  # The settings of InnoDB are those that slurmdbd asks for; what a crash loses here is no loss.
  setsid mariadbd --no-defaults --user=root --datadir="$home/database" --init-file="$home/accounts.sql" \
    --bind-address=127.0.0.1 --port=$database_port --socket="$home/run/database.socket" \
    --pid-file="$home/run/mariadbd.pid" --innodb-lock-wait-timeout=900 --innodb-flush-log-at-trx-commit=0 \
    </dev/null >>"$home/log/database.log" 2>&1 &
  until_true "the database" bash -c ": </dev/tcp/127.0.0.1/$database_port"
}

start_accounting() {
  runs slurmdbd slurmdbd || slurmdbd
  until_true "slurmdbd" sacctmgr --noheader show cluster
  [ -n "$(sacctmgr --noheader show cluster tests)" ] || sacctmgr --immediate --quiet add cluster tests >/dev/null
  if [ -z "$(sacctmgr --noheader show account tests)" ]; then
    sacctmgr --immediate --quiet add account tests cluster=tests >/dev/null
    sacctmgr --immediate --quiet add user root account=tests >/dev/null
  fi
}

nodes_are_idle() {
  [ "$(sinfo --noheader --Node --partition=cpu --format=%T | sort -u)" = idle ]
}

start_slurm() {
  local node
  runs slurmctld slurmctld || slurmctld
  until_true "slurmctld" scontrol ping
  for node in "${nodes[@]}"; do
    mkdir -p "$home/spool/$node"
    runs "slurmd-$node" slurmd || slurmd -N "$node"
  done
  until_true "the nodes" nodes_are_idle
}

[ "$(id -u)" = 0 ] || fail "only root can start SLURM's daemons"
mkdir -p "$home"/{run,log,state,spool,gpus,database}
chmod 755 "$home" "$home/run"
for number in 0 1; do # slurmd takes a device only, and numbers it by its name; nothing opens it
  [ -c "$home/gpus/nvidia$number" ] || mknod "$home/gpus/nvidia$number" c 1 3
done
install_packages
if ! grep -qF "$mark" /etc/slurm/slurm.conf 2>/dev/null && timeout 20 sinfo >/dev/null 2>&1; then
  fail "another SLURM answers here already, and is left alone"
fi
write_configuration
start_munge
start_database
start_accounting
start_slurm
sinfo --Node --format="%N %P %T %c %m %G"
echo "The tests may break it after: export BRIGHTCELL_TEST_SLURM=$home"
