#!/usr/bin/env bash
# Bring results back: folder by folder, each checked; what is here already is not fetched again.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: fetch.sh [--from PATH] [--to DIR] [--worker N] [--logs] [settings]

Copies what lies in ~/$ROOM/PATH of a worker into DIR, one entry after the other. An entry that is
here with the same SHA-256 sums is left alone: interrupted, the same command goes on.
  --from PATH      folder on the worker (default runs), relative to ~/$ROOM
  --to DIR         local folder (default the same path)
  --worker N       which worker (default 0: records are written by the first process)
  --logs           the logs of all runs instead, from every worker, to DIR/worker-N

$SETTINGS_HELP
HELP
}

FROM="" TO="" WORKER=0 LOGS=""
own() {
  case $1 in
    --from | --to | --worker)
      need_value "$@"
      TAKEN=2
      case $1 in
        --from) FROM=$2 ;;
        --to) TO=$2 ;;
        *) WORKER=$2 ;;
      esac
      ;;
    --logs) LOGS=1 ;;
    *) unknown "$1" ;;
  esac
}
take_options own "$@"
[[ $WORKER =~ ^[0-9]+$ ]] || die 2 "--worker: expected a number, got '$WORKER'"
[[ -z $LOGS ]] || FROM=logs
FROM=${FROM:-runs}
TO=${TO:-$FROM}
[[ $FROM != /* && /$FROM/ != */../* ]] ||
  die 2 "--from: expected a path inside ~/$ROOM, got '$FROM'"
require_settings

sums_of() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

# same SUMS DIR: whether all files of SUMS are in DIR as it says
same() { (cd "$2" 2>/dev/null && sums_of -c --status - <<<"$1" 2>/dev/null); }

# fetch_entry WORKER ENTRY SUMS DIR: the entry arrives beside its place and is then moved there
fetch_entry() {
  local part=$4/.fetching
  if same "$3" "$4"; then
    say "$2 is here already"
    return
  fi
  rm -rf "$part" && mkdir -p "$part"
  cloud compute tpus tpu-vm scp --recurse "$TPU_NAME:$ROOM/$FROM/$2" "$part/" "${PLACE[@]}" \
    --worker "$1" || die 1 "$2 was not fetched whole (above); run fetch.sh again"
  same "$3" "$part" ||
    die 1 "$2 differs from the worker's (is its run going on?); run fetch.sh again"
  # files that are here alone stay; those that the worker has too take its contents
  cp -Rp "$part/." "$4/" && rm -rf "$part"
  say "$2 was fetched"
}

# fetch_worker WORKER DIR
fetch_worker() {
  local sums entry found=""
  # shellcheck disable=SC2016  # the worker's variables
  local list='cd "$HOME/jaxheads/$1" && find . -type f ! -name lock -exec sha256sum {} +'
  list="set -- $(printf %q "$FROM"); $list"
  if [[ -n $TPU_DRY_RUN ]]; then
    on_workers "$1" "$list"
    cloud compute tpus tpu-vm scp --recurse "$TPU_NAME:$ROOM/$FROM/ENTRY" "$2/.fetching/" \
      "${PLACE[@]}" --worker "$1"
    return
  fi
  sums=$(on_workers "$1" "$list") ||
    die 1 "$ROOM/$FROM of worker $1 could not be listed (above); run fetch.sh again"
  mkdir -p "$2"
  while IFS= read -r entry; do
    [[ -n $entry ]] || continue
    found=1
    # the prefix is compared as text: a name may hold any sign but a line break
    fetch_entry "$1" "$entry" \
      "$(ENTRY="./$entry" awk 'BEGIN { p = ENVIRON["ENTRY"]; n = length(p) }
         substr($0, 67, n) == p && (length($0) == 66 + n || substr($0, 67 + n, 1) == "/")' \
        <<<"$sums")" "$2"
  done < <(cut -c 69- <<<"$sums" | cut -d / -f 1 | sort -u)
  [[ -n $found ]] || die 1 "there is nothing in $ROOM/$FROM of worker $1"
}

if [[ -z $LOGS ]]; then
  fetch_worker "$WORKER" "$TO"
elif [[ -n $TPU_DRY_RUN ]]; then
  on_workers all hostname
  fetch_worker 0 "$TO/worker-0"
else
  # shellcheck disable=SC2016
  NAMES=$(on_workers all 'echo "worker $(hostname)"') ||
    die 1 "the workers could not be counted (above); run fetch.sh again"
  COUNT=$(grep -c '^worker ' <<<"$NAMES")
  for ((worker = 0; worker < COUNT; worker++)); do fetch_worker "$worker" "$TO/worker-$worker"; done
fi
[[ -z $TPU_DRY_RUN ]] || say "all is in $TO"
