"""File dialogs and questions: the safe answer is the default, names get their endings, dark is legible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QFileDialog,
    QInputDialog,
    QLineEdit,
    QMessageBox,
    QToolButton,
    QTreeView,
)
from pytestqt.qtbot import QtBot

from fdegc_gui.dialogs.files import IMAGE_FILTERS, OPEN_FILTER, FileDialogs, file_dialog
from fdegc_gui.main_window import MainWindow
from fdegc_gui.text import part_names


def answered(kind: type[QDialog], answer: Callable[[QDialog], None]) -> None:
    """Answer to the next dialog of a kind as soon as it is seen."""

    def look() -> None:
        found = QApplication.activeModalWidget()  # others may have been left open
        answer(found) if isinstance(found, kind) else QTimer.singleShot(20, look)

    QTimer.singleShot(20, look)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_qt_s_own_file_dialog_is_legible(window: MainWindow, tmp_path: Path, theme: str) -> None:
    (tmp_path / "a_scene_with_a_rather_long_name.tif").write_bytes(bytes(700_000))
    window.set_theme(theme)
    dialog = file_dialog(window, "Open", str(tmp_path), OPEN_FILTER.split(";;"))
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.show()
    tree = dialog.findChildren(QTreeView)[0]
    for column in range(tree.model().columnCount()):
        assert tree.columnWidth(column) >= tree.sizeHintForColumn(column), "nothing is cut off"
    palette = tree.palette()
    text, ground = palette.text().color().lightnessF(), palette.base().color().lightnessF()
    assert abs(text - ground) > 0.6 and (ground < 0.5) == (theme == "dark")
    for button in dialog.findChildren(QToolButton):
        if button.isVisible() and not button.icon().isNull():
            room = button.width() - 2 * 5 - 2  # padding and border
            assert room >= min(button.iconSize().width(), 14), button.objectName()
            assert not button.icon().pixmap(16, 16, QIcon.Mode.Normal).isNull()
    dialog.close()


def test_dialogs_are_the_system_s_where_it_has_them(window: MainWindow, tmp_path: Path) -> None:
    dialogs: list[QFileDialog] = []

    def look(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        dialogs.append(dialog)
        assert not dialog.testOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.reject()

    files = FileDialogs()
    for ask in (
        lambda: files.open_file(window, str(tmp_path)),
        lambda: files.open_other(window, str(tmp_path), "A"),
        lambda: files.save_stream(window, str(tmp_path / "x.fdegc")),
        lambda: files.save_image(window, str(tmp_path / "x.tif"), "geotiff"),
        lambda: files.save_table(window, str(tmp_path / "x.csv")),
        lambda: files.save_plot(window, str(tmp_path / "x.svg")),
    ):
        answered(QFileDialog, look)
        assert ask() is None
    assert len(dialogs) == 6
    assert not QApplication.testAttribute(Qt.ApplicationAttribute.AA_DontUseNativeDialogs)


def test_names_get_the_ending_of_the_chosen_kind(window: MainWindow, tmp_path: Path) -> None:
    def choose(name: str, kind: str) -> Callable[[QDialog], None]:
        def answer(dialog: QDialog) -> None:
            assert isinstance(dialog, QFileDialog)
            assert dialog.selectedNameFilter().startswith("COG"), "as it was wanted"
            dialog.selectNameFilter(next(words for words in IMAGE_FILTERS if kind in words))
            dialog.findChildren(QLineEdit)[0].setText(str(tmp_path / name))  # as typed
            dialog.done(QDialog.DialogCode.Accepted)

        return answer

    files = FileDialogs()
    for name, kind, expected in (
        ("r1", "*.jp2", ("r1.jp2", "jp2")),
        ("r1.jp2", "*.tif", ("r1.jp2", "jp2")),
        ("r1.v2", "*.png", ("r1.v2.png", "png")),
        ("r1", "GeoTIFF", ("r1.tif", "geotiff")),
        ("r1", "COG", ("r1.tif", "cog")),
        ("r1.tiff", "COG", ("r1.tiff", "cog")),
        ("r1.tif", "*.png", ("r1.tif", "geotiff")),
    ):
        answered(QFileDialog, choose(name, kind))
        path, found = expected
        assert files.save_image(window, str(tmp_path / "x.tif"), "cog") == (tmp_path / path, found)


def test_some_kinds_are_offered_and_a_name_may_end_as_another(window: MainWindow, tmp_path: Path) -> None:
    def answer(dialog: QDialog) -> None:
        assert isinstance(dialog, QFileDialog)
        assert [words.split(" (")[0] for words in dialog.nameFilters()] == ["GeoTIFF", "COG"]
        dialog.findChildren(QLineEdit)[0].setText(str(tmp_path / "r1.png"))
        dialog.done(QDialog.DialogCode.Accepted)

    answered(QFileDialog, answer)
    chosen = FileDialogs().save_image(window, str(tmp_path / "x.tif"), "cog", ("geotiff", "cog"))
    assert chosen == (tmp_path / "r1.png", "png"), "what is wrong with that is said when it is written"


def test_dialogs_that_are_left_give_nothing(window: MainWindow, tmp_path: Path) -> None:
    files = FileDialogs()
    answered(QFileDialog, lambda dialog: dialog.reject())
    assert files.save_stream(window, str(tmp_path / "x.fdegc")) is None
    answered(QFileDialog, lambda dialog: dialog.reject())
    assert files.open_other(window, str(tmp_path), "A") is None


def test_return_answers_questions_safely(qtbot: QtBot, window: MainWindow, tmp_path: Path) -> None:
    def in_another_theme(box: QDialog) -> None:
        """As the system's goes over to dark in the evening, while a question waits."""
        window.set_theme("dark" if window.theme.choice == "light" else "light")
        qtbot.keyClick(box, Qt.Key.Key_Return)

    files = FileDialogs()
    for ask in (
        lambda: files.confirm_overwrite(window, tmp_path / "x.fdegc"),
        lambda: files.confirm_loss(window, "x", "What would be lost: much."),
    ):
        answered(QMessageBox, lambda box: qtbot.keyClick(box, Qt.Key.Key_Return))
        assert ask() is False
        answered(QMessageBox, in_another_theme)
        assert ask() is False
        answered(QMessageBox, lambda box: qtbot.keyClick(box, Qt.Key.Key_Escape))
        assert ask() is False


