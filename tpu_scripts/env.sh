#!/usr/bin/env bash
# Settings and the few functions that the other scripts share. They source it; run by itself it
# prints the settings that they would use.
set -euo pipefail

SCRIPTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CHECKOUT=$(dirname "$SCRIPTS")
ROOM="jaxheads" # the folder in a worker's home: code, venv, logs, and the runs themselves
TRY_AGAIN=75    # exit status: nothing is wrong with the command, run it again
NOT_SET_UP=69   # exit status: setup.sh has not (wholly) run
export SCRIPTS CHECKOUT ROOM TRY_AGAIN NOT_SET_UP

SETTINGS_HELP="settings, by option or by environment variable:
  --project ID     TPU_PROJECT   Google Cloud project
  --zone ZONE      TPU_ZONE      zone, such as us-central2-b
  --name NAME      TPU_NAME      name of the TPU VM
  --type TYPE      TPU_TYPE      v4-8, v5litepod-16 (or v5e-16), v5p-8, v6e-8 ...
  --runtime NAME   TPU_RUNTIME   runtime version; without it the one that belongs to the type
  --mount COMMAND  TPU_MOUNT     what setup.sh runs in bash on every worker at its end, such as
                                 mounting the disk that all workers are to see
  --dry-run        TPU_DRY_RUN=1 print the gcloud lines and run nothing
  -h, --help                     show this and stop"

# say MESSAGE: after a dry run it is what would have been said
say() {
  local lead=""
  [[ -z ${TPU_DRY_RUN:-} ]] || lead="dry run, nothing was done; else: "
  printf '%s: %s%s\n' "$(basename "$0" .sh)" "$lead" "$*" >&2
}

# die STATUS MESSAGE
die() {
  local status=$1
  shift
  printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
  exit "$status"
}

need_value() { [[ $# -ge 2 && -n $2 ]] || die 2 "$1: expected a value; see --help"; }

# take_setting WORD VALUE...: sets TAKEN to how many words were a common option, 0 for another.
take_setting() {
  TAKEN=2
  case $1 in
    --project | --zone | --name | --type | --runtime | --mount) need_value "$@" ;;
  esac
  case $1 in
    --project) TPU_PROJECT=$2 ;;
    --zone) TPU_ZONE=$2 ;;
    --name) TPU_NAME=$2 ;;
    --type) TPU_TYPE=$2 ;;
    --runtime) TPU_RUNTIME=$2 ;;
    --mount) TPU_MOUNT=$2 ;;
    --dry-run) TPU_DRY_RUN=1 TAKEN=1 ;;
    -h | --help)
      help
      exit 0
      ;;
    *) TAKEN=0 ;;
  esac
  export TPU_PROJECT TPU_ZONE TPU_NAME TPU_TYPE TPU_RUNTIME TPU_MOUNT TPU_DRY_RUN
}

# take_dry_run WORDS...: sets WORDS to those of jaxheads; a --dry-run among them is the script's.
take_dry_run() {
  local word
  WORDS=()
  for word in "$@"; do
    if [[ $word == --dry-run ]]; then export TPU_DRY_RUN=1; else WORDS+=("$word"); fi
  done
}

# take_options OWN WORD...: takes common options, and by OWN those of the script, which sets TAKEN
# where it takes other than one word, to 0 where other words begin; sets WORDS to these.
take_options() {
  local own=$1
  shift
  while [[ $# -gt 0 ]]; do
    take_setting "$@"
    if [[ $TAKEN -eq 0 ]]; then
      TAKEN=1
      "$own" "$@"
      [[ $TAKEN -gt 0 ]] || break
    fi
    shift "$TAKEN"
  done
  WORDS=("$@")
}

# unknown WORD: the options of a script without any of its own
unknown() { die 2 "unknown argument '$1'; see --help"; }

: "${TPU_PROJECT:=}" "${TPU_ZONE:=}" "${TPU_NAME:=}" "${TPU_TYPE:=}" "${TPU_RUNTIME:=}"
: "${TPU_MOUNT:=}" "${TPU_DRY_RUN:=}"

# require_settings: project, zone and name, which every call of gcloud needs
require_settings() {
  local missing=()
  [[ -n $TPU_PROJECT ]] || missing+=("--project (TPU_PROJECT)")
  [[ -n $TPU_ZONE ]] || missing+=("--zone (TPU_ZONE)")
  [[ -n $TPU_NAME ]] || missing+=("--name (TPU_NAME)")
  [[ ${#missing[@]} -eq 0 ]] || die 2 "expected a value for ${missing[*]}; see --help"
  [[ $TPU_NAME != -* ]] || die 2 "--name: expected a name, got '$TPU_NAME'"
  [[ -n $TPU_DRY_RUN ]] || command -v gcloud >/dev/null ||
    die 2 "gcloud is not installed: https://cloud.google.com/sdk/docs/install"
  PLACE=(--project "$TPU_PROJECT" --zone "$TPU_ZONE")
}

# resolve_type: TPU_TYPE -> ACCELERATOR (gcloud's name), RUNTIME, CHIPS.
# Sources: cloud.google.com/tpu/docs/runtimes and the page of each version. v4 and v5p count cores,
# two to a chip; v5e and v6e count chips. A chip is one device of JAX.
resolve_type() {
  local size=${TPU_TYPE##*-} per_chip=1
  ACCELERATOR=$TPU_TYPE
  [[ -n $TPU_TYPE ]] || die 2 "expected a value for --type (TPU_TYPE); see --help"
  case $TPU_TYPE in
    v4-*) RUNTIME=tpu-ubuntu2204-base per_chip=2 ;;
    v5litepod-*) RUNTIME=v2-alpha-tpuv5-lite ;;
    v5e-*) RUNTIME=v2-alpha-tpuv5-lite ACCELERATOR=v5litepod-$size ;;
    v5p-*) RUNTIME=v2-alpha-tpuv5 per_chip=2 ;;
    v6e-*) RUNTIME=v2-alpha-tpuv6e ;;
    tpu7* | v7*)
      die 2 "--type: $TPU_TYPE has no TPU VM interface, it is reached through GKE only (see xpk)"
      ;;
    *) die 2 "--type: expected v4-N, v5litepod-N (v5e-N), v5p-N or v6e-N, got '$TPU_TYPE'" ;;
  esac
  [[ $TPU_TYPE =~ ^[a-z0-9]+-[1-9][0-9]*$ && $((size % per_chip)) -eq 0 ]] ||
    die 2 "--type: expected a size that $TPU_TYPE's version has, such as 8, got '$size'"
  RUNTIME=${TPU_RUNTIME:-$RUNTIME}
  CHIPS=$((size / per_chip))
}

