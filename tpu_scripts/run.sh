#!/usr/bin/env bash
# Run any `jaxheads ...` on all workers, or on this machine. The run does not need the connection.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: run.sh [options] [settings] VERB [arguments of jaxheads ...]

Starts \`jaxheads VERB ...\` in ~/$ROOM of every worker (prune, report, bench, study --ray: of
the first), follows it, and exits as it does. A dropped connection or Ctrl-C ends only the
following: the same command finds the run and follows it again. A run that has finished is not
started again. Logs: ~/$ROOM/logs/RUN/log of every worker.
  --run RUN          name of the run (default: from the command)
  --env NAME=VALUE   for the run's environment; may be repeated
  --detach           start, and do not follow
  --again            start even if it has finished
  --stop             ask the run to save and stop (SIGTERM)
  --local            on this machine instead, such as a GPU box: no gcloud, no settings
exit status: the run's; $TRY_AGAIN if the connection or a worker was lost, $NOT_SET_UP before setup.sh

$SETTINGS_HELP
HELP
}

RUN="" DETACH="" AGAIN="" STOP="" LOCAL="" VARIABLES=()
# shellcheck disable=SC2329  # take_options calls it
own() {
  case $1 in
    --run | --env)
      need_value "$@"
      TAKEN=2
      if [[ $1 == --run ]]; then RUN=$2; else VARIABLES+=("$2"); fi
      ;;
    --detach) DETACH=1 ;;
    --again) AGAIN=1 ;;
    --stop) STOP=1 ;;
    --local) LOCAL=1 ;;
    --) TAKEN=0 ;;
    -*) die 2 "unknown option '$1' before the verb; see --help" ;;
    *) TAKEN=0 ;;
  esac
}
take_options own "$@"
set -- ${WORDS[@]+"${WORDS[@]}"}
[[ ${1:-} != -- ]] || shift
[[ ${1:-} != jaxheads ]] || shift
take_dry_run "$@"
set -- ${WORDS[@]+"${WORDS[@]}"}
[[ $# -gt 0 || (-n $STOP && -n $RUN) ]] || die 2 "expected what jaxheads should do; see --help"
for variable in ${VARIABLES[@]+"${VARIABLES[@]}"}; do
  [[ $variable =~ ^[A-Za-z_][A-Za-z_0-9]*= ]] || die 2 "--env: expected NAME=VALUE, got '$variable'"
done
VERB=${1:-}
VERB=${VERB//[^A-Za-z0-9]/}
# What does not join the other hosts runs on the first worker alone.
case $VERB in prune | report | bench) WHICH=0 ;; *) WHICH=all ;; esac
for word in "$@"; do
  if [[ -z $LOCAL && ($word == --ray || $word == --ray=*) ]]; then # clusters of cluster.sh
    WHICH=0 VARIABLES=(RAY_AUTH_MODE=token ${VARIABLES[@]+"${VARIABLES[@]}"})
  fi
done
RUN=${RUN:-${VERB:-run}-$(printf '%s\0' "$@" | cksum | cut -d ' ' -f 1)}
[[ $RUN =~ ^[A-Za-z0-9][A-Za-z0-9._-]*$ ]] ||
  die 2 "--run: expected letters, digits, dots, dashes and underscores, got '$RUN'"

# -- what a worker does; each step starts with the name of the run

# The lock is held by the run and by all that it starts: whoever cannot have it, finds it running.
read -r -d '' STATE_STEP <<'WORKER' || true
state() {
  if [[ ! -x ~/jaxheads/venv/bin/jaxheads ]]; then echo bare
  elif [[ ! -e $dir/lock ]]; then echo none
  elif ! flock -n -s "$dir/lock" true; then echo running
  elif [[ -e $dir/status ]]; then echo "finished $(<"$dir/status")"
  else echo lost
  fi
}
tell() { echo "jaxheads-run: $(hostname): $(state)"; }
WORKER

# shellcheck disable=SC2016  # the worker's variables
read -r -d '' START_STEP <<'WORKER' || true
mkdir -p "$dir"
if ! flock -n -s "$dir/lock" true; then exit 0; fi
rm -f "$dir/status" "$dir/started"
cat >"$dir/go" <<'GO'
trap : TERM
cd ~/jaxheads
dir=logs/$1
shift
ps -o pgid= $$ | tr -d ' ' >"$dir/group"
printf '%q ' "$@" >"$dir/command"
date -u +%FT%TZ >"$dir/started"
"$@" && status=0 || status=$?
echo "$status" >"$dir/status.new" && mv "$dir/status.new" "$dir/status"
GO
nohup setsid flock -w 5 "$dir/lock" bash "$dir/go" "$run" env "$@" >>"$dir/log" 2>&1 </dev/null &
for _ in {1..100}; do
  if [[ -e $dir/started ]]; then exit 0; fi
  sleep 0.1
done
echo "jaxheads-run: $(hostname): the run did not start, see $dir/log" >&2
exit 1
WORKER

# shellcheck disable=SC2016
read -r -d '' FOLLOW_STEP <<'WORKER' || true
name=$(hostname)
touch "$dir/log"
tail -n +1 -F "$dir/log" 2>/dev/null > >(sed -u "s/^/[$name] /") &
tail=$!
trap 'kill "$tail" 2>/dev/null || true' EXIT
while [[ $(state) == running ]]; do sleep 0.5; done
sleep 0.3 # for the last lines
kill "$tail" 2>/dev/null || true
tell
WORKER

# shellcheck disable=SC2016
read -r -d '' STOP_STEP <<'WORKER' || true
if [[ $(state) == running ]]; then kill -TERM -- "-$(<"$dir/group")"; fi
tell
WORKER

# step SCRIPT WORDS...: the text of one step, for bash on a worker
step() {
  local script=$1
  shift
  # shellcheck disable=SC2016  # the worker's variables
  printf 'set -euo pipefail\nrun=%q\ndir=$HOME/jaxheads/logs/$run\nset --' "$RUN"
  [[ $# -eq 0 ]] || printf ' %q' "$@"
  printf '\n%s\n%s\n' "$STATE_STEP" "$script"
}

# shown WORDS...: the words as bash would read them
shown() { printf '%q ' "$@"; }

# states TEXT: the states in what workers said, one a line
states() { sed -n 's/^jaxheads-run: .*: \(running\|none\|bare\|lost\|finished [0-9]*\)$/\1/p' <<<"$1"; }

# verdict TEXT: exit as the run did. A lost worker explains the failures of the others.
verdict() {
  local found status=0 value
  found=$(states "$1")
  if [[ -z $found ]] || grep -qE 'lost|none|bare|running' <<<"$found"; then
    die "$TRY_AGAIN" "not every worker of run $RUN could be followed to its end;" \
      "the same command goes on"
  fi
  while read -r _ value; do
    [[ $status -eq 143 || $value -le $status && $value -ne 143 ]] || status=$value
  done <<<"$found"
  [[ $status -eq 0 ]] || say "run $RUN failed with exit status $status; logs: fetch.sh --logs"
  exit "$status"
}

if [[ -n $LOCAL ]]; then
  PROGRAM=$(command -v "$CHECKOUT/.venv/bin/jaxheads" || command -v jaxheads) ||
    die 2 "--local: jaxheads is not installed; see the README"
  LINE=(env ${VARIABLES[@]+"${VARIABLES[@]}"} "$PROGRAM" "$@")
  if [[ -n $TPU_DRY_RUN ]]; then
    shown "${LINE[@]}"
    echo
    say "this line is run"
    exit 0
  fi
  exec "${LINE[@]}"
fi

require_settings
if [[ -n $STOP ]]; then
  on_workers "$WHICH" "$(step "$STOP_STEP")" "ask run $RUN to save and stop (SIGTERM)" || die 1 "not all workers could be asked to stop (above)"
  [[ -z $TPU_DRY_RUN ]] || say "run $RUN is asked to stop"
  exit 0
fi

FOUND=none
if [[ -n $TPU_DRY_RUN ]]; then
  on_workers "$WHICH" "" "say whether run $RUN is going on, has finished, or was never started"
else
  SAID=$(on_workers "$WHICH" "$(step tell)") ||
    die "$TRY_AGAIN" "the workers of $TPU_NAME could not be asked (above); is it READY, set up?"
  FOUND=$(states "$SAID" | sort -u)
fi
grep -q bare <<<"$FOUND" &&
  die "$NOT_SET_UP" "jaxheads is not installed on all workers of $TPU_NAME; run setup.sh"
if [[ $FOUND == "finished 0" && -z $AGAIN ]]; then
  say "run $RUN has finished; --again starts it once more"
  exit 0
fi
if ! grep -q running <<<"$FOUND" || grep -q none <<<"$FOUND"; then
  on_workers "$WHICH" "$(step "$START_STEP" ${VARIABLES[@]+"${VARIABLES[@]}"} venv/bin/jaxheads "$@")" \
    "cd ~/$ROOM && $(shown ${VARIABLES[@]+"${VARIABLES[@]}"} venv/bin/jaxheads "$@")  # log: logs/$RUN/log" ||
    die "$TRY_AGAIN" "run $RUN did not start on all workers (above); the same command tries again"
  say "run $RUN has started"
else
  say "run $RUN is going on"
fi
[[ -z $DETACH ]] || exit 0

if [[ -n $TPU_DRY_RUN ]]; then
  on_workers "$WHICH" "" "follow ~/$ROOM/logs/$RUN/log until the run ends, and say how it ended"
  say "run $RUN is followed to its end"
  exit 0
fi
SPOKEN=$(mktemp)
trap 'rm -f "$SPOKEN"' EXIT
DROPPED=""
on_workers "$WHICH" "$(step "$FOLLOW_STEP")" | tee "$SPOKEN" || DROPPED=1
[[ -z $DROPPED ]] ||
  die "$TRY_AGAIN" "the connection was lost; the run goes on, the same command follows it again"
verdict "$(<"$SPOKEN")"
