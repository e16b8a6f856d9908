#!/usr/bin/env bash
# Delete the TPU VM and its queued request. What lies on its disk is lost.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: delete.sh [--yes] [settings]

Asks before it deletes the TPU VM and the queued request NAME-request, if there is one.
  --yes            do not ask

$SETTINGS_HELP
HELP
}

YES=""
own() { if [[ $1 == --yes ]]; then YES=1; else unknown "$1"; fi; }
take_options own "$@"
require_settings

vm_state READY
VM=$STATE
request_state ACTIVE
REQUEST=$STATE
if [[ $VM == NONE && $REQUEST == NONE ]]; then
  say "there is no $TPU_NAME and no request for it"
  exit 0
fi
if [[ -z $YES && -z $TPU_DRY_RUN ]]; then
  printf 'Delete %s (VM: %s, request: %s) with all that is on its disk? [y/N] ' \
    "$TPU_NAME" "$VM" "$REQUEST" >&2
  read -r answer || answer=""
  [[ $answer == [yY] || $answer == yes ]] || die 1 "nothing was deleted"
fi
if [[ $VM != NONE ]]; then
  cloud compute tpus tpu-vm delete "$TPU_NAME" "${PLACE[@]}" --quiet ||
    die 1 "gcloud could not delete $TPU_NAME (above); it still costs, run delete.sh again"
fi
if [[ $REQUEST != NONE ]]; then
  cloud compute tpus queued-resources delete "$TPU_NAME-request" "${PLACE[@]}" --force --quiet ||
    die 1 "gcloud could not delete request $TPU_NAME-request (above); run delete.sh again"
fi
say "$TPU_NAME is deleted"
