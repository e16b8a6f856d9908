"""What a layer keeps for its backward pass: what is marked here. The rest is computed again.

Kept are queries, keys, values and contexts, states before a norm, and feed-forward units before
their activation. Attention's probabilities, norms, activations and dropout's masks cost a TPU less
to compute again than to write and to read: of RoBERTa-base, 256 x 128 tokens in bfloat16, the
gradient of gates takes half of the memory, by the TPU's compiler.
"""

from __future__ import annotations

import functools

import jax
from jax.ad_checkpoint import checkpoint_name

keep = functools.partial(checkpoint_name, name="kept")
KEPT = jax.checkpoint_policies.save_only_these_names("kept")
