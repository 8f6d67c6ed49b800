"""Training: data, optimiser, loop, export.  Importing the package does not import torch."""
