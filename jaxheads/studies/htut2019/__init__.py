"""Htut et al. 2019: do attention heads follow dependencies?"""
