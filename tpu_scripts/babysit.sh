#!/usr/bin/env bash
# Keep a run going on a VM that may be taken away: create it again, set it up, resume the same run.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: babysit.sh [--spot] [--queued] [options] [settings] VERB [arguments of jaxheads ...]

Creates and sets up the VM if it is not there, runs \`jaxheads VERB ...\` as run.sh does, and does it
all again when the VM was preempted, a worker was lost or the connection dropped. Stops when the run
has finished (0) or failed by its own fault (its exit status). What must survive has to lie outside
the VM, whose disk goes with it: at a URL, or on a disk that --mount mounts on every
new VM (--checkpoints /mnt/kept --resume).
  --spot, --queued   how the VM is created (create.sh)
  --node NAME[=TYPE] one more VM or slice that joins this one in a Ray cluster (cluster.sh), for a
                     study with --ray auto; may be repeated. One that was taken away comes back and
                     joins again while the study goes on
  --run, --env       as for run.sh; --env may be repeated
  --retries N        failures in a row before giving up with status $TRY_AGAIN (default 10); a run
                     that lasted ten minutes starts the count again
  --backoff SECONDS  first pause after a failure, doubled up to ten minutes (default 15)

$SETTINGS_HELP
HELP
}

RUN=() NODES=() RETRIES=10 BACKOFF=15 LASTED=600
own() {
  case $1 in
    --spot | --queued) CREATE+=("$1") ;;
    --run | --env | --node | --retries | --backoff)
      need_value "$@"
      TAKEN=2
      case $1 in
        --node) NODES+=("$2") ;;
        --retries) RETRIES=$2 ;;
        --backoff) BACKOFF=$2 ;;
        *) RUN+=("$1" "$2") ;;
      esac
      ;;
    --) TAKEN=0 ;;
    -*) die 2 "unknown option '$1' before the verb; see --help" ;;
    *) TAKEN=0 ;;
  esac
}
take_options own "$@"
set -- ${WORDS[@]+"${WORDS[@]}"}
[[ ${1:-} != -- ]] || shift
take_dry_run "$@"
set -- ${WORDS[@]+"${WORDS[@]}"}
[[ $# -gt 0 ]] || die 2 "expected what jaxheads should do; see --help"
[[ $RETRIES =~ ^[0-9]+$ ]] || die 2 "--retries: expected a number, got '$RETRIES'"
[[ $BACKOFF =~ ^[0-9]+$ ]] || die 2 "--backoff: expected seconds, got '$BACKOFF'"
require_settings
resolve_type

# ready: the VMs are there and set up, and have joined each other where there are several
ready() {
  [[ ${#NODES[@]} -gt 0 ]] || { bring_up; return; }
  "$SCRIPTS/cluster.sh" ${CREATE[@]+"${CREATE[@]}"} "$TPU_NAME" "${NODES[@]}"
}

# keep_joined: bring back what is taken away of the cluster, but for its head, until SIGTERM
keep_joined() {
  trap 'kill $! 2>/dev/null; exit 0' TERM
  while sleep "${TPU_POLL:-120}" & wait $!; do
    if (vm_state && [[ $STATE == READY ]]); then ready || true; fi
  done
} >&2

# run_once WORDS...: follow the run to its end
run_once() {
  local keeper="" status=0
  if [[ ${#NODES[@]} -gt 0 ]]; then
    keep_joined &
    keeper=$!
    # shellcheck disable=SC2064  # this keeper
    trap "kill $keeper 2>/dev/null || true" EXIT
  fi
  "$SCRIPTS/run.sh" ${RUN[@]+"${RUN[@]}"} -- "$@" || status=$?
  [[ -z $keeper ]] || { kill "$keeper" && wait "$keeper"; } 2>/dev/null || true
  return "$status"
}

# was_lost STATUS: not the run's own fault. A preemption shows in the VM's state with some delay.
was_lost() {
  local state
  [[ $1 -ne 143 && $1 -ne $TRY_AGAIN && $1 -ne $NOT_SET_UP ]] || return 0
  sleep "${TPU_POLL:-30}"
  state=$(vm_state && echo "$STATE") || return 0
  [[ $state != READY ]]
}

if [[ -n $TPU_DRY_RUN ]]; then
  ready
  "$SCRIPTS/run.sh" ${RUN[@]+"${RUN[@]}"} -- "$@"
  exit 0
fi

failures=0
while true; do
  begun=$SECONDS status=0
  if ready; then
    begun=$SECONDS
    run_once "$@" || status=$?
    if [[ $status -eq 0 ]]; then
      say "the run has finished; next: fetch.sh, then delete.sh (the VM still costs)"
      exit 0
    fi
    [[ $status -ne $NOT_SET_UP ]] || FRESH=1
    was_lost "$status" || die "$status" "the run failed by its own fault; the VM is left as it is"
    [[ $((SECONDS - begun)) -lt $LASTED ]] || failures=0
  fi
  failures=$((failures + 1))
  [[ $failures -le $RETRIES ]] ||
    die "$TRY_AGAIN" "$failures failures in a row, giving up; the same command goes on"
  pause=$((BACKOFF << (failures < 7 ? failures - 1 : 6)))
  [[ $pause -le 600 ]] || pause=600
  say "failure $failures of at most $RETRIES in a row; trying again in $pause s"
  sleep "$pause"
done
