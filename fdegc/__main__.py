"""``python -m fdegc`` is the command line ``fdegc``."""

import sys

from fdegc.cli import program

if __name__ == "__main__":
    sys.exit(program())
