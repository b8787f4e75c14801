"""Panels: what the magics do, with the mouse."""
