"""Pairs of a source and a target whose pieces are two vocabularies' own."""
