#!/usr/bin/env bash
# The tests. More arguments are passed to pytest, such as -m slow or -k law.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# One process per core, each with one thread: small tensors gain nothing from more.
OMP_NUM_THREADS=1 pytest -n "$(nproc)" --durations=10 "$@"
