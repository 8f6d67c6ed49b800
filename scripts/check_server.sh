#!/usr/bin/env bash
# What only codes, on a server, needs neither Qt nor compressai nor torchvision, and works with numpy 2: a wheel
# alone, in an environment with the libraries of the core, codes and decodes; the parts that need more say so.
#
#   scripts/check_server.sh FOLDER PYTHON [WHEEL]
#
# FOLDER is an empty one to work in; PYTHON has the core's libraries (scripts/other_torch.sh makes such an
# environment), which are borrowed by a .pth file, as in check_wheel.sh.  Without WHEEL one is built.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p "$1"
folder=$(cd "$1" && pwd)
libraries=$2
wheel=${3:-}
sample=$PWD/resources/sample_scene.tif

if [ -z "$wheel" ]; then
  .venv/bin/python -m pip wheel . --quiet --no-deps --no-input --disable-pip-version-check --wheel-dir "$folder/dist"
  wheel=$(echo "$folder"/dist/fdegc-*.whl)
fi
"$libraries" -m venv --without-pip "$folder/venv"
python=$folder/venv/bin/python
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
.venv/bin/python -m pip --python "$python" install --quiet --no-deps --no-input --disable-pip-version-check "$wheel"
"$libraries" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$packages/borrowed.pth"

unset PYTHONPATH
mkdir -p "$folder/elsewhere"
cd "$folder/elsewhere"
"$python" - "$packages" <<'PYTHON'
import importlib.util
import sys

import numpy
import torch

import fdegc

assert int(numpy.__version__.partition(".")[0]) >= 2, numpy.__version__
assert fdegc.__file__.startswith(sys.argv[1]), fdegc.__file__
for name in ("PySide6", "pyqtgraph", "compressai", "torchvision"):
    assert importlib.util.find_spec(name) is None, f"{name} should not be here"
print(f"torch {torch.__version__}, numpy {numpy.__version__}")
PYTHON

fdegc=$folder/venv/bin/fdegc
"$fdegc" compress "$sample" window.fdegc --window 480,200,256,192 --rate 3 --psnr
"$fdegc" verify window.fdegc
"$fdegc" decompress window.fdegc window.tif
"$python" - <<'PYTHON'
import numpy as np
import rasterio

import fdegc

with rasterio.open("window.tif") as file:
    pixels = file.read()
assert np.array_equal(fdegc.decompress("window.fdegc"), pixels)
for dtype in ("uint8", "int16", "float32"):
    array = pixels[:, :100, :120].astype(dtype)
    fdegc.compress(array, "array.fdegc", overwrite=True)
    back = fdegc.decompress("array.fdegc")
    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    assert np.abs(back.astype(float) - array).mean() < 10
PYTHON

# says WORDS COMMAND ...: the command fails with these words in one line, and without a traceback.
says() {
  local words=$1 text code=0
  shift
  text=$("$@" 2>&1) || code=$?
  echo "$text"
  if [ "$code" -eq 0 ] || [[ $text != *"$words"* ]] || [[ $text != *"pip install"* ]] || [[ $text == *Traceback* ]]; then
    echo "That should have said “$words” (exit code $code)." >&2
    exit 1
  fi
}
says "needs the package PySide6-Essentials" "$folder/venv/bin/fdegc-gui"
says "needs the package PySide6-Essentials" "$python" -m fdegc_gui
says "needs the package compressai" "$python" -c '
import sys
from fdegc import FdegcError
try:
    import fdegc.compressai_adapter
except FdegcError as error:
    sys.exit(f"error: {error}")'
echo "The core works by itself."
