"""Runs the cells of a study; knows no science."""