def test_one_of_several_rasters_is_chosen_by_name(window: MainWindow, tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    files, parts = FileDialogs(), (f'NETCDF:"{path}":sst', f'NETCDF:"{path}":err')

    def choose(dialog: QDialog) -> None:
        assert isinstance(dialog, QInputDialog)
        assert dialog.labelText() == "“a.nc” holds 2 rasters. Which one shall be opened?"
        assert dialog.comboBoxItems() == ["sst", "err"] and not dialog.isComboBoxEditable()
        dialog.setTextValue("err")
        dialog.accept()

    answered(QInputDialog, choose)
    assert files.choose_part(window, path, parts) == parts[1]
    answered(QInputDialog, lambda dialog: dialog.reject())
    assert files.choose_part(window, path, parts) is None

    def look(dialog: QDialog) -> None:
        assert isinstance(dialog, QInputDialog)
        assert dialog.comboBoxItems() == ["sst · 9×7, 2 bands", "err"]
        dialog.accept()

    answered(QInputDialog, look)
    assert files.choose_part(window, path, parts, ("9×7, 2 bands", "")) == parts[0]
    assert part_names(path, (f"GTIFF_DIR:1:{path}", f"GTIFF_DIR:2:{path}")) == ["Page 1", "Page 2"]
    assert part_names(path, (f'HDF5:"{path}"://g/d', f"netcdf:{path}:e")) == ["g/d", "e"]
    for unclear in (("one", "two"), (f"A:{path}:x", f"B:{path}:x")):
        assert part_names(path, unclear) == list(unclear)
