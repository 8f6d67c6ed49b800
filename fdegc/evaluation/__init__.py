"""Comparison with other codecs on real files.  Importing the package imports no codec and no torch."""
