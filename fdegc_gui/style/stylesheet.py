"""Style sheet; ``@name@`` stands for a colour of :class:`fdegc_gui.style.theme.Tokens`."""

STYLE = """
QMainWindow, QDialog { background: @window@; }
QWidget { color: @text@; }
#canvas { background: @border@; }
#gutter { background: @canvas@; }
QToolTip { background: @tooltip@; color: @tooltip_text@; border: none; padding: 6px 8px; }

QMenuBar { background: @panel@; border-bottom: 1px solid @border@; padding: 2px 6px; }
QMenuBar::item { padding: 5px 10px; border-radius: 5px; background: transparent; }
QMenuBar::item:selected { background: @hover@; }
QMenu { background: @raised@; border: 1px solid @border@; padding: 5px; }
QMenu::item { padding: 6px 26px 6px 26px; border-radius: 5px; }
QMenu::item:selected { background: @accent_soft@; color: @text@; }
QMenu::item:disabled { color: @faint@; }
QMenu::separator { height: 1px; background: @border@; margin: 5px 8px; }
QMenu::icon { padding-left: 6px; }

#header { background: @panel@; border-bottom: 1px solid @border@; }
#comparebar { background: @panel@; border-bottom: 1px solid @border@; }
#chip {
    background: @pill@; color: @pill_text@; border: 1px solid transparent; border-radius: 7px;
    padding: 0 10px; text-align: left; min-height: 0;
}
#chip:hover { border-color: @accent@; background: @pill@; }
#chip:focus { border-color: @accent@; }
#chip:disabled { color: @pill_text@; background: @pill@; border-color: transparent; }
#notice { background: @warning_soft@; border-bottom: 1px solid @border@; }
#sceneName { font-weight: 600; }
#sceneFacts, #muted { color: @muted@; }
#sidebar, #sidebarBody { background: @panel@; }
#sidebar { border-left: 1px solid @border@; }
#divider { background: @border@; }

QPushButton, QToolButton {
    background: @raised@; border: 1px solid @border@; border-radius: 6px; padding: 5px 12px; min-height: 18px;
}
QPushButton:hover, QToolButton:hover { background: @hover@; border-color: @strong_border@; }
QPushButton:pressed, QToolButton:pressed { background: @border@; }
QPushButton:focus, QToolButton:focus { border: 1px solid @accent@; }
QPushButton:disabled, QToolButton:disabled {
    color: @faint@; background: transparent; border-color: @border@;
}
QPushButton:default, QPushButton#primary {
    background: @accent@; color: @on_accent@; border: 1px solid @accent@;
}
QPushButton#primary { font-weight: 600; padding: 8px 12px; }
QPushButton#beside { padding: 8px 10px; }
QPushButton:default:hover, QPushButton#primary:hover {
    background: @accent_hover@; border-color: @accent_hover@;
}
QPushButton:default:pressed, QPushButton#primary:pressed { background: @accent_pressed@; }
QPushButton#primary[done="true"] {
    background: @raised@; color: @text@; border-color: @strong_border@; font-weight: 400;
}
QPushButton#primary[done="true"]:hover { background: @hover@; }
QPushButton#primary:focus { border: 1px solid @text@; }
QPushButton#primary:disabled {
    background: @hover@; color: @muted@; border-color: @border@;
}
QToolButton#flat { background: transparent; border: 1px solid transparent; padding: 5px 9px; }
QToolButton#flat:hover { background: @hover@; }
QToolButton#flat:focus { border: 1px solid @accent@; }
QToolButton#flat:disabled { color: @faint@; }
QToolButton#flat:checked { background: @accent_soft@; }
#comparebar QToolButton#flat { padding: 2px 6px; }
#comparebar QComboBox { padding: 2px 7px; min-height: 17px; }
#segments { border: 1px solid @border@; border-radius: 7px; }
#segments QToolButton#flat { border-radius: 5px; padding: 2px 7px; }
#segments QToolButton#flat:checked { background: @accent_soft@; border-color: @accent@; }
QToolButton::menu-indicator { image: none; }

QToolButton#section {
    background: transparent; border: 1px solid transparent;
    padding: 4px 0; font-weight: 600; text-align: left;
}
QToolButton#section:hover { color: @accent@; }
QToolButton#section:focus { border: 1px solid @accent@; }

#card { background: @panel@; border: 1px solid @border@; border-radius: 10px; }
#card QLineEdit { padding: 4px 6px; }
#card QToolButton { padding: 3px 10px; }
#card QToolButton#reading { text-align: left; padding: 5px 8px; }
#card QToolButton#flat { padding: 3px 9px; }

QComboBox {
    background: @raised@; border: 1px solid @strong_border@; border-radius: 6px;
    padding: 4px 8px; min-height: 18px;
}
QComboBox:hover { background: @hover@; }
QComboBox:focus { border-color: @accent@; }
QComboBox:disabled { color: @faint@; border-color: @border@; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow { image: url(@chevron@); width: 12px; height: 12px; }
QComboBox QAbstractItemView {
    background: @raised@; border: 1px solid @border@; padding: 4px;
    selection-background-color: @accent_soft@; selection-color: @text@;
}
QAbstractSpinBox {
    background: @raised@; border: 1px solid @strong_border@; border-radius: 6px;
    padding: 2px 0; min-height: 19px;
}
QAbstractSpinBox:focus { border-color: @accent@; }
QAbstractSpinBox:disabled { color: @faint@; border-color: @border@; }
QAbstractSpinBox::up-button, QAbstractSpinBox::down-button { border: none; width: 20px; }
QAbstractSpinBox::up-button { subcontrol-position: top right; }
QAbstractSpinBox::down-button { subcontrol-position: bottom right; }
QAbstractSpinBox::up-arrow { image: url(@up@); width: 9px; height: 9px; }
QAbstractSpinBox::down-arrow { image: url(@down@); width: 9px; height: 9px; }
QCheckBox { spacing: 8px; }
QCheckBox:disabled { color: @faint@; }
QCheckBox::indicator {
    width: 14px; height: 14px; border: 1px solid @strong_border@; border-radius: 4px; background: @raised@;
}
QCheckBox::indicator:hover, QCheckBox::indicator:focus { border-color: @accent@; }
QCheckBox::indicator:checked { background: @accent@; border-color: @accent@; image: url(@tick@); }
QCheckBox::indicator:disabled { border-color: @border@; }
QCheckBox::indicator:checked:disabled { background: @strong_border@; }

QScrollArea { background: transparent; border: none; }
QScrollBar:vertical { background: transparent; width: 11px; margin: 2px; }
QScrollBar:horizontal { background: transparent; height: 11px; margin: 2px; }
QScrollBar::handle { background: @strong_border@; border-radius: 3px; min-height: 28px; min-width: 28px; }
QScrollBar::handle:hover { background: @muted@; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QSplitter::handle { background: @border@; }
QSplitter::handle:hover { background: @accent@; }

QStatusBar, #statusbar { background: @panel@; border-top: 1px solid @border@; }
QStatusBar::item { border: none; }
QSlider::groove:horizontal { background: @border@; height: 4px; border-radius: 2px; }
QSlider:focus { border: 1px solid @accent@; border-radius: 6px; }
QSlider::handle:horizontal:disabled { background: @strong_border@; }
QSlider::handle:horizontal {
    background: @accent@; width: 12px; height: 12px; margin: -4px 0; border-radius: 6px;
}
QProgressBar { background: @border@; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: @accent@; border-radius: 3px; }

#statValue { font-weight: 600; }
#statLabel { color: @muted@; }
#factName { color: @muted@; }
#fault { color: @bad@; }

QTableView, QPlainTextEdit, QTextBrowser, QTreeView, QListWidget {
    background: @raised@; border: 1px solid @border@; border-radius: 6px; gridline-color: @border@;
    selection-background-color: @accent_soft@; selection-color: @text@;
}
QHeaderView::section {
    background: transparent; color: @muted@;
    border: none; border-bottom: 1px solid @border@; padding: 4px 6px;
}
QTreeView#metadata::item { padding: 2px 0; }
QListWidget#places::item { padding: 3px 4px; border-radius: 4px; }
QListWidget#places::item:hover { background: @hover@; }
QListWidget#places::item:selected { background: @accent_soft@; color: @text@; }
QToolButton:checked { background: @accent_soft@; border-color: @accent@; }
QTableView#bare { background: transparent; border: none; border-radius: 0; }
QTableView#bare::item { padding: 2px 3px; border: none; }
QTableView#bare QHeaderView { background: transparent; }
QTableView#bare QHeaderView::section { padding: 3px 6px 3px 1px; font-size: 8.5pt; }
QTableView#bare QHeaderView::section:first { padding-left: 6px; }
QTableView#bare::item:selected { background: @accent_soft@; color: @text@; }
QLineEdit {
    background: @raised@; border: 1px solid @strong_border@; border-radius: 6px; padding: 5px 8px;
}
QLineEdit QToolButton { background: transparent; border: none; padding: 0; min-height: 0; }
QLineEdit:focus { border-color: @accent@; }
QLineEdit:disabled { color: @faint@; border-color: @border@; }
QLineEdit[wrong="true"] { border-color: @bad@; }
#title { font-weight: 600; }
#dropHint {
    background: @accent_soft@; color: @accent@;
    border: 2px dashed @accent@; font-size: 22px; font-weight: 600;
}
QFileDialog QToolButton { padding: 3px 5px; }
QFileDialog QHeaderView::section { padding: 4px 6px; }
#welcomeLink { text-align: left; background: transparent; border: 1px solid transparent; padding: 6px 10px; }
#welcomeLink:hover { background: @hover@; }
#welcomeLink:focus { border-color: @accent@; }
"""
