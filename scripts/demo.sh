#!/usr/bin/env bash
# Train a character model on Shakespeare, print what it writes, and say how to watch it.
# A second call goes straight to the sample, or goes on with a training that was interrupted.
# More arguments are passed to `seqmodels train`; with them, a second call trains in a folder of its own.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

run=runs/demo
if [ "$#" -gt 0 ] && [ -e "$run/checkpoints" ]; then
  run="runs/demo_$(date +%Y-%m-%d_%H-%M-%S)"
fi
if [ -f "$run/checkpoints/last.ckpt" ] && [ ! -f "$run/metrics.json" ]; then
  seqmodels train resume="$run"
elif [ ! -f "$run/metrics.json" ]; then
  seqmodels train experiment=text_characters run_dir="$run" "$@"
fi
echo
echo "What it writes (temperature 0.7):"
echo
seqmodels generate "$run" --prompt "ROMEO. " --length 400 --temperature 0.7 --seed 1
echo
echo "Watch the training in your browser (http://localhost:6006):"
echo "  .venv/bin/tensorboard --logdir runs"
