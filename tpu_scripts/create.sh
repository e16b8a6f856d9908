#!/usr/bin/env bash
# Create a TPU VM, or go on waiting for one. Does nothing where it is there already.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: create.sh [--spot] [--queued [--wait SECONDS]] [settings]

Creates the TPU VM on demand.
  --spot           cheaper, and may be taken away at any time (see babysit.sh)
  --queued         ask through the queue (request NAME-request) and wait until it is granted
  --wait SECONDS   longest wait (default 86400); the request then stays in the queue, and the same
                   command goes on waiting (exit status $TRY_AGAIN)

$SETTINGS_HELP
HELP
}

SPOT=() QUEUED="" WAIT=86400 POLL=${TPU_POLL:-30}
own() {
  case $1 in
    --spot) SPOT=(--spot) ;;
    --queued) QUEUED=1 ;;
    --wait)
      need_value "$@"
      WAIT=$2 TAKEN=2
      [[ $WAIT =~ ^[0-9]+$ ]] || die 2 "--wait: expected seconds, got '$WAIT'"
      ;;
    *) unknown "$1" ;;
  esac
}
take_options own "$@"
require_settings
resolve_type

# pause: sleep until the next look, or stop where the wait is over
pause() {
  [[ $SECONDS -lt $WAIT ]] ||
    die "$TRY_AGAIN" "$1 is still $STATE after $WAIT s; it goes on, run the same command to wait"
  sleep "$POLL"
}

create_now() {
  cloud compute tpus tpu-vm create "$TPU_NAME" "${PLACE[@]}" \
    --accelerator-type "$ACCELERATOR" --version "$RUNTIME" ${SPOT[@]+"${SPOT[@]}"} ||
    die 1 "gcloud could not create $TPU_NAME (above); no quota or no capacity: another zone," \
      "--spot or --queued; run the same command to try again"
}

create_queued() {
  request_state NONE
  if [[ $STATE == NONE ]]; then
    cloud compute tpus queued-resources create "$TPU_NAME-request" "${PLACE[@]}" \
      --node-id "$TPU_NAME" --accelerator-type "$ACCELERATOR" --runtime-version "$RUNTIME" \
      ${SPOT[@]+"${SPOT[@]}"} ||
      die 1 "gcloud did not take the request (above); run the same command to try again"
  fi
  while true; do
    request_state ACTIVE
    case $STATE in
      ACTIVE) break ;;
      FAILED | SUSPENDING | SUSPENDED | DELETING)
        die 1 "request $TPU_NAME-request is $STATE and will not be granted;" \
          "run delete.sh, then create.sh again"
        ;;
    esac
    say "request $TPU_NAME-request is $STATE"
    pause "request $TPU_NAME-request"
  done
}

vm_state NONE
while [[ $STATE == CREATING || $STATE == STARTING || $STATE == RESTARTING ]]; do
  say "$TPU_NAME is $STATE"
  pause "$TPU_NAME"
  vm_state NONE
done
case $STATE in
  READY)
    say "$TPU_NAME is there already"
    exit 0
    ;;
  NONE) ;;
  *) die 1 "$TPU_NAME is $STATE, not READY; run delete.sh, then create.sh again" ;;
esac
if [[ -n $QUEUED ]]; then create_queued; else create_now; fi
vm_state READY
[[ $STATE == READY ]] || die "$TRY_AGAIN" "$TPU_NAME is $STATE; run the same command to wait for it"
say "$TPU_NAME is ready ($CHIPS chips); next: setup.sh"
