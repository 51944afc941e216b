#!/usr/bin/env bash
# Asks Trackio, MLflow and Weights & Biases themselves what they keep of a run that was broken off: bash scripts/check_trackers.sh [FOLDER]
# A minute or two. Needs the environment of `make` (. .venv/bin/activate) and a package index: the libraries get a folder of their own
# in FOLDER (default runs/check_trackers), and nothing leaves this machine. TensorBoard is asked by the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/check_trackers}
python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade --target "$out/libraries" \
    'trackio==0.43.0' 'mlflow-skinny==3.17.2' 'wandb==0.31.0'
PYTHONPATH="$out/libraries${PYTHONPATH:+:$PYTHONPATH}" python -m pytest -p no:cacheprovider tests/trackers_themselves.py
