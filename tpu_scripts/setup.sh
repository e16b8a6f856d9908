#!/usr/bin/env bash
# Copy this checkout to all workers and install it there, with its own Python.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: setup.sh [settings]

On every worker: the checkout in ~/$ROOM/code (without runs, environments, caches and .git), uv,
Python 3.12 and '.[tpu]' in ~/$ROOM/venv. Run it again after a change of the code; what runs have
written is never touched. It stops with an error while a run is going on. Then the command of --mount.

$SETTINGS_HELP
HELP
}

take_options unknown "$@"
require_settings

# Runs on each worker. The new code is unpacked beside the old and takes its place at the end.
read -r -d '' INSTALL <<'WORKER' || true
set -euo pipefail
mkdir -p ~/jaxheads/logs && cd ~/jaxheads
for lock in logs/*/lock; do
  if [[ -e $lock ]] && ! flock -n -s "$lock" true; then
    echo "jaxheads-setup: $(hostname): run $(basename "$(dirname "$lock")") is going on" >&2
    exit 1
  fi
done
rm -rf code.new && mkdir code.new
tar -xzf ~/jaxheads.tar.gz -C code.new
rm -rf code && mv code.new code
ln -sfn code/configs configs
export PATH=$HOME/.local/bin:$PATH
command -v uv >/dev/null || curl -LsSf --retry 5 https://astral.sh/uv/install.sh | sh
[[ -x venv/bin/python ]] || uv venv --quiet --python 3.12 venv
uv pip install --quiet --python venv/bin/python -e './code[tpu]'
echo "jaxheads-setup: $(hostname): $(venv/bin/jaxheads --version) ready"
WORKER

FOLDER=$(mktemp -d)
trap 'rm -rf "$FOLDER"' EXIT
ARCHIVE=$FOLDER/jaxheads.tar.gz
if [[ -z $TPU_DRY_RUN ]]; then
  tar -C "$CHECKOUT" --exclude=./runs --exclude='./.venv*' --exclude=./.git --exclude='./.*_cache' \
    --exclude=./.hypothesis --exclude=./build --exclude=./dist --exclude=__pycache__ \
    --exclude='*.egg-info' -czf "$ARCHIVE" .
fi
cloud compute tpus tpu-vm scp "$ARCHIVE" "$TPU_NAME:jaxheads.tar.gz" "${PLACE[@]}" --worker all ||
  die 1 "the checkout could not be copied to all workers (above); run setup.sh again"
on_workers all "$INSTALL${TPU_MOUNT:+$'\n'$TPU_MOUNT}" ||
  die 1 "not all workers could be set up (above); what is done stays, run setup.sh again"
say "set up; next: smoke.sh"
