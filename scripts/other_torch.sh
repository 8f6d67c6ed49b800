#!/usr/bin/env bash
# An environment with another release of torch than the tests', to prove that files decode the same there.
#
#     scripts/other_torch.sh FOLDER [VERSION]
#
# makes FOLDER/bin/python; give its path to the tests as FDEGC_OTHER_TORCH.  It has numpy 2, where the tests have
# 1.26, since compressai needs that: so files are shown to decode the same with both.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
version=${2:-2.13.0+cpu}

"$(bash scripts/find_python.sh)" -m venv "$folder"

# What the core needs; not Qt, and not compressai with its torchvision.
install() {
  grep -E '^(numba|llvmlite|pillow|platformdirs|psutil|rasterio|safetensors|tqdm|typing-extensions)==' constraints.txt |
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@" "torch==$version" "numpy>=2,<2.5" -r /dev/stdin
}

# Releases for the CPU alone are on PyTorch's own index, if the machine's has none.
install || install --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable .
