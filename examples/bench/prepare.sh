#!/usr/bin/env bash
# Prepares a data folder for the workloads: starts a development server on it, publishes connectors and workflows, stops.
# Usage: prepare.sh DATA FIXTURE-URL. Needs `flowforge` on the path (cargo xtask install) and runs from the clone's root.
set -euo pipefail
data=$1 fixture=$2
here=$(cd "$(dirname "$0")" && pwd)
export FLOWFORGE_HOME="$data/home" FLOWFORGE_CONTEXT="$data/client.json"
mkdir -p "$data"
work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
flowforge dev --data-dir "$data" --listen 127.0.0.1:7581 --output json > "$work/ready" 2> "$data/prepare.log" &
server=$!
until [ -s "$work/ready" ]; do
  kill -0 "$server" || { cat "$data/prepare.log" >&2; exit 1; }
  sleep 0.1
done
flowforge connector publish "$here/../../connectors/bench"
for name in w1 w2 w2b w3; do
  # A copy, so that workflow.lock is not written into the clone.
  cp -r "$here/$name" "$work/$name"
  set=()
  case $name in w1) ;; *) set=(--set "config.fixture=$fixture") ;; esac
  flowforge workflow publish "$work/$name" "${set[@]}"
done
