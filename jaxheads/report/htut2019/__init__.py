"""Sections of the page on Htut et al. 2019: do attention heads follow dependencies?"""
