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
  --run, --env       as for run.sh; --env may be repeated
  --retries N        failures in a row before giving up with status $TRY_AGAIN (default 10); a run
                     that lasted ten minutes starts the count again
  --backoff SECONDS  first pause after a failure, doubled up to ten minutes (default 15)

$SETTINGS_HELP
HELP
}

CREATE=() RUN=() RETRIES=10 BACKOFF=15 LASTED=600
while [[ $# -gt 0 ]]; do
  take_setting "$@"
  if [[ $TAKEN -gt 0 ]]; then
    shift "$TAKEN"
    continue
  fi
  case $1 in
    --spot | --queued) CREATE+=("$1") ;;
    --run | --env | --retries | --backoff)
      need_value "$@"
      case $1 in
        --retries) RETRIES=$2 ;;
        --backoff) BACKOFF=$2 ;;
        *) RUN+=("$1" "$2") ;;
      esac
      shift
      ;;
    --)
      shift
      break
      ;;
    -*) die 2 "unknown option '$1' before the verb; see --help" ;;
    *) break ;;
  esac
  shift
done
[[ $# -gt 0 ]] || die 2 "expected what jaxheads should do; see --help"
[[ $RETRIES =~ ^[0-9]+$ ]] || die 2 "--retries: expected a number, got '$RETRIES'"
[[ $BACKOFF =~ ^[0-9]+$ ]] || die 2 "--backoff: expected seconds, got '$BACKOFF'"
require_settings
resolve_type

# A VM that was created and not set up is set up at the next turn.
FRESH=""
bring_up() {
  # its own shell: a question that gcloud does not answer is one more failure, not the end
  local state request=NONE
  state=$(vm_state >&2 && echo "$STATE") || return 1
  if [[ $state == NONE ]]; then # a preemption may take the VM and leave its request
    request=$(request_state >&2 && echo "$STATE") || return 1
  fi
  case $state/$request in
    READY/*) ;;
    PREEMPTED/* | TERMINATED/*)
      say "$TPU_NAME is $state: replacing it"
      FRESH=1
      "$SCRIPTS/delete.sh" --yes || return
      ;;
    NONE/ACTIVE | NONE/FAILED | NONE/SUSPENDED)
      say "$TPU_NAME is gone and its request is $request: asking anew"
      FRESH=1
      "$SCRIPTS/delete.sh" --yes || return
      ;;
    NONE/SUSPENDING | NONE/DELETING) return 1 ;; # the next turn finds it ended
    NONE/* | CREATING/* | STARTING/* | RESTARTING/*) FRESH=1 ;;
    *)
      say "$TPU_NAME is $state, which a preemption does not do; it is left as it is"
      return 1
      ;;
  esac
  if [[ -n $FRESH ]]; then
    "$SCRIPTS/create.sh" ${CREATE[@]+"${CREATE[@]}"} || return
    "$SCRIPTS/setup.sh" || return
    FRESH=""
  fi
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
  vm_state NONE
  "$SCRIPTS/create.sh" ${CREATE[@]+"${CREATE[@]}"}
  "$SCRIPTS/setup.sh"
  "$SCRIPTS/run.sh" ${RUN[@]+"${RUN[@]}"} -- "$@"
  exit 0
fi

failures=0
while true; do
  begun=$SECONDS status=0
  if bring_up; then
    begun=$SECONDS
    "$SCRIPTS/run.sh" ${RUN[@]+"${RUN[@]}"} -- "$@" || status=$?
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
