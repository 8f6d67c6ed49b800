"""Register of activities: what goes on on the lanes, and the most important of it."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject, Signal

from fdegc.types import Progress
from fdegc_gui.models.activity import Activity


class Activities(QObject):
    """Register of activities.

    Signals
    -------
    changed(Activity or None)
        The most important of it.
    """

    changed = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._going: dict[ActivityWatch, Activity] = {}

    def watch(self, activity: Activity) -> ActivityWatch:
        """Onlooker that tells of a request for as long as it runs."""
        return ActivityWatch(self, activity)

    @property
    def can_cancel(self) -> bool:
        """Whether something goes on that the user can cancel."""
        return any(activity.cancellable for activity in self._going.values())

    def is_only(self, title: str) -> bool:
        """Whether nothing goes on that the user can cancel but what has this title."""
        titles = {activity.title for activity in self._going.values() if activity.cancellable}
        return titles == {title}

    @property
    def is_busy(self) -> bool:
        """Whether anything goes on."""
        return bool(self._going)

    def put(self, watch: ActivityWatch, activity: Activity) -> None:
        """Entry of an activity that begins, or of which more is known."""
        self._going[watch] = activity
        self._tell()

    def get(self, watch: ActivityWatch) -> Activity | None:
        """Activity as far as it is known; None if it does not go on."""
        return self._going.get(watch)

    def end(self, watch: ActivityWatch) -> None:
        """Removal of an activity that has ended."""
        if self._going.pop(watch, None) is not None:
            self._tell()

    def _tell(self) -> None:
        self.changed.emit(max(self._going.values(), key=lambda activity: activity.rank, default=None))


class ActivityWatch:
    """Onlooker of a request that keeps its activity in the register.

    Parameters
    ----------
    activities : Activities
    activity : Activity
        As it begins.
    """

    def __init__(self, activities: Activities, activity: Activity) -> None:
        self._activities, self._first = activities, activity

    def queued(self, title: str) -> None:
        """Entry before the request runs, so that it is seen, and can be cancelled, at once."""
        self._activities.put(self, replace(self._first, title=title, tiles_total=None))

    def started(self) -> None:
        self._activities.put(self, self._first)

    def progress(self, progress: Progress) -> None:
        activity = self._activities.get(self)
        if activity is not None:
            self._activities.put(self, activity.at(progress))

    def tiles(self, done: int, total: int | None) -> None:
        """Notification of how many tiles are in the picture."""
        activity = self._activities.get(self)
        if activity is not None:
            self._activities.put(self, replace(activity, tiles_done=done, tiles_total=total))

    def cancelling(self) -> None:
        activity = self._activities.get(self)
        if activity is not None:
            self._activities.put(self, activity.being_cancelled())

    def ended(self) -> None:
        self._activities.end(self)
