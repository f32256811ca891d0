#!/usr/bin/env bash
# The crash test in short: every fault once, and a check of the checker. See Tests/chaos/README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Known fault: after a power cut that follows other rounds, a new server's controller starts no worker. Until that is mended the power cut is
# left to `make chaos`, which fails on it.
FAULTS=kill-server,kill-worker,kill-both,stop-worker,stop-server,disk-full,clock-step dev/chaos --quick
dev/chaos --self-test
