"""Models that run in this kernel: the only room that imports torch."""
