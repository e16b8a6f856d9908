"""Devices and processes. Imports nothing of ours."""
