#!/usr/bin/env bash
# Makes .venv with the exact versions that the tests ran with. Does nothing when it is up to date.
# Sourced by demo.sh and test.sh, which then run inside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python="${PYTHON:-python3}"
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
  echo "seqmodels needs Python 3.10 or newer; found: $("$python" --version 2>&1 || echo none)." >&2
  echo "Name another one with PYTHON=/path/to/python bash ${0}" >&2
  exit 1
fi

stamp=.venv/.installed
wanted="$(cat pyproject.toml scripts/constraints.txt | cksum) $PWD"  # programs in .venv name the folder that they are in
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
  echo "Setting up .venv (once; a few minutes) ..."
  if [ -f "$stamp" ] && grep -q " /" "$stamp" && ! grep -qF " $PWD" "$stamp"; then rm -rf .venv; fi  # it was moved
  [ -x .venv/bin/python ] || "$python" -m venv .venv
  # torch first and by its exact version, so that nothing pulls another build of it.
  .venv/bin/python -m pip install --quiet --constraint scripts/constraints.txt torch
  .venv/bin/python -m pip install --quiet --constraint scripts/constraints.txt --editable '.[dev,all]'
  printf '%s' "$wanted" > "$stamp"
fi
export PATH="$PWD/.venv/bin:$PATH"
