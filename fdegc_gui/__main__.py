"""``python -m fdegc_gui``."""

import sys

from fdegc_gui.app import main

if __name__ == "__main__":
    sys.exit(main())