# -- gcloud

show_line() {
  printf 'gcloud'
  printf ' %q' "$@"
  printf '\n'
}

# cloud WORDS...: run gcloud, or with --dry-run print the line
cloud() {
  if [[ -n $TPU_DRY_RUN ]]; then
    show_line "$@"
  else
    gcloud "$@"
  fi
}

# state_of ASSUMED WORDS...: sets STATE to what `gcloud WORDS` prints, NONE where there is no such
# thing. A dry run prints the line and takes ASSUMED.
state_of() {
  local assumed=$1 errors
  shift
  if [[ -n $TPU_DRY_RUN ]]; then
    show_line "$@"
    STATE=$assumed
    return
  fi
  errors=$(mktemp)
  if STATE=$(gcloud "$@" 2>"$errors"); then
    STATE=${STATE:-UNKNOWN}
  elif grep -qiE 'NOT_FOUND|not found|does not exist' "$errors"; then
    STATE=NONE
  else
    cat "$errors" >&2
    rm -f "$errors"
    die 1 "gcloud could not tell the state of $TPU_NAME (above); nothing was changed, try again"
  fi
  rm -f "$errors"
}

vm_state() {
  state_of "${1:-READY}" compute tpus tpu-vm describe "$TPU_NAME" "${PLACE[@]}" \
    --format 'value(state)'
}

request_state() {
  state_of "${1:-NONE}" compute tpus queued-resources describe "$TPU_NAME-request" "${PLACE[@]}" \
    --format 'value(state.state)'
}

# on_workers WHICH COMMAND [WORDS]: bash on worker WHICH, or on all of them. A dry run shows the
# command without quotes, or says in WORDS what it does.
on_workers() {
  local ssh=(compute tpus tpu-vm ssh "$TPU_NAME" "${PLACE[@]}" --worker "$1" --command)
  if [[ -z $TPU_DRY_RUN ]]; then
    cloud "${ssh[@]}" "bash -c $(printf %q "$2")"
    return
  fi
  show_line "${ssh[@]}" SCRIPT
  local where="worker $1"
  [[ $1 != all ]] || where="every worker"
  printf '# SCRIPT, in bash on %s of %s:\n%s\n' "$where" "$TPU_NAME" "${3:-$2}" | sed '2,$s/^/#   /'
}

# bring_up: TPU_NAME is there and set up, with the options CREATE of create.sh; of a VM that a
# preemption has taken another one is made. One that could not be set up is at the next turn.
FRESH="" CREATE=()
bring_up() {
  # its own shell: a question that gcloud does not answer is one more failure, not the end
  local state request=NONE
  state=$(vm_state NONE >&2 && echo "$STATE") || return 1
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

help() {
  echo "usage: env.sh [settings]     print the settings that the other scripts would use"
  echo
  echo "$SETTINGS_HELP"
}

show_settings() {
  take_options unknown "$@"
  require_settings
  resolve_type
  printf '%-8s %s\n' project "$TPU_PROJECT" zone "$TPU_ZONE" name "$TPU_NAME" \
    type "$ACCELERATOR" runtime "$RUNTIME" chips "$CHIPS"
}

[[ ${BASH_SOURCE[0]} != "$0" ]] || show_settings "$@"
