#!/usr/bin/env bash
# Lint, types and tests. More arguments are passed to pytest, such as -m slow or -k law.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

ruff check .
ruff format --check .
mypy
# One process per core, each with one thread: small tensors gain nothing from more.
OMP_NUM_THREADS=1 python -m pytest -n "$(nproc)" --durations=10 "$@"
