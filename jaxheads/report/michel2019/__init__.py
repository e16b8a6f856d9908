"""Sections of the page on Michel et al. 2019: are sixteen heads really better than one?"""
