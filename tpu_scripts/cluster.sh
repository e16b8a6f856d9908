#!/usr/bin/env bash
# One Ray cluster of several TPU VMs or slices, for studies with --ray. What has joined is left.
set -euo pipefail
# shellcheck source=tpu_scripts/env.sh
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

help() {
  cat <<HELP
usage: cluster.sh [--spot | --queued] [--stop] [settings] NAME[=TYPE] ...

Creates and sets up the VMs or slices that are not there (create.sh, setup.sh), starts the head of a
Ray cluster on the first worker of the first one, and joins all other workers to it. Run it again
after a preemption (babysit.sh --node does it by itself): what is there and has joined is left. With a token, which lies in
~/.ray/auth_token here and on every worker (made once); without it nobody can join or give work.
  --spot, --queued   how VMs are created (create.sh)
  --stop             stop Ray on the workers of the VMs, which stay
At its end it says how a GPU box joins.

$SETTINGS_HELP
HELP
}

STOP="" NODES=() PORT=6379
own() {
  case $1 in
    --spot | --queued) CREATE+=("$1") ;;
    --stop) STOP=1 ;;
    -*) die 2 "unknown option '$1'; see --help" ;;
    *) NODES+=("$1") ;;
  esac
}
take_options own "$@"
[[ ${#NODES[@]} -gt 0 ]] || NODES=("$TPU_NAME")
TYPE=$TPU_TYPE

# use NODE: take its name and type for the calls that follow
use() {
  TPU_NAME=${1%%=*} TPU_TYPE=$TYPE FRESH=""
  [[ $1 != *=* ]] || TPU_TYPE=${1#*=}
  export TPU_NAME TPU_TYPE
  require_settings
}

# On a worker. A worker that has joined this head already is left; one of another head leaves it.
# shellcheck disable=SC2016
RAY_STEP='set -euo pipefail
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0
cd ~/jaxheads
mkdir -p ~/.ray && umask 077 && printf %s "$token" >~/.ray/auth_token
ray=venv/bin/ray
"$ray" --version >/dev/null 2>&1 ||
  ~/.local/bin/uv pip install --quiet --python venv/bin/python "./code[tpu,ray]"
own=$(hostname -I | cut -d " " -f 1)
target=${head:-$own:$port}
if [[ $(cat ray.head 2>/dev/null) == "$target" ]] && "$ray" status >/dev/null 2>&1; then
  echo "jaxheads-ray: $own has joined $target"
  exit 0
fi
"$ray" stop >/dev/null 2>&1 || true
if [[ -z $head ]]; then "$ray" start --head --port "$port" --dashboard-host 127.0.0.1 >/dev/null
else "$ray" start --address "$head" >/dev/null; fi
printf %s "$target" >ray.head
echo "jaxheads-ray: $own joins $target"'

# ray_on WHICH HEAD: start or join Ray on workers
ray_on() {
  local told
  told=$(printf 'token=%q head=%q port=%q\n%s' "$TOKEN" "$2" "$PORT" "$RAY_STEP")
  local what="start the head of a Ray cluster at port $PORT, if it is not there yet"
  [[ -z $2 ]] || what="join the Ray cluster at $2 with the token, if it has not joined yet"
  on_workers "$1" "$told" "$what"
}

# join WHICH HEAD: with a second try on a VM that could not be set up before
join() { ray_on "$@" || { "$SCRIPTS/setup.sh" && ray_on "$@"; }; }

use "${NODES[0]}"
if [[ -n $STOP ]]; then
  for node in "${NODES[@]}"; do
    use "$node"
    on_workers all "cd ~/$ROOM && rm -f ray.head && venv/bin/ray stop" ||
      die 1 "not all workers of $TPU_NAME could be asked to stop Ray (above)"
  done
  exit 0
fi

# the token of the cluster, made where there is none yet
TOKENS=${HOME}/.ray/auth_token
if [[ -n $TPU_DRY_RUN ]]; then
  TOKEN=TOKEN
else
  mkdir -p "$(dirname "$TOKENS")"
  [[ -s $TOKENS ]] || (umask 077 && head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$TOKENS")
  TOKEN=$(<"$TOKENS")
fi

HEAD=""
for node in "${NODES[@]}"; do
  use "$node"
  bring_up || die "$TRY_AGAIN" "$TPU_NAME is not there yet (above); the same command goes on"
  if [[ -z $HEAD ]]; then
    join 0 "" || die "$TRY_AGAIN" "the head could not start on $TPU_NAME (above)"
    HEAD=ADDRESS:$PORT
    if [[ -z $TPU_DRY_RUN ]]; then
      HEAD=$(on_workers 0 'hostname -I | cut -d " " -f 1'):$PORT
    fi
    FIRST=$TPU_NAME
    [[ $HEAD =~ ^[0-9A-Za-z.-]+:[0-9]+$ ]] || die "$TRY_AGAIN" "the head's address is not known: $HEAD"
  fi
  join all "$HEAD" || die "$TRY_AGAIN" "not all workers of $TPU_NAME have joined (above)"
done
say "the cluster is at $HEAD; a GPU box joins, with ~/.ray/auth_token of this machine, by:"
say "  RAY_AUTH_MODE=token ray start --address $HEAD"
say "next: TPU_NAME=$FIRST run.sh study CONFIG --out gs://... --ray auto"
