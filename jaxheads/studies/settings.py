"""All that a config file needs to name its `Run`. Never starts jax."""

from jaxheads.studies.chiang2021.settings import Chiang2021
from jaxheads.studies.htut2019.settings import Htut2019
from jaxheads.studies.li2021.settings import Compare, Li2021
from jaxheads.studies.luo2021.settings import Luo2021
from jaxheads.studies.michel2019.settings import Michel2019
from jaxheads.studies.peyrard2021.settings import Peyrard2021
from jaxheads.studies.workbench.settings import (
    CurveSettings,
    MetaSettings,
    ModelSettings,
    Pretrain,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)
from jaxheads.studies.zhang2020.settings import Zhang2020

__all__ = [
    "Chiang2021",
    "Compare",
    "CurveSettings",
    "Htut2019",
    "Li2021",
    "Luo2021",
    "MetaSettings",
    "Michel2019",
    "ModelSettings",
    "Peyrard2021",
    "Pretrain",
    "Run",
    "ScoringSettings",
    "TaskSettings",
    "TextSettings",
    "Zhang2020",
]
