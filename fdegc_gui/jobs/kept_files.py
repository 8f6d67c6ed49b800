"""Kept files: which other files were opened as pictures of a scene, by their paths."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from typing_extensions import Never

from fdegc.atomic import whole
from fdegc_gui.jobs.base import Context, Job
from fdegc_gui.jobs.kept import FORM
from fdegc_gui.jobs.records import from_plain, to_plain

log = logging.getLogger(__name__)

_RECORD = "files.json"


@dataclass(frozen=True, slots=True)
class KeptFile:
    """File that was opened beside a scene.

    Attributes
    ----------
    path : Path
    bytes : int
    changed_ns : int
        When it was changed last, in nanoseconds.
    """

    path: Path
    bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> KeptFile:
        """File as it is now; OSError if it is not there."""
        state = path.stat()
        return cls(path, state.st_size, state.st_mtime_ns)

    @property
    def is_as_it_was(self) -> bool:
        """Whether it is still there, of the same size and date."""
        try:
            return KeptFile.of(self.path) == self
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class _Record:
    files: tuple[KeptFile, ...]


def find_files(folder: Path) -> tuple[KeptFile, ...]:
    """Files that were opened beside a scene, as they came; none if what is kept of them is unreadable."""
    path = folder / _RECORD
    try:
        found = json.loads(path.read_bytes())
        if not isinstance(found, dict) or found.get("form") != FORM:
            raise ValueError("another form")
        return from_plain(_Record, found.get("record")).files
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, RecursionError) as error:
        log.info("“%s” is left out: %s", path, error)
        return ()


def missing_words(files: Sequence[KeptFile]) -> str:
    """Sentence on files that are gone or have changed; empty for none."""
    if not files:
        return ""
    named = [f"“{file.path.name}”" for file in files]
    words = " and ".join(part for part in (", ".join(named[:-1]), named[-1]) if part)
    if len(files) == 1:
        return f"{words}, which was open beside this scene, is gone or has changed: open it again."
    return f"{words}, which were open beside this scene, are gone or have changed: open them again."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeepFile(Job[None, Never]):
    """Entry of a file among those that were opened beside a scene, or its removal.

    Attributes
    ----------
    folder : Path
        Where the scene's results are kept.
    path : Path
    opened : bool
        Whether it is to be found there afterwards.
    """

    folder: Path
    path: Path
    opened: bool = True

    @property
    def kind(self) -> str:
        """Kind by file: each is a request of its own."""
        return f"keep-{self.opened}-{self.path}"

    def run(self, context: Context[Never]) -> None:
        files = [file for file in find_files(self.folder) if file.path != self.path]
        try:
            if self.opened:
                files.append(KeptFile.of(self.path))
            text = json.dumps({"form": FORM, "record": to_plain(_Record(tuple(files)))})
            with whole(self.folder / _RECORD) as file:
                file.write(text.encode())
        except OSError as error:  # it is seen all the same
            log.warning("“%s” will not be found beside the scene again: %s", self.path, error)
