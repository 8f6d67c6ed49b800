#!/usr/bin/env bash
# Print the first Python on the PATH that this project runs on (3.10 to 3.12), or say what is missing.
# The variable PYTHON goes before the search.
set -euo pipefail

for candidate in ${PYTHON:-} python3.11 python3.12 python3.10 python3 python; do
  if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' >/dev/null 2>&1; then
    command -v "$candidate"
    exit 0
  fi
done
echo "FDEGC needs Python 3.10, 3.11 or 3.12, and none is on the PATH (Debian: sudo apt-get install python3 python3-venv)." >&2
exit 1
