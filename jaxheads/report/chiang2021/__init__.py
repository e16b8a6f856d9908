"""Sections of the page on Chiang & Chen 2021: prunability, coherence, acceptable deduction."""
