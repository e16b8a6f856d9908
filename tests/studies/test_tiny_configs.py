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
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.runner.cells import needs_by_name
from jaxheads.studies.settings import Compare, Run
from tests.support.paths import ROOT
from tests.tiny import shrink


class Form(NamedTuple):
    """What the tiny form of a config keeps, beside what `tests.tiny` leaves of everything."""

    models: tuple[str, ...] = ("roberta",)
    tasks: int = 1  # the first so many
    ways: tuple[str, ...] = ()  # to choose heads, that are compared; none: all
    steps: int = 2  # of fine-tuning
    absent: frozenset[str] = frozenset()  # stages that its settings leave out


ONCE = frozenset({"trained again", "trained again, contrast", "equal cost, contrast"})
FORMS = {
    "builtin_models": Form(("roberta", "albert")),
    "compare_grammar": Form(
        ways=("gradient", "refined, rescaled", "subset, joint", "subset, pipelined"),
        absent=frozenset({"sweep of strengths"}),  # of another study
    ),
    "compare_grammar_budgets": Form(
        ways=("gradient", "random", "L0, pipelined"),
        absent=ONCE | {"sweep of strengths", "all heads, scaled"},
    ),
    "compare_grammar_entailment": Form(
        ways=("gradient", "meta"),
        absent=ONCE
        | {
            "sweep of strengths",
            "all heads, scaled",
            "heads of the last sample",
            "choice of learning rate",
        },
    ),
    "grammar_full": Form(("albert",)),
    "grammar_michel": Form(
        steps=30,  # with fewer no head changes anything
        absent=frozenset({"half cut"}),
    ),
    "htut_grammar": Form(("albert",)),
    "li_grammar": Form(absent=ONCE | {"all heads, scaled", "cut, compared"}),
    "luo_grammar": Form(tasks=2),
    "peyrard_grammar": Form(),
    "quickstart": Form(("roberta", "albert"), tasks=2),
    "zhang_grammar": Form(),
}
OTHERS = sorted({path.stem for path in (ROOT / "configs").glob("*.py")} - FORMS.keys())


def least(run: Run) -> Run:
    """Shrink a run to its form."""
    form = FORMS[run.name]
    run = shrink(run)
    models = tuple(model for model in run.models if model.name in form.models)
    run = dataclasses.replace(run, models=models, tasks=run.tasks[: form.tasks])
    if run.finetune is not None:
        steps = dataclasses.replace(run.finetune, steps=form.steps)
        run = dataclasses.replace(run, finetune=steps)
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


@pytest.fixture
def asked(monkeypatch) -> dict[tuple[str, str], bool]:
    """By folder of the report and stage: whether there were rows when it asked for them."""
    found: dict[tuple[str, str], bool] = collections.defaultdict(bool)
    at = Study.at

    def noting(self, stage, **where):
        rows = at(self, stage, **where)
        folder = sys._getframe(1).f_globals["__name__"].split(".")[2]
        found[folder, stage] |= bool(rows)
        return rows

    monkeypatch.setattr(Study, "at", noting)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMS)
def test_a_config_runs_tiny_and_writes_all_that_its_report_asks_for(name, tmp_path, asked):
    config, out = write_tiny(name, tmp_path), tmp_path / "out"
    assert main(["study", str(config), "--out", str(out)]) == 0
    run, rows = load_config(config), read_rows(out / "rows.jsonl")
    assert {row.model for row in rows} == {model.name for model in run.models}
    paper = type(run.study).__module__.split(".")[2]  # its folder in the report too
    lacking = {stage for (folder, stage), there in asked.items() if folder == paper and not there}
    assert lacking == FORMS[name].absent
    page = (out / "report" / "index.html").read_text()
    assert run.name in page


def stand_in(run: Run) -> Run:
    """The run with built-in models in the place of those to fetch, and short texts from files."""
    models = tuple(
        dataclasses.replace(model, source=model.source and "builtin:roberta")
        for model in run.models
    )
    text = dataclasses.replace(
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
    needs = needs_by_name(list(STUDIES[type(run.study)](run, tmp_path / "out")))
    for model in run.models:
        own = [cell for cell in needs if cell.startswith(f"{model.name}-")]
        assert own
        for task in run.tasks:
            if model.tasks is None or task.name in model.tasks:
                about = [cell for cell in own if cell.startswith(f"{model.name}-{task.name}-")]
                seeds = {str(seed) for seed in run.seeds}
                assert seeds <= {cell.split("-")[2] for cell in about}, (model.name, task.name)
