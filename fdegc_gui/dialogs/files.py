"""File dialogs, in one object, so that tests can answer in place of a user."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from PySide6.QtCore import QProcess, QSize, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QDialog,
    QFileDialog,
    QHeaderView,
    QInputDialog,
    QMessageBox,
    QTreeView,
    QWidget,
)

from fdegc.format import SUFFIX
from fdegc.options import KINDS, RASTER_SUFFIXES
from fdegc_gui.text import part_name, part_names


def _filter(title: str, *suffixes: str) -> str:
    """Filter of a file dialog, as Qt writes it."""
    return f"{title} ({' '.join('*' + suffix for suffix in suffixes)})"


#: Of Qt's own file dialog.
_SIZE = QSize(880, 540)
OPEN_FILTER = ";;".join(
    (
        _filter("Scenes and compressed files", *RASTER_SUFFIXES, SUFFIX),
        _filter("Images", *RASTER_SUFFIXES),
        _filter("Compressed files", SUFFIX),
        "All files (*)",
    )
)
STREAM_FILTER = _filter("FDEGC compressed file", SUFFIX)
TABLE_FILTER = _filter("Table", ".csv")
#: Filters of plots to save → the ending of their names.
PLOT_FILTERS = {_filter("Drawing", ".svg"): (".svg",), _filter("Picture", ".png"): (".png",)}
#: Filters of images to save → the kind that they stand for.
IMAGE_KINDS = {_filter(title, *endings): kind for kind, (endings, title) in KINDS.items()}
#: Filters of images to save → the endings of their names, the usual one first.
IMAGE_FILTERS = {words: KINDS[kind][0] for words, kind in IMAGE_KINDS.items()}


def with_suffix(path: Path, allowed: tuple[str, ...], default: str) -> Path:
    """Path with a suffix appended unless the name has an allowed one."""
    return path if path.suffix.lower() in allowed else path.with_name(path.name + default)


def file_dialog(parent: QWidget, title: str, folder: str, filters: list[str]) -> QFileDialog:
    """File dialog of the system, or where it has none Qt's own, with columns that are wide enough to read."""
    dialog = QFileDialog(parent, title, folder)
    dialog.setNameFilters(filters)
    # The system's own takes no notice of these.
    dialog.setViewMode(QFileDialog.ViewMode.Detail)
    dialog.resize(_SIZE)
    for view in dialog.findChildren(QTreeView):
        head = view.header()
        head.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
    return dialog


def _chosen(dialog: QFileDialog) -> Path | None:
    """File that the user chooses; None if none."""
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    names = dialog.selectedFiles()
    dialog.deleteLater()
    return Path(names[0]) if accepted and names else None


