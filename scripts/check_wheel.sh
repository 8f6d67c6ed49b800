#!/usr/bin/env bash
# Build a wheel, install it into a second environment and use it from a folder outside of the
# checkout: weights and resources have to come from the wheel.
#
#   scripts/check_wheel.sh FOLDER     an empty folder to work in
#
# The second environment borrows the dependencies of .venv (PyTorch is large) by a .pth file; the
# project itself is not reached that way, since .venv has it by a .pth of its own, which is not read.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(cd "$1" && pwd)
checkout=$(pwd)

.venv/bin/python -m pip wheel . --quiet --no-deps --no-input --disable-pip-version-check --wheel-dir "$folder/dist"
.venv/bin/python -m venv --without-pip "$folder/venv"
python=$folder/venv/bin/python
packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
.venv/bin/python -m pip --python "$python" install --quiet --no-deps --no-input --disable-pip-version-check \
  "$folder"/dist/fdegc-*.whl
.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$packages/borrowed.pth"

mkdir -p "$folder/elsewhere"
cd "$folder/elsewhere"
where=$("$python" -c 'import fdegc, fdegc.resources as r; print(fdegc.__file__); print(r.data_dir("weights"))')
echo "$where"
case $where in
  *"$checkout/fdegc"* | *"$checkout/weights"*) echo "The wheel is not what was imported." >&2; exit 1 ;;
esac

"$python" -m fdegc.warm
"$python" -m fdegc.warm | grep -q '^Nothing to compile'

fdegc=$folder/venv/bin/fdegc
"$fdegc" --version
"$fdegc" --help >/dev/null
"$python" -c 'from PIL import Image; Image.radial_gradient("L").convert("RGB").resize((96, 80)).save("tiny.png")'
"$fdegc" info tiny.png
"$fdegc" compress tiny.png tiny.fdegc --rate 2 --json
"$fdegc" decompress tiny.fdegc back.png --json
"$fdegc" metrics tiny.png back.png --json
"$python" - <<'PYTHON'
from fdegc.resources import data_dir

for name in ("weights/manifest.json", "weights/LICENSE.md", "resources/sample_scene.tif", "resources/fdegc.desktop"):
    kind, _, file = name.partition("/")
    assert (data_dir(kind) / file).is_file(), name
PYTHON
echo "The wheel works by itself."
