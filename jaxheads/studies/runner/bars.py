"""What a terminal shows while a study runs: all its cells, and how far those are that compute."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Mapping

import tqdm

from jaxheads.parallel.steps import Steps, heard_by

LONGEST = 60  # letters of a cell's title


class Bars:
    """A bar of the cells, and one for each that is being computed and says how far it is.

    Args:
      titles: cells in words, by name.
      done: cells that are finished.
    """

    def __init__(self, titles: Mapping[str, str], done: int) -> None:
        self._titles = titles
        self._all = _bar("study", len(titles), " cells", done)
        self._by_cell: dict[str, tuple[Steps, tqdm.tqdm]] = {}

    @contextlib.contextmanager
    def hearing(self, name: str) -> Iterator[None]:
        """What is computed in this block, in this process, belongs to a cell."""
        with heard_by(functools.partial(self.show, name)):
            yield

    def show(self, name: str, steps: Steps) -> None:
        """Show how far a cell is."""
        before, bar = self._by_cell.get(name, (None, None))
        if before is None or bar is None or (before.name, before.total) != steps[0:3:2]:
            self._close(name)
            bar = _bar(self._titles[name][:LONGEST], steps.total, steps.unit, steps.done)
        bar.set_postfix_str(steps.note, refresh=False)
        bar.update(steps.done - bar.n)
        bar.refresh()
        self._by_cell[name] = steps, bar

    def ended(self, name: str, line: str, left: str) -> None:
        """Say above the bars how a cell ended, and beside that of all cells what is left."""
        self._close(name)
        with tqdm.tqdm.external_write_mode():
            print(line, flush=True)
        self._all.set_postfix_str(left, refresh=False)
        self._all.update()
        self._all.refresh()

    def close(self) -> None:
        """Leave the terminal to others."""
        for name in tuple(self._by_cell):
            self._close(name)
        self._all.close()

    def _close(self, name: str) -> None:
        if name in self._by_cell:
            self._by_cell.pop(name)[1].close()


def _bar(title: str, total: int | None, unit: str, done: int) -> tqdm.tqdm:
    return tqdm.tqdm(
        initial=done, total=total, desc=title, unit=unit, leave=False, disable=None,
        dynamic_ncols=True, bar_format=None if unit != " cells" else CELLS,
    )  # fmt: skip


CELLS = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} cells [{elapsed}{postfix}]"
