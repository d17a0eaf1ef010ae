#!/usr/bin/env bash
# Train a character model on Shakespeare, print what it writes, and say how to watch it.
# A second call goes straight to the sample. More arguments are passed to `seqmodels train`.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

run=runs/demo
if [ "$#" -gt 0 ] || [ ! -f "$run/metrics.json" ]; then
  seqmodels train experiment=text_characters run_dir="$run" "$@"
fi
echo
echo "What it writes (temperature 0.7):"
echo
seqmodels generate "$run" --prompt "ROMEO. " --length 400 --temperature 0.7 --seed 1
echo
echo "Watch the training in your browser (http://localhost:6006):"
echo "  .venv/bin/tensorboard --logdir runs"
