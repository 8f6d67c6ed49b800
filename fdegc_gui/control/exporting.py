"""Export commands: where files go, and that nothing precious is replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtWidgets import QWidget

from fdegc.format import SUFFIX
from fdegc.options import KINDS, TIFF_KINDS
from fdegc.raster_info import fits_kind
from fdegc_gui.control.controller import Controller
from fdegc_gui.dialogs.files import FileDialogs
from fdegc_gui.jobs import Failure
from fdegc_gui.jobs.export import Export, ExportReconstruction, ExportStream
from fdegc_gui.models.result import Result, Saved, State
from fdegc_gui.settings import Settings


class Exporting:
    """Export commands: of the compressed file, of the reconstruction.

    Parameters
    ----------
    window : QWidget
        Parent of the dialogs.
    controller : Controller
    settings : Settings
        Remembers the folders.
    files : FileDialogs
    show_failure : callable
        Shows a heading and a Failure.
    """

    def __init__(
        self,
        window: QWidget,
        controller: Controller,
        settings: Settings,
        files: FileDialogs,
        show_failure: Callable[[str, Failure], None],
    ) -> None:
        self._window, self._controller, self._settings = window, controller, settings
        self._files, self._show_failure = files, show_failure
        self._session = controller.session

    def ask_stream(self) -> None:
        """Export of the compressed file to where the user says."""
        scene, result = self._session.scene, self._session.current
        if scene is None or result is None or result.stream_path is None:
            return
        name = scene.path.name if scene.stream else f"{scene.file.stem}-{result.way.file_mark}{SUFFIX}"
        target = self._files.save_stream(self._window, self.suggest("stream", name))
        if target is not None and self.may_write(target, "stream"):
            job = ExportStream(source=result.stream_path, target=target)
            self._export(job, result, "Saving the compressed file…")

    def ask_image(self) -> None:
        """Export of the reconstruction to where the user says."""
        scene, result = self._session.scene, self._session.current
        if scene is None or result is None or result.state is not State.DONE:
            return
        mark = "-decoded" if scene.stream else f"-{result.way.file_mark}"
        kinds = tuple(kind for kind in KINDS if fits_kind(scene.info, kind))
        plain = scene.info.dtype == "uint8" and not (scene.info.crs_wkt or scene.info.transform)
        kind = "png" if plain and "png" in kinds else self._settings.tiff_kind
        suggestion = self.suggest("image", f"{scene.file.stem}{mark}{KINDS[kind][0][0]}")
        chosen = self._files.save_image(self._window, suggestion, kind, kinds)
        if chosen is None:
            return
        target, kind = chosen
        if kind in TIFF_KINDS:
            self._settings.tiff_kind = kind
        if self.may_write(target, "image"):
            job = ExportReconstruction(
                store=result.store, target=target, stream=result.stream_path, format=kind
            )
            self._export(job, result, "Saving the reconstruction…")

    def show_folder(self) -> None:
        """Folder of what was saved last of the result that is looked at, in the system's own window."""
        result = self._session.current
        if result is not None and result.saved:
            self._files.show_in_folder(result.saved[-1].path)

    def _export(self, job: Export, result: Result, title: str) -> None:
        def done(saved: Saved) -> None:
            self._session.note_saved(result, saved)

        self._controller.export(job, title, done)

    def suggest(self, purpose: str, name: str) -> str:
        """Path to suggest for a file: in the folder that was last used for its purpose."""
        scene = self._session.scene
        folder = self._settings.folder(purpose) or (str(scene.file.parent) if scene else "")
        return str(Path(folder) / name)

    def may_write(self, target: Path, purpose: str) -> bool:
        """Consent of the user before a file is replaced; the open scene itself never is."""
        scene = self._session.scene
        if target.exists():
            if scene is not None and target.resolve() == scene.file.resolve():
                message = "It is the file that is open. Choose another name, so that the original stays."
                self._show_failure(f"“{target.name}” was not replaced.", Failure(message, message, True))
                return False
            if not target.is_file():
                message = "It is a folder or a device, which a file cannot replace. Choose another name."
                self._show_failure(f"“{target.name}” was not replaced.", Failure(message, message, True))
                return False
            if not self._files.confirm_overwrite(self._window, target):
                return False
        self._settings.set_folder(purpose, target.parent)
        return True
