#!/usr/bin/env bash
# Create .venv beside the Makefile and install the project into it, editable, with its tools.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}

python=$(bash scripts/find_python.sh)
if ! "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
  package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
  if command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ]; then
    echo "Installing $package"
    apt-get update -qq </dev/null || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" </dev/null >/dev/null
  else
    echo "$python cannot create virtual environments. Install them with:  sudo apt-get install $package" >&2
    exit 1
  fi
fi

if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "Creating $venv with $python"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
echo "Installing FDEGC and what it needs (PyTorch is large; this takes some minutes the first time)"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -c constraints.txt -e '.[dev]'
# Or the first use would compile for seconds.
"$venv/bin/python" -m fdegc.warm
cat pyproject.toml constraints.txt | cksum > "$venv/.installed"
