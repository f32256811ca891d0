#!/usr/bin/env bash
# The commands of the README's walk-through succeed against a fresh server, with curl alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
port=$(python3 -c 'import socket; probe = socket.socket(); probe.bind(("127.0.0.1", 0)); print(probe.getsockname()[1])')
"$MILLRACE_BIN" serve --config millrace.yaml --data "$folder/data" --port "$port" >"$folder/server.log" 2>&1 &
server=$!

# shellcheck disable=SC2317  # called by the trap
finish() {
    local status=$?
    kill "$server" 2>/dev/null || true
    wait "$server" || true
    if [ "$status" -ne 0 ]; then
        echo "The end of the server's log:"
        tail -n 40 "$folder/server.log"
    fi
    rm -rf "$folder"
    exit "$status"
}
trap finish EXIT

export MILLRACE_SERVER=http://127.0.0.1:$port
until curl -sf -o /dev/null "$MILLRACE_SERVER/readyz"; do
    kill -0 "$server" || { echo "The server ended by itself."; exit 1; }
    sleep 0.1
done
MILLRACE_API_KEY=$(cat "$folder/data/api-key")
export MILLRACE_API_KEY

dev/run-readme
