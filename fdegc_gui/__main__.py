"""``python -m fdegc_gui``, and the program ``fdegc-gui``."""

from __future__ import annotations

import sys
from importlib.util import find_spec

#: What is imported, and the package that brings it.
_PACKAGES = {"PySide6": "PySide6-Essentials", "pyqtgraph": "pyqtgraph"}


def main() -> int:
    """Entry point of ``fdegc-gui``: the app, or a message with the package it lacks; its exit status."""
    lacking = [package for name, package in _PACKAGES.items() if find_spec(name) is None]
    if lacking:
        print(
            f"fdegc-gui: error: The app needs the package {lacking[0]}, which is not installed: "
            "pip install 'PySide6-Essentials>=6.7,<6.12' pyqtgraph, or pip install fdegc for all that it "
            "needs. The command line, fdegc, works without.",
            file=sys.stderr,
        )
        return 1
    from fdegc_gui import app

    return app.main()


if __name__ == "__main__":
    sys.exit(main())