class FileDialogs:
    """File dialogs of the system."""

    def open_file(self, parent: QWidget, folder: str) -> Path | None:
        """File to open, as the user chooses it."""
        return self._open(parent, "Open a scene", folder)

    def choose_part(
        self, parent: QWidget, path: Path, parts: tuple[str, ...], titles: tuple[str, ...] = ()
    ) -> str | None:
        """Name of one of several rasters in a file, as the user chooses it by that and what it is."""
        words = f"“{path.name}” holds {len(parts)} rasters. Which one shall be opened?"
        told = titles if len(titles) == len(parts) else ("",) * len(parts)
        names = [part_name(*pair) for pair in zip(part_names(path, parts), told, strict=True)]
        name, chosen = QInputDialog.getItem(parent, "Choose a raster", words, names, 0, False)
        return parts[names.index(name)] if chosen else None

    def open_other(self, parent: QWidget, folder: str, side: str) -> Path | None:
        """File to compare with, as the user chooses it."""
        return self._open(parent, f"Open as picture {side}", folder)

    def _open(self, parent: QWidget, title: str, folder: str) -> Path | None:
        dialog = file_dialog(parent, title, folder, OPEN_FILTER.split(";;"))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        return _chosen(dialog)

    def save_table(self, parent: QWidget, suggestion: str) -> Path | None:
        """Path for the table of results, as the user chooses it."""
        return self._save(parent, "Save the table of results", suggestion, {TABLE_FILTER: (".csv",)})[0]

    def save_plot(self, parent: QWidget, suggestion: str) -> Path | None:
        """Path for the plot, as the user chooses it."""
        return self._save(parent, "Save the plot of results", suggestion, PLOT_FILTERS)[0]

    def save_stream(self, parent: QWidget, suggestion: str) -> Path | None:
        """Path for the compressed file, as the user chooses it."""
        return self._save(parent, "Save the compressed file", suggestion, {STREAM_FILTER: (SUFFIX,)})[0]

    def save_image(
        self, parent: QWidget, suggestion: str, kind: str, kinds: Collection[str] = tuple(KINDS)
    ) -> tuple[Path, str] | None:
        """Path and kind of file for the reconstruction, as the user chooses them.

        Parameters
        ----------
        parent : QWidget
        suggestion : str
            Path.
        kind : str
            One of :data:`~fdegc.options.KINDS`, chosen at first.
        kinds : collection of str
            Those that are offered; a name may all the same end as another one's.

        Returns
        -------
        path : Path
        kind : str
            What the name ends in counts; of those that end alike, the chosen one.
        """
        usual = next(words for words, one in IMAGE_KINDS.items() if one == kind)
        offered = [words for words, one in IMAGE_KINDS.items() if one in kinds]
        path, words = self._save(parent, "Save the reconstruction", suggestion, IMAGE_FILTERS, usual, offered)
        if path is None:
            return None
        found = (IMAGE_KINDS[one] for one in (words, *IMAGE_FILTERS) if one in IMAGE_KINDS)
        return path, next(one for one in found if path.suffix.lower() in KINDS[one][0])

    def _save(
        self,
        parent: QWidget,
        title: str,
        suggestion: str,
        filters: Mapping[str, tuple[str, ...]],
        usual: str | None = None,
        offered: Sequence[str] = (),
    ) -> tuple[Path | None, str]:
        """Path that the user chooses, or None, and the filter that was chosen, at first ``usual``.

        Some filters may be offered; the endings of all are taken as they are.
        """
        dialog = file_dialog(parent, title, str(Path(suggestion).parent), list(offered or filters))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # asked below, once the suffix is there
        dialog.selectFile(Path(suggestion).name)
        fitting = (one for one, endings in filters.items() if Path(suggestion).suffix.lower() in endings)
        dialog.selectNameFilter(usual or next(fitting, next(iter(filters))))
        path = _chosen(dialog)
        chosen = dialog.selectedNameFilter()
        endings = tuple(ending for some in filters.values() for ending in some)
        default = filters.get(chosen, endings)[0]
        return None if path is None else with_suffix(path, endings, default), chosen

    def show_in_folder(self, path: Path) -> None:
        """Folder of a file in the system's own window, with the file marked where the system can do that."""
        if sys.platform == "darwin":
            QProcess.startDetached("open", ["-R", str(path)])
        elif sys.platform == "win32":
            QProcess.startDetached("explorer", [f"/select,{path}"])
        else:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path.parent)))

    def confirm_loss(self, parent: QWidget, name: str, words: str) -> bool:
        """Confirmation before a scene is left whose results are not kept; the safe answer is the default."""
        box = QMessageBox(parent)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Leave the scene?")
        box.setText(f"Results of “{name}” cannot be kept. Leave it?")
        box.setInformativeText(words)
        leave = box.addButton("Leave", QMessageBox.ButtonRole.DestructiveRole)
        leave.setAutoDefault(False)  # another style moves the keys to it, but not what Return does
        stay = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(stay)
        box.setEscapeButton(stay)
        box.exec()
        return box.clickedButton() is leave

    def confirm_overwrite(self, parent: QWidget, path: Path) -> bool:
        """Confirmation before a file is replaced; the safe answer is the default."""
        box = QMessageBox(parent)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle("Replace file?")
        box.setText(f"“{path.name}” exists already. Replace it?")
        box.setInformativeText(f"It is in “{path.parent}”. What it holds now would be lost.")
        replace = box.addButton("Replace", QMessageBox.ButtonRole.DestructiveRole)
        replace.setAutoDefault(False)
        keep = box.addButton(QMessageBox.StandardButton.Cancel)
        box.setDefaultButton(keep)
        box.setEscapeButton(keep)
        box.exec()
        return box.clickedButton() is replace
