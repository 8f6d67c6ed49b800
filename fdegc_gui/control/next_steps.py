"""What goes on and can be done next: actions, the main button, progress, notices about the scene."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from fdegc_gui.actions import Actions
from fdegc_gui.control.controller import Controller
from fdegc_gui.models.activity import Activity
from fdegc_gui.models.main_action import main_action
from fdegc_gui.models.notice import advice_notice, damage_notice, joined, unasked_notice, wide_notice
from fdegc_gui.models.result import State
from fdegc_gui.models.way import EXACT, FREE
from fdegc_gui.views.header_bar import Header
from fdegc_gui.views.notice_bar import NoticeBar
from fdegc_gui.views.sidebar import SideBar
from fdegc_gui.views.status import StatusLine


class NextSteps(QObject):
    """Keeper of what the window offers, after every change of scene, rate or result.

    Parameters
    ----------
    controller : Controller
    actions : Actions
    sidebar : SideBar
    header : Header
    notice : NoticeBar
    status : StatusLine

    Signals
    -------
    refreshed()
        Actions have been looked at again.
    """

    refreshed = Signal()

    def __init__(
        self,
        controller: Controller,
        actions: Actions,
        sidebar: SideBar,
        header: Header,
        notice: NoticeBar,
        status: StatusLine,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._controller, self._session, self._actions = controller, controller.session, actions
        self._sidebar, self._header, self._notice, self._status = sidebar, header, notice, status
        session = self._session
        controller.activity_changed.connect(self._on_activity)
        for signal in (
            session.scene_changed,
            session.rate_changed,
            session.way_changed,
            session.result_changed,
        ):
            signal.connect(self.refresh)
            signal.connect(self._refresh_notes)

    def refresh(self) -> None:
        """Actions and the main button as they are to be now."""
        session, actions = self._session, self._actions
        scene, result = session.scene, session.current
        stream = scene is not None and scene.stream is not None
        running = result is not None and result.state is State.RUNNING
        finished = result is not None and result.state is State.DONE
        making = session.results.get(session.key)  # perhaps with another quality than is asked for by now
        if making is not None and making.state is State.RUNNING:
            running, result = True, making
        waiting = session.waiting.get(session.key)
        idle = not (running or waiting is not None or (stream and finished))
        actions["compress"].setEnabled(scene is not None and idle)
        actions["compress_all"].setEnabled(scene is not None and not stream)
        actions["export_stream"].setEnabled(finished)
        actions["export_image"].setEnabled(finished)
        actions["close_scene"].setEnabled(scene is not None)
        actions["cancel"].setEnabled(self._controller.can_cancel)
        for key in ("display", "fit", "actual", "zoom_in", "zoom_out"):
            actions[key].setEnabled(scene is not None)
        for rate in range(1, 7):
            actions[f"rate_{rate}"].setEnabled(not stream and rate in session.rates)
        actions["any_quality"].setEnabled(scene is not None and not stream and FREE in session.rates)
        actions["rate_exact"].setEnabled(scene is not None and not stream)
        self._header.export.setEnabled(finished)
        actions["compress"].setText("De&code" if stream else "&Compress")
        actions["show_folder"].setEnabled(result is not None and bool(result.saved))
        unfinished = session.key in session.unfinished
        action = main_action(scene, result, session.asked_way, waiting, unfinished=unfinished)
        self._sidebar.action.show_action(action, actions["compress"].isEnabled())
        self.refreshed.emit()

    def _on_activity(self, activity: Activity | None) -> None:
        self._status.show_activity(activity)
        rates = self._sidebar.rates
        running = next((r for r in self._session.results.values() if r.state is State.RUNNING), None)
        if running is None or activity is None or activity.seen is None:
            rates.show_progress(running.key if running else None)
        else:
            rates.show_progress(running.key, activity.seen)
        self.refresh()

    def _refresh_notes(self) -> None:
        session = self._session
        unasked = None if session.lossy else unasked_notice(session.unasked)
        spares = session.cut or session.rate == EXACT  # nothing is coded more coarsely then
        wide = None if spares else wide_notice(session.wide, session.advised_cut)
        advice = joined(wide, advice_notice(session.current))
        notice = damage_notice(session.scene, session.current) or unasked or advice
        self._notice.show_notice(notice)
        overview = "Shown is the overview stored in the file, until tiles arrive"
        self._status.show_note(overview if session.shows_overview else "")
