"""Job of the export lane: a small file whose content is known already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from typing_extensions import Never

from fdegc.atomic import whole
from fdegc.errors import OutputFailed
from fdegc_gui.jobs.base import Context, Job


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WriteFile(Job[Path, Never]):
    """Writing of a file where the user wants it: on a slow disk even a small one takes its time."""

    target: Path
    content: bytes

    priority: ClassVar[int] = 4
    foreground: ClassVar[bool] = True

    @property
    def kind(self) -> str:
        """Kind by target: only an export to the same file is superseded."""
        return f"export-{self.target}"

    def run(self, context: Context[Never]) -> Path:
        try:
            with whole(self.target) as out:
                out.write(self.content)
        except OSError as error:
            raise OutputFailed(
                f"“{self.target.name}” could not be written to “{self.target.parent}”: "
                f"{error.strerror or error}. Choose another folder, or make room."
            ) from error
        return self.target
