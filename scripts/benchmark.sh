#!/usr/bin/env bash
# Speed and memory against torch's own layers, on a machine that does nothing else: docs/benchmark.md and .json.
# More arguments are passed to the command, such as --threads 1.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

seqmodels benchmark --targets --markdown docs/benchmark.md --json docs/benchmark.json "$@"
