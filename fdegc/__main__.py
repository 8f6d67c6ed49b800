"""``python -m fdegc`` is the command line ``fdegc``."""

import sys

from fdegc.cli import main

if __name__ == "__main__":
    sys.exit(main())
