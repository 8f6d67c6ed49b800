"""Job of the export lane: a small file whose content is known already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import Never

from fdegc.atomic import whole
from fdegc.errors import OutputFailed
from fdegc_gui.jobs.base import Context
from fdegc_gui.jobs.export import Export
from fdegc_gui.models.result import Saved, SavedKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WriteFile(Export):
    """Writing of a file where the user wants it: on a slow disk even a small one takes its time."""

    content: bytes

    saves: ClassVar[SavedKind] = SavedKind.FIGURES

    def run(self, context: Context[Never]) -> Saved:
        try:
            with whole(self.target) as out:
                out.write(self.content)
        except OSError as error:
            raise OutputFailed(
                f"“{self.target.name}” could not be written to “{self.target.parent}”: "
                f"{error.strerror or error}. Choose another folder, or make room."
            ) from error
        return self._saved()
