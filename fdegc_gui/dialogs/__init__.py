"""Dialogs: errors, files, shortcuts, about."""
