#!/usr/bin/env bash
# The crash test in short: every fault once, and a check of the checker. See Tests/chaos/README.md.
set -euo pipefail
cd "$(dirname "$0")/../.."

dev/chaos --quick
dev/chaos --self-test
