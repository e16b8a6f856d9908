"""Pairs of headlines, funny and serious."""
