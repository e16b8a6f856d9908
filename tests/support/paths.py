"""Where the files are that tests of several rooms read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests" / "fixtures"  # checkpoints and what PyTorch computes from them
