"""Commands of the app: words, its keys, its menu.

Menus, tool buttons and the list of shortcuts are all made from these, so none can say otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence

#: Menus in order, as they are titled.
MENUS = ("File", "Edit", "View", "Compare", "Codec", "Help")


@dataclass(frozen=True)
class Command:
    """Command of the app: name, shortcuts, menu, tip.

    Attributes
    ----------
    key : str
        Name in the program.
    text : str
        Name for the user, ``&`` before the mnemonic.
    keys : tuple of str
        Shortcuts, the first one is shown.
    menu : str
        One of ``MENUS``.
    tip : str
        A sentence for tooltip and status bar.
    checkable : bool
    """

    key: str
    text: str
    keys: tuple[str, ...]
    menu: str
    tip: str
    checkable: bool = False


COMMANDS: tuple[Command, ...] = (
    Command("open", "&Open…", ("Ctrl+O",), "File", "Open an image or a .fdegc file."),
    Command(
        "open_other",
        "Open as picture &A…",
        ("Ctrl+Shift+O",),
        "File",
        "Compare with an image or .fdegc file of the same size.",
    ),
    Command("export_stream", "Save &compressed file…", ("Ctrl+S",), "File", "Save the compressed file."),
    Command(
        "export_image",
        "Save &reconstruction…",
        ("Ctrl+Shift+S",),
        "File",
        "Save what decoding gives, as GeoTIFF, COG, PNG or JPEG 2000.",
    ),
    Command("show_folder", "Show in &folder", (), "File", "Show the folder of the file saved last."),
    Command("export_table", "Save &table of results…", ("Ctrl+Shift+T",), "File", "Save it as CSV."),
    Command("export_plot", "Save p&lot of results…", ("Ctrl+Shift+P",), "File", "Save it as SVG or PNG."),
    Command(
        "close_scene",
        "Close &scene",
        ("Ctrl+W",),
        "File",
        "Close the scene; its results are there when it is opened again.",
    ),
    Command("quit", "&Quit", ("Ctrl+Q",), "File", "Close the app; running work is cancelled."),
    Command("copy_view", "Copy the &view", ("Ctrl+C",), "Edit", "Copy what is seen, as an image."),
    Command(
        "copy_scene",
        "Copy the whole &picture",
        ("Ctrl+Alt+C",),
        "Edit",
        "Copy all of the picture that is seen, or of picture B, as an image.",
    ),
    Command(
        "copy_values",
        "Copy v&alues under the pointer",
        ("Ctrl+Shift+C",),
        "Edit",
        "Copy place and values of the pixel as text.",
    ),
    Command("copy_table", "Copy &table of results", ("Ctrl+T",), "Edit", "Copy all figures as text."),
    Command(
        "display",
        "&Display…",
        ("D",),
        "View",
        "Choose the bands that are shown and their stretch; nothing is compressed anew.",
        True,
    ),
    Command(
        "stretch_view",
        "Stretch to what is in &view",
        ("Shift+D",),
        "View",
        "Black and white fit what is in view: all but the darkest and the brightest 2 %.",
    ),
    Command("fit", "&Fit scene", ("F", "0", "Ctrl+0"), "View", "Show the whole scene."),
    Command(
        "actual",
        "&Actual pixels (100 %)",
        ("1", "Ctrl+1"),
        "View",
        "One pixel of the scene, one of the screen.",
    ),
    Command("zoom_in", "Zoom &in", ("+", "=", "Ctrl++", "Ctrl+="), "View", "Look closer."),
    Command("zoom_out", "Zoom &out", ("-", "Ctrl+-"), "View", "Look from further away."),
    Command("go_to", "&Go to a place…", ("Ctrl+G",), "View", "Look at coordinates that you type or paste."),
    Command("loupe", "Lou&pe", ("Shift+L",), "View", "Enlarge both pictures around the pointer.", True),
    Command("minimap", "Mi&nimap", ("N",), "View", "Show the whole scene in a corner when zoomed in.", True),
    Command("metadata", "Tags and &metadata", ("Ctrl+I",), "View", "Search what else the file carries."),
    Command("sidebar", "&Side bar", ("F9",), "View", "Show or hide the side bar.", True),
    Command("full_screen", "F&ull screen", ("F11",), "View", "Use the whole screen.", True),
    *(
        Command(f"layout_{name}", text, (keys,), "Compare", tip, True)
        for name, text, keys, tip in (
            ("automatic", "Bes&ide or above, as fits", "Shift+F2", "Both pictures as large as they can be."),
            ("side_by_side", "Side &by side", "F2", "Show both pictures beside each other."),
            ("stacked", "Sta&cked", "F3", "Show both pictures above each other."),
            ("single", "Si&ngle picture", "F4", "Show one picture in all the room there is."),
            ("swipe", "Swi&pe", "F5", "Show picture A up to a line, and picture B beyond it."),
            ("flip", "&Flip", "F6", "Show both pictures in one place, one after the other."),
            ("difference", "&Difference", "F7", "Show where the pictures differ, and by how much."),
        )
    ),
    Command("swap", "Swap &A and B", ("X",), "Compare", "Picture A becomes B, and B becomes A."),
    Command("toggle", "Show the &other picture", ("T",), "Compare", "Change over in one place."),
    Command("blink", "Blin&k", ("B",), "Compare", "Change over again and again by itself.", True),
    Command("swipe_turn", "T&urn the swipe", ("V",), "Compare", "Swipe up and down, or left and right."),
    Command("gain_up", "More &gain", ("G",), "Compare", "Enlarge differences more."),
    Command("gain_down", "&Less gain", ("Shift+G",), "Compare", "Enlarge differences less."),
    Command("signed", "&Signed differences", ("S",), "Compare", "Tell more and less apart.", True),
    Command("measure", "&Measure a region", ("M",), "Compare", "Drag a rectangle to measure it.", True),
    Command("measure_view", "Measure what is in &view", ("Shift+M",), "Compare", "Errors of what is seen."),
    Command(
        "tiles_bytes",
        "Where the bi&ts went",
        ("W",),
        "Compare",
        "Show how many bits a pixel every tile took.",
        True,
    ),
    Command("tiles_error", "Where the &error is", ("E",), "Compare", "Show the PSNR of every tile.", True),
    Command("compress", "&Compress", ("Ctrl+Return", "Ctrl+Enter"), "Codec", "Compress at the chosen rate."),
    Command(
        "compress_all",
        "Compress at &all rates",
        ("Ctrl+Shift+Return", "Ctrl+Shift+Enter"),
        "Codec",
        "Compress at every rate point that is not finished yet, to compare them.",
    ),
    Command("cancel", "Ca&ncel", ("Esc",), "Codec", "Stop the running work; finished results stay."),
    *(
        Command(f"rate_{i}", f"Rate point &{i}", (f"Alt+{i}",), "Codec", f"Look at rate point {i}.")
        for i in range(1, 7)
    ),
    Command("any_quality", "Any &quality", ("Alt+7",), "Codec", "Type a quality between the rate points."),
    Command(
        "rate_exact",
        "No loss, or a largest &error",
        ("Alt+8",),
        "Codec",
        "Look at what keeps every sample, or every error below a bound.",
    ),
    Command(
        "lpips",
        "Allow the &LPIPS download",
        ("Ctrl+L",),
        "Codec",
        "Let LPIPS fetch its backbone weights (233 MB) from the Internet, once.",
        True,
    ),
    Command("shortcuts", "&Keyboard shortcuts", ("F1",), "Help", "List every shortcut."),
    Command("open_log", "Open &log folder", ("Ctrl+Shift+L",), "Help", "Show where the log file is kept."),
    Command("about", "&About FDEGC", ("Shift+F1",), "Help", "Version, licence and what it is built on."),
)


class Actions:
    """Commands as ``QAction``.

    Parameters
    ----------
    parent : QObject
        Owner; a window makes the shortcuts work in all of it.
    """

    def __init__(self, parent: QObject) -> None:
        self._actions: dict[str, QAction] = {}
        for command in COMMANDS:
            action = QAction(command.text, parent)
            action.setObjectName(command.key)
            action.setShortcuts([QKeySequence(keys) for keys in command.keys])
            action.setCheckable(command.checkable)
            action.setStatusTip(command.tip)
            self._actions[command.key] = action
            shown = self.keys(command.key)
            action.setToolTip(f"{command.tip}  {shown}" if shown else command.tip)

    def __getitem__(self, key: str) -> QAction:
        return self._actions[key]

    def keys(self, key: str) -> str:
        """First shortcut of an action as the system writes it."""
        return self._actions[key].shortcut().toString(QKeySequence.SequenceFormat.NativeText)

    def all(self) -> list[QAction]:
        """All actions in order."""
        return list(self._actions.values())

    def listing(self) -> list[tuple[str, str, str]]:
        """Menu, words and keys of every action that has keys and is offered, as they are now."""
        rows = []
        for command in COMMANDS:
            action = self._actions[command.key]
            keys = [k.toString(QKeySequence.SequenceFormat.NativeText) for k in action.shortcuts()]
            keys = [key for key in keys if not key.endswith("Enter")]  # which is Return, too
            if keys and action.isVisible():
                words = action.text().replace("&", "").rstrip("…")
                rows.append((command.menu, words, ", ".join(keys)))
        return rows
