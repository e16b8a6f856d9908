"""Sections of the page on Luo 2021: do attention heads know constituents?"""
