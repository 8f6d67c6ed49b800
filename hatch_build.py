"""Build hook: the top-level folders ``weights/`` and ``resources/`` become package data of a wheel.

An editable install gets no copy of them: ``fdegc.resources`` finds the folders of the checkout.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class DataFoldersHook(BuildHookInterface):
    """Adds the folders to wheels only."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend the list of files; called by hatchling before it packs."""
        if version != "editable":
            build_data["force_include"]["weights"] = "fdegc/_data/weights"
            build_data["force_include"]["resources"] = "fdegc/_data/resources"
