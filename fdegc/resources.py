"""Where weights and resources lie: in a checkout, an editable install or a wheel; stdlib only."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent


def checkout_root() -> Path | None:
    """Root of the checkout that this package is imported from, or None for a wheel.

    Returns
    -------
    Path or None
        The folder above the package if it holds ``pyproject.toml`` and ``weights/``; an editable
        install points there too.
    """
    root = _PACKAGE.parent
    if (root / "pyproject.toml").is_file() and (root / "weights").is_dir():
        return root
    return None


def data_dir(kind: Literal["weights", "resources"]) -> Path:
    """Folder of the data that comes with the program.

    Parameters
    ----------
    kind : {"weights", "resources"}

    Returns
    -------
    Path
        Absolute.  The folder of a checkout or editable install goes before the packaged one.  It
        may not exist if the installation is damaged; who opens a file there says so.
    """
    root = checkout_root()
    if root is not None:
        return root / kind
    return _PACKAGE / "_data" / kind
