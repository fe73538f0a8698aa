#!/usr/bin/env bash
# What one GPU gives: checks `--device cuda`, times it, and prints one JSON line. Ten minutes at most.
#
#     benchmarks/gpu.sh                       # installs torch's CUDA build into .venv-gpu
#     DEVICE=cpu PYTHON=.venv/bin/python EPOCHS=1 benchmarks/gpu.sh    # a dry run on a CPU
#
# MNIST is found as in `cnn-mnist train`.
set -eu
cd "$(dirname "$0")/.."
DEVICE=${DEVICE-cuda}
EPOCHS=${EPOCHS-10}
if [ -z "${PYTHON-}" ]; then
  test -d .venv-gpu || python3 -m venv .venv-gpu
  PYTHON=.venv-gpu/bin/python
  "$PYTHON" -m pip install --quiet -c constraints.txt -e '.[train]'
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cli() { "$PYTHON" -m cnn_mnist "$@" --json; }

train="--recipe default --dataset mnist --device $DEVICE"
reference="--recipe reference --dataset mnist --device $DEVICE" # its schedule can be extended
# shellcheck disable=SC2086 # a word an option
{
  cli train $train --epochs "$EPOCHS" --out "$work/run" >"$work/train.json"
  cli train $reference --epochs 2 --out "$work/whole" >/dev/null
  cli train $reference --epochs 1 --out "$work/parts" >/dev/null
  cli train --resume "$work/parts" --epochs 2 --device "$DEVICE" >/dev/null
  cli train --recipe fast --dataset mnist --device "$DEVICE" --out "$work/fast" >"$work/fast.json"
  "$PYTHON" -m torch.distributed.run --nproc-per-node 1 -m cnn_mnist train $train --epochs 1 \
    --out "$work/torchrun" --json >"$work/torchrun.json"
  cli evaluate "$work/run" --device "$DEVICE" >"$work/evaluate.json"
  cli export "$work/run" >"$work/export.json"
}
"$PYTHON" - "$work" "$DEVICE" <<'PYTHON'
import json, sys
from pathlib import Path

import torch

work, device = Path(sys.argv[1]), sys.argv[2]
told = {path.stem: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}
history = (work / "run" / "history.csv").read_text().splitlines()
whole, parts = ((work / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
seconds = [float(row.split(",")[-1]) for row in history[1:]]
print(json.dumps({
    "device": torch.cuda.get_device_name() if device == "cuda" else device,
    "torch": torch.__version__,
    "accuracy": told["train"]["test_accuracy"],
    "epoch_seconds": [round(value, 3) for value in seconds],
    "fast": {name: told["fast"][name] for name in ("test_accuracy", "seconds_train")},
    "resumed_exactly": whole == parts,
    "torchrun_accuracy": told["torchrun"]["test_accuracy"],
    "evaluate_accuracy": told["evaluate"]["accuracy"],
    "export_max_difference": told["export"],
}))
PYTHON
