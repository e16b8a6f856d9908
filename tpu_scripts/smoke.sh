#!/usr/bin/env bash
# A minute's proof that the slice works: its devices, a sum over all of them, one score.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: smoke.sh [--local] [settings]

On all workers at once: counts the devices (and compares with the type, if one is given), adds up a
number from every device, and scores the built-in RoBERTa on 64 sentences.
  --local          on this machine instead: no gcloud, no settings

$SETTINGS_HELP
HELP
}

LOCAL=""
own() { if [[ $1 == --local ]]; then LOCAL=1; else unknown "$1"; fi; }
take_options own "$@"

read -r -d '' PROGRAM <<'PYTHON' || true
import sys

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads import make_mesh, start_distributed

if sys.argv[1] == "slice":
    start_distributed()
expected, count = int(sys.argv[2]), jax.device_count()
if expected and count != expected:
    sys.exit(f"jaxheads-smoke: expected {expected} devices, got {count}")
sharding = jax.sharding.NamedSharding(make_mesh(), jax.sharding.PartitionSpec("data"))
numbers = jax.make_array_from_callback((count,), sharding, lambda index: np.arange(count)[index])
total = int(jax.jit(jnp.sum)(numbers))
if total != count * (count - 1) // 2:
    sys.exit(f"jaxheads-smoke: expected the sum {count * (count - 1) // 2}, got {total}")
print(
    f"jaxheads-smoke: process {jax.process_index()} of {jax.process_count()}: {count} devices "
    f"({jax.devices()[0].device_kind}), sum over all of them is right"
)
PYTHON

SCORE=(score --model builtin:roberta --task grammar_mlm --limit 64)
if [[ -n $LOCAL ]]; then
  PYTHON=$CHECKOUT/.venv/bin/python
  [[ -x $PYTHON ]] || PYTHON=python3
  FOLDER=$(mktemp -d)
  trap 'rm -rf "$FOLDER"' EXIT
  if [[ -n $TPU_DRY_RUN ]]; then
    printf '%q -c PROGRAM local 0\n' "$PYTHON"
  else
    "$PYTHON" -c "$PROGRAM" local 0 || die 1 "the devices do not work together (above)"
  fi
  "$SCRIPTS/run.sh" --local "${SCORE[@]}" --out "$FOLDER/scores.npz" || die 1 "no score (above)"
  say "all is well"
  exit 0
fi

require_settings
CHIPS=0
[[ -z $TPU_TYPE ]] || resolve_type
on_workers all "cd ~/$ROOM && exec venv/bin/python -c $(printf %q "$PROGRAM") slice $CHIPS" \
  "cd ~/$ROOM, and let venv/bin/python add a number up over all devices of all workers" ||
  die 1 "the workers do not compute together (above); is setup.sh done on all of them?"
"$SCRIPTS/run.sh" --run smoke --again "${SCORE[@]}" --out smoke.npz ||
  die 1 "the score failed (above)"
say "all is well; next: run.sh or babysit.sh"
