"""Windows that open for a moment: errors, files, shortcuts, about."""
