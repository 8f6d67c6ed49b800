"""Wishes: which way to compress is selected, and what each way is to be."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from fdegc.options import EncodeOptions
from fdegc_gui.models.result import Result
from fdegc_gui.models.way import CUTS, EXACT, FREE, Way, cut_of, effort_of, key_of, ranges_of, row_of

#: Quality of one's own before anyone has chosen one.
_FIRST_QUALITY = 3.5


class Wishes(QObject):
    """Wishes of the user for the next compression.

    Signals
    -------
    rate_changed(int)
        Another rate point, another effort, or another cut, is looked at.
    way_changed()
        Another largest error, quality, effort or cut is asked for, or it is known that the scene is coded
        without loss unasked, or that is not wanted, or that a few values make its range wide.
    asked_changed(int)
        What a row stands for is another thing now.
    """

    rate_changed = Signal(int)
    way_changed = Signal()
    asked_changed = Signal(int)

    def __init__(self, rate: int, effort: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rate = self._last_rate = rate
        self._effort, self._quality = effort, _FIRST_QUALITY
        self._bound, self._unasked, self._lossy = 0.0, "", False
        self._cut, self._wide, self._advised = 0, "", 0

    @property
    def rate(self) -> int:
        """Row that is selected, whatever is open: a rate point 1 to 6, ``FREE`` or ``EXACT``."""
        return self._rate

    def set_rate(self, rate: int) -> None:
        """Selection of another row to look at."""
        self.select(rate, self._effort, self._cut)

    @property
    def effort(self) -> int:
        """Effort that is asked for, 0 to 4."""
        return self._effort

    def set_effort(self, effort: int) -> None:
        """Choice of the effort."""
        self.select(self._rate, effort, self._cut)

    @property
    def cut(self) -> int:
        """Number of the cut that is asked for (:data:`~fdegc_gui.models.way.CUTS`), 0 for none."""
        return self._cut

    def set_cut(self, cut: int) -> None:
        """Choice of a cut, or of none."""
        self.select(self._rate, self._effort, cut)

    @property
    def wide(self) -> str:
        """Sentence on the few values that make the open scene's range wide; empty if none do, as known."""
        return self._wide

    @property
    def advised_cut(self) -> int:
        """Number of the cut that is advised; 0 for none."""
        return self._advised

    def set_wide(self, words: str, cut: int) -> None:
        """Entry of what makes the scene's range wide, and of the cut that would help."""
        self._wide, self._advised = words, cut
        self.way_changed.emit()

    def select(self, rate: int, effort: int, cut: int) -> None:
        """Selection of a row, and choice of the effort and of a cut, at once."""
        if (rate, effort, cut) == (self._rate, self._effort, self._cut):
            return
        same = (effort, cut) == (self._effort, self._cut)
        self._rate, self._effort, self._cut = rate, effort, cut
        self._last_rate = self._last_rate if rate == EXACT else rate
        if not same:
            self.way_changed.emit()
        self.rate_changed.emit(rate)

    @property
    def bound(self) -> float:
        """Largest error that is asked for where there is to be a bound; 0: without loss."""
        return self._bound

    def set_bound(self, bound: float) -> None:
        """Choice of the largest error for ``EXACT``."""
        if bound != self._bound:
            self._bound = bound
            self.asked_changed.emit(EXACT)

    @property
    def quality(self) -> float:
        """Quality that is asked for where it may lie between the rate points, to two digits."""
        return self._quality

    def set_quality(self, quality: float) -> None:
        """Choice of the quality for ``FREE``, 1 to 6."""
        quality = round(quality, 2)
        if quality != self._quality:
            self._quality = quality
            self.asked_changed.emit(FREE)

    @property
    def unasked(self) -> str:
        """Sentence on a scene that is coded without loss although nobody asked; empty for others."""
        return self._unasked

    @property
    def lossy(self) -> bool:
        """Whether a scene that would be coded without loss is to go through the network all the same."""
        return self._lossy

    def set_lossy(self, lossy: bool) -> None:
        """Choice to have such a scene coded by the network all the same, or not."""
        if lossy != self._lossy:
            self._lossy = lossy
            self.way_changed.emit()
            self.set_rate(self._last_rate if lossy else EXACT)

    @property
    def rates(self) -> tuple[int, ...]:
        """Rows that can be asked for of the open scene, the six rate points first."""
        return (EXACT,) if self._unasked and not self._lossy else (*range(1, 7), FREE, EXACT)

    def asked_key(self, row: int) -> int:
        """Key of what a row stands for now, with the effort and the cut that are asked for."""
        return key_of(row, self._effort, self._cut)

    @property
    def asked_way(self) -> Way:
        """Way that the selected row stands for now."""
        return self.way(self.asked_key(self._rate))

    def options(self, key: int) -> EncodeOptions:
        """Options to compress with for a key."""
        way = self.way(key)
        if way.row == EXACT:
            return EncodeOptions(max_error=self._bound)
        return EncodeOptions(
            quality=way.quality,
            lossy=bool(self._unasked),
            effort=way.effort,
            ranges=ranges_of(cut_of(key)),
        )

    def way(self, key: int) -> Way:
        """Way to compress that a key stands for now."""
        row = row_of(key)
        quality = self._quality if row == FREE else float(row)
        return Way(row, quality, self._bound, effort_of(key), CUTS[cut_of(key)])

    def is_asked(self, result: Result) -> bool:
        """Whether a result's quality, or its largest error, is that which is asked for now."""
        row = row_of(result.key) if result.guest is None else None
        if row == FREE:
            return round(result.quality, 2) == self._quality
        return row != EXACT or result.bound == self._bound

    def ask_as(self, result: Result) -> None:
        """Choice of the quality, or of the largest error, of a result as what is asked for."""
        if result.way.row == FREE:
            self.set_quality(result.quality)
        elif result.way.row == EXACT and result.bound is not None:
            self.set_bound(result.bound)

    def _forget_scene(self) -> None:
        """Return to what was asked for before a scene was open that is coded otherwise than others."""
        self._cut, self._wide, self._advised = 0, "", 0
        if self._unasked and self._rate == EXACT:  # which the scene had chosen
            self.set_rate(self._last_rate)
        self._bound, self._unasked, self._lossy = 0.0, "", False
