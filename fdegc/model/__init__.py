"""The network: torch modules only, one block a file; nothing here knows files or coding."""
