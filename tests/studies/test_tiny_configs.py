"""Every config in a tiny form: those that need no outside data run, the others make their cells."""

from __future__ import annotations

import collections
import dataclasses
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from jaxheads.cli.main import main
from jaxheads.cli.overrides import load_config
from jaxheads.records.rows import read_rows
from jaxheads.report.folder import Study
from jaxheads.storage.store import Store
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.runner.cells import needs_by_name
from jaxheads.studies.settings import Compare, Michel2019, Run
from tests.support.paths import ROOT
from tests.tiny import shrink


class Form(NamedTuple):
    """What the tiny form of a config keeps, beside what `tests.tiny` leaves of everything."""

    models: tuple[str, ...] = ("roberta",)
    tasks: int = 1  # the first so many
    ways: tuple[str, ...] = ()  # to choose heads, that are compared; none: all
    steps: int = 2  # of fine-tuning


FORMS = {  # of each paper, and of its folder in the report
    "chiang2021": {
        "builtin_models": Form(("roberta", "albert")),
        "grammar_full": Form(("albert",)),
        "quickstart": Form(("roberta", "albert"), tasks=2),
    },
    "htut2019": {"htut_grammar": Form(("albert",))},
    "li2021": {
        "compare_grammar": Form(
            ways=("gradient", "refined, rescaled", "subset, joint", "subset, pipelined")
        ),
        "compare_grammar_budgets": Form(ways=("gradient", "random", "L0, pipelined")),
        "compare_grammar_entailment": Form(ways=("gradient", "meta")),
        "li_grammar": Form(),
    },
    "luo2021": {"luo_grammar": Form(tasks=2)},
    "michel2019": {"grammar_michel": Form(steps=30)},  # with fewer no head changes anything
    "peyrard2021": {"peyrard_grammar": Form()},
    "zhang2020": {"zhang_grammar": Form()},
}
EVERY = {name: form for forms in FORMS.values() for name, form in forms.items()}
FILES = ("scores", "maps", "views", "trees", "arcs", "times", "speeds")  # beside rows
OTHERS = sorted({path.stem for path in (ROOT / "configs").glob("*.py")} - EVERY.keys())


def least(run: Run) -> Run:
    """Shrink a run to its form."""
    form = EVERY[run.name]
    run = shrink(run)
    models = tuple(model for model in run.models if model.name in form.models)
    run = dataclasses.replace(run, models=models, tasks=run.tasks[: form.tasks])
    if run.finetune is not None:
        steps = dataclasses.replace(run.finetune, steps=form.steps)
        run = dataclasses.replace(run, finetune=steps)
    if isinstance(run.study, Michel2019):
        return dataclasses.replace(run, curve=dataclasses.replace(run.curve, timed=(1,)))
    if not form.ways:
        return run
    assert isinstance(run.study, Compare)
    first, *_ = run.study.timed
    shares = (run.study.shares[0], first) if first < run.study.shares[0] else (first,)
    changes = {"methods": form.ways, "shares": shares, "timed": (first,)}
    return dataclasses.replace(run, study=dataclasses.replace(run.study, **changes))


def write_tiny(name: str, folder: Path) -> Path:
    """A config file of the same settings in their least form."""
    path = folder / f"{name}.py"
    path.write_text(
        f'"""{name}, tiny."""\n\n'
        "from pathlib import Path\n\n"
        "from jaxheads.cli.overrides import load_config\n"
        "from tests.studies.test_tiny_configs import least\n\n"
        f"RUN = least(load_config(Path({str(ROOT / 'configs' / path.name)!r})))\n"
    )
    return path


Asked = dict[tuple[str, ...], bool]  # whether there was anything, when it was asked for


def paper_that_asks() -> str | None:
    """The folder of the report whose function asks a study for something."""
    frame = sys._getframe(2)
    while frame.f_globals["__name__"] == "jaxheads.report.folder":
        frame = frame.f_back
    parts = frame.f_globals["__name__"].split(".")
    return parts[2] if parts[:2] == ["jaxheads", "report"] and parts[2] in FORMS else None


@pytest.fixture
def asked(monkeypatch) -> dict[str | None, Asked]:
    """By paper, what its report asks for: stages with their metrics, and kinds of files."""
    found: dict[str | None, Asked] = collections.defaultdict(lambda: collections.defaultdict(bool))
    at, plain = Study.at, Study.__getattribute__

    def noting(self, stage, **where):
        rows = at(self, stage, **where)
        found[paper_that_asks()][stage, str(where.get("metric", ""))] |= bool(rows)
        return rows

    def reading(self, name):
        value = plain(self, name)
        if name in FILES:
            found[paper_that_asks()][name,] |= bool(value)
        return value

    monkeypatch.setattr(Study, "at", noting)
    monkeypatch.setattr(Study, "__getattribute__", reading)
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("paper", FORMS)
def test_configs_run_tiny_and_write_all_that_the_report_of_their_paper_asks_for(
    paper, tmp_path, asked
):
    for name in FORMS[paper]:
        config, out = write_tiny(name, tmp_path), tmp_path / name
        assert main(["study", str(config), "--out", str(out)]) == 0
        run, rows = load_config(config), read_rows(out / "rows.jsonl")
        assert paper == type(run.study).__module__.split(".")[2]
        assert {row.model for row in rows} == {model.name for model in run.models}
        assert run.name in (out / "report" / "index.html").read_text()
    assert asked[paper]
    assert not [what for what, there in asked[paper].items() if not there]


def stand_in(run: Run) -> Run:
    """The run with built-in models in the place of those to fetch, and short texts from files."""
    models = tuple(
        dataclasses.replace(model, source=model.source and "builtin:roberta")
        for model in run.models
    )
    text = run.text and dataclasses.replace(
        run.text,
        train=run.text.train or Path("train.txt"),
        held_out=run.text.held_out or Path("held_out.txt"),
        length=24,
    )
    tasks = tuple(dataclasses.replace(task, length=24) for task in run.tasks)
    return dataclasses.replace(run, models=models, text=text, tasks=tasks, devices=1)


@pytest.mark.parametrize("name", OTHERS)
def test_a_config_that_needs_files_or_the_hub_has_cells_for_all_that_it_names(name, tmp_path):
    run = stand_in(shrink(load_config(ROOT / "configs" / f"{name}.py")))
    needs = needs_by_name(list(STUDIES[type(run.study)](run, Store(tmp_path / "out"))))
    for model in run.models:
        own = [cell for cell in needs if cell.startswith(f"{model.name}-")]
        assert own
        for task in run.tasks:
            if model.tasks is None or task.name in model.tasks:
                about = [cell for cell in own if cell.startswith(f"{model.name}-{task.name}-")]
                seeds = {str(seed) for seed in run.seeds}
                assert seeds <= {cell.split("-")[2] for cell in about}, (model.name, task.name)
