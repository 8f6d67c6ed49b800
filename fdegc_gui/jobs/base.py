"""Jobs, what they may use while they run, and their failures."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from fdegc.control import CancelToken
from fdegc.errors import FdegcError, OutOfMemory, SeveralRasters
from fdegc.types import Progress

if TYPE_CHECKING:
    from fdegc_gui.jobs.engine import EngineHost
    from fdegc_gui.jobs.rasters import Rasters

Answer = TypeVar("Answer")
Part = TypeVar("Part")

#: Progress is passed on this often at most; a wavefront step can be shorter than a millisecond.
_PROGRESS_INTERVAL = 0.04


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Job(Generic[Answer, Part]):
    """Job for a lane, described on the GUI thread and never changed.

    ``Answer`` is what it gives, ``Part`` what it hands over on the way (``Never`` if nothing).  Two jobs
    are equal only if they are the same: many hold arrays.

    Attributes
    ----------
    priority : int
        Higher goes first.
    preemptible : bool
        Whether a request of higher priority may interrupt it; it starts over afterwards.
    foreground : bool
        Whether the user waits for it; that is what Cancel stops.
    """

    priority: ClassVar[int] = 0
    preemptible: ClassVar[bool] = False
    foreground: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """Kind of work; a newer request of one kind supersedes a pending one."""
        return type(self).__name__

    def run(self, context: Context[Part]) -> Answer:
        """Work of the job, on the lane's thread, and its answer, a frozen value."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Failure:
    """Reason of a failure, in words for the user.

    Attributes
    ----------
    message : str
        A sentence for the user.
    detail : str
        The traceback, for a report.
    expected : bool
        False if it is a defect of the program rather than of its input.
    parts : tuple of str
        Of a file that holds several rasters: their names, of which one has to be chosen.
    titles : tuple of str
        And what each of them is, in a few words.
    """

    message: str
    detail: str
    expected: bool
    parts: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Failure from an exception, in words."""
        detail = "".join(traceback.format_exception(error))
        if isinstance(error, MemoryError):
            error = OutOfMemory("There is not enough memory for this. Close other programs and try again.")
        if isinstance(error, FdegcError):
            if isinstance(error, SeveralRasters):
                return cls(str(error), detail, True, error.parts, error.titles)
            return cls(str(error), detail, True)
        if isinstance(error, OSError) and error.strerror:
            where = f" ({error.filename})" if error.filename else ""
            return cls(f"The system refused it: {error.strerror}{where}.", detail, True)
        summary = f"{type(error).__name__}: {error}".strip(": ")
        return cls(f"Something unexpected went wrong: {summary}", detail, False)


class Context(Generic[Part]):
    """Means of a running job: its cancel token, the engine, open files, ways to report.

    Parameters
    ----------
    cancel : CancelToken
    engine : EngineHost or None
        None but on the engine lane.
    rasters : Rasters
        Files that stay open between jobs.
    on_progress, on_part : callable
        Called on the lane's thread.
    """

    def __init__(
        self,
        *,
        cancel: CancelToken,
        engine: EngineHost | None,
        rasters: Rasters,
        on_progress: Callable[[Progress], None],
        on_part: Callable[[Part], None],
    ) -> None:
        self.cancel = cancel
        self.rasters = rasters
        self._engine = engine
        self._on_progress = on_progress
        self._on_part = on_part
        self._last = 0.0

    @property
    def engine(self) -> EngineHost:
        """Engine of this lane."""
        if self._engine is None:
            raise RuntimeError("this lane has no engine")
        return self._engine

    def progress(self, progress: Progress) -> None:
        """Progress report; too frequent ones are dropped, the last never."""
        now = time.perf_counter()
        if progress.fraction >= 1.0 or now - self._last >= _PROGRESS_INTERVAL:
            self._last = now
            self._on_progress(progress)

    def part(self, value: Part) -> None:
        """Delivery of a part of the result, for example a tile."""
        self._on_part(value)
