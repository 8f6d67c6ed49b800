"""Sentences that users read when something fails."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Last names of expressions that are paths.
PATHS = {"path", "folder", "out", "out_dir", "output", "target", "parent"}


def unquoted_paths(tree: ast.AST) -> Iterator[str]:
    """Paths in the sentences of errors that do not stand in quotation marks."""
    for error in ast.walk(tree):
        if not isinstance(error, ast.Raise) or error.exc is None:
            continue
        for text in ast.walk(error.exc):
            if not isinstance(text, ast.JoinedStr):
                continue
            before = ""
            for part in text.values:
                if isinstance(part, ast.Constant):
                    before = str(part.value)
                elif isinstance(part, ast.FormattedValue):
                    said = ast.unparse(part.value)
                    if said.split(".")[-1].rstrip("()") in PATHS and not before.endswith("“"):
                        yield said
                    before = ""


def test_paths_stand_in_quotation_marks() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {said}"
        for package in ("fdegc", "fdegc_gui")
        for path in (ROOT / package).rglob("*.py")
        for said in unquoted_paths(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert not found
