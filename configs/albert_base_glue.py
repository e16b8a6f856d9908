"""The whole study with albert-base-v2 on GLUE, for a TPU VM or a GPU box. Not run by us.

As `roberta_base_glue.py`, whose docstring holds for this file too. In ALBERT the 12 layers share
one set of 12 heads: "gradient" scores each of the 144 uses of a head, and a mask may skip any use;
"gradient, tied" scores and removes a head in all layers at once, which alone takes weights away.
ALBERT's sentence-order loss is left out, so that both models are scored by masked LM.

Command: `jaxheads study configs/albert_base_glue.py --set text.train=FILE --set
text.held_out=FILE`. Cost: 240 trainings, for heads are pruned in all layers at once too. Not run:
no accelerator and no hub could be reached where this was written.
"""

import dataclasses

from roberta_base_glue import RUN as ROBERTA

from jaxheads.studies.settings import ModelSettings

RUN = dataclasses.replace(
    ROBERTA,
    name="albert_base_glue",
    models=(ModelSettings("albert", source="albert/albert-base-v2"),),
)
