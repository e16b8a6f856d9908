"""From a checkpoint's weights to the parameter tree: every weight is found, fitting and finite."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Iterable, Iterator, Sequence

import jax.numpy as jnp
import numpy as np

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.errors import listed
from jaxheads.models.checkpoint.family import STORED_AS, Exact, FamilyTable
from jaxheads.models.checkpoint.hf_config import Described, classifier_of, readout_of
from jaxheads.models.checkpoint.naming import (
    Path,
    Weight,
    by_name,
    canonical_names,
    from_stored,
    leaves,
    stored_name,
    weights_of,
)
from jaxheads.models.checkpoint.weights import FLOATS, Stored
from jaxheads.models.model import Params, init_model

LOG = logging.getLogger("jaxheads")
COUNTED = re.compile(r"(label_)?\d+")  # labels that are only numbered

Found = dict[str, str]  # stored names by canonical ones


def read_params(
    described: Described, stored: Stored, asked: ReadoutConfig | None, key
) -> tuple[ReadoutConfig, Params]:
    """The parameters of a model with the readout `asked` (None: the checkpoint's own).

    What the checkpoint lacks of another readout than its own is initialised with `key`.

    Raises:
      ValueError: lists every weight that is unknown, missing, misshapen, not of floats or not
        finite; or says that a readout is not the checkpoint's, or needs a key.
    """
    table, config = described.table, described.config
    found, problems = canonical_names(table, config, stored.shapes)
    problems += settle_ties(table, described.tied, stored, found)
    has = stored_readout(described, found)
    readout = asked or has
    if readout is None:
        known = ", ".join(table.architectures)
        raise ValueError(f"architectures: expected one of {known}, got {described.architecture}")
    weights = weights_of(table, config, readout)
    fresh = _fresh_paths(weights, has, readout, found)
    if fresh and key is None:
        names = ", ".join(weight.name for weight in weights if weight.path in fresh)
        raise ValueError(f"readout {readout.kind}: expected a key to initialise {names}, got none")
    params = _initialised(config, readout, fresh, key) if fresh else {"encoder": {}, "readout": {}}
    needed = [weight for weight in weights if weight.path not in fresh]
    problems = [*_sign_of_a_cut(needed, stored, found, config), *problems]
    problems += _misfits(needed, stored, found)
    for path, group in itertools.groupby(needed, key=lambda weight: weight.path):
        _put(params, path, _read_leaf(tuple(group), stored, found, problems))
    if problems:
        raise ValueError(listed(problems))
    if asked is None and readout.kind != (described.kind or readout.kind):
        name = described.architecture
        LOG.warning("config.json names %s, but the weights are those of an encoder alone", name)
    _log_unread(stored, {found[weight.name] for weight in needed}, readout)
    return readout, params


def settle_ties(table: FamilyTable, tied: bool, stored: Stored, found: Found) -> list[str]:
    """Make `found` name one weight for the decoder and what it is tied to; list disagreements.

    A checkpoint may store both or either. Untied, the decoder has its own kernel, and of two
    biases the decoder's is the one that Hugging Face adds.
    """
    ties = list(table.ties.items())
    if readout := table.readouts.get("masked_lm"):
        decoder, bias = f"{readout['decoder']}.bias", f"{readout['']}.bias"
        ties += [(decoder, bias)] if decoder != bias else []
        words = f"{table.prefix}{table.embeddings['word']}.weight"
        ties += [(f"{readout['decoder']}.weight", words)] if tied else []
    problems = []
    for copy, original in ties:
        if copy not in found:
            continue
        both = original in found
        if both and tied and not _same_bits(stored, found[copy], found[original]):
            problems.append(f"{copy}: expected the same numbers as in the tied {original}")
        if not (both and tied):
            found[original] = found[copy]
        del found[copy]
    return problems


def _same_bits(stored: Stored, one: str, other: str) -> bool:
    return np.array_equal(stored.read(one), stored.read(other), equal_nan=True)


def stored_readout(described: Described, found: Found) -> ReadoutConfig | None:
    """The readout that a checkpoint has; None where its architecture is not one of ours.

    Where the config names no architecture, it is the readout whose weights are there. There is none
    where the file holds no weight of the readout that is named, but an encoder alone.
    """
    if described.kind is not None:
        table, modules = described.table, described.table.modules(described.kind).values()
        own = tuple(stored_name(name, "") for name in modules if not name.startswith(table.prefix))
        if own and not any(name.startswith(own) for name in found):
            return ReadoutConfig()
        return readout_of(described, described.kind)
    if described.architecture is not None:
        return None
    # whichever has all of its modules: a classifier of words has fewer than one of sentences
    for kind in (classifier_of(described.raw), "masked_lm", "tagging", "translation"):
        modules = described.table.readouts.get(STORED_AS.get(kind, kind), {})
        needed = [
            stored_name(name, "weight")
            for part, name in modules.items()
            if isinstance(name, Exact) or part not in ("", "decoder")
        ]
        if needed and all(name in found for name in needed):
            return readout_of(described, kind)
    return ReadoutConfig()


def _fresh_paths(
    weights: Iterable[Weight],
    has: ReadoutConfig | None,
    asked: ReadoutConfig,
    found: Found,
) -> set[Path]:
    """The leaves of the asked readout that must be initialised.

    A readout of the checkpoint's own kind is read whole, or all but its last layer if its labels
    are others. Of another kind, only what is stored under the same name is read, but the last layer
    (BERT's and ALBERT's pooler, what comes before ModernBERT's decoder and classifier).
    """
    readout = [weight for weight in weights if weight.path[0] == "readout"]
    if has is None or has.kind != asked.kind:
        return {
            weight.path for weight in readout if weight.path[1] == "out" or weight.name not in found
        }
    if has.tied != asked.tied:
        raise ValueError(
            f"readout: expected tied={has.tied} as in the checkpoint, got {asked.tied}"
        )
    if labels_agree(has.labels, asked.labels):
        return set()
    return {weight.path for weight in readout if weight.path[1] == "out"}


def labels_agree(stored: Sequence[str], asked: Sequence[str]) -> bool:
    """Whether a stored classifier means these labels: the same names, or as many that only count.

    Raises:
      ValueError: for the same names in another order: neither reading nor initialising would be
        what was meant.
    """
    one, other = ([label.lower() for label in labels] for labels in (stored, asked))
    if one != other and sorted(one) == sorted(other) and not _counted(one):
        raise ValueError(
            f"readout: expected labels in the checkpoint's order, {', '.join(stored)}, "
            f"got {', '.join(asked)}"
        )
    return one == other or (len(one) == len(other) and (_counted(one) or _counted(other)))


def _counted(labels: Iterable[str]) -> bool:
    return all(COUNTED.fullmatch(label) for label in labels)


def _initialised(config: EncoderConfig, readout: ReadoutConfig, paths: set[Path], key) -> Params:
    """Only these leaves of a fresh model."""
    params: Params = {"encoder": {}, "readout": {}}
    for path, leaf in leaves(init_model(config, readout, key).params):
        if path in paths:
            _put(params, path, leaf)
    return params


def _sign_of_a_cut(
    weights: Iterable[Weight], stored: Stored, found: Found, config: EncoderConfig
) -> Iterator[str]:
    """What attention weights of other shapes mean."""
    if any(
        "attention" in weight.path and stored.shapes[found[weight.name]] != weight.shape
        for weight in weights
        if weight.name in found
    ):
        plan = "pruning.json is missing" if config.kept is None else "plan is another"
        yield f"attention weights of other shapes belong to a cut model, whose {plan}"


def _misfits(weights: Iterable[Weight], stored: Stored, found: Found) -> list[str]:
    """Weights that are missing, of another shape or not of floats; their names leave `found`."""
    problems = []
    for weight, *_ in by_name(weights).values():
        name = found.get(weight.name)
        if name is None:
            problems.append(f"{weight.name}: missing, expected shape {list(weight.shape)}")
            continue
        shape, dtype = stored.shapes[name], stored.dtypes[name]
        if shape != weight.shape:
            problems.append(f"{name}: expected shape {list(weight.shape)}, got {list(shape)}")
        if dtype not in FLOATS:
            problems.append(f"{name}: expected {', '.join(FLOATS)}, got {dtype}")
        if shape != weight.shape or dtype not in FLOATS:
            del found[weight.name]
    return problems


def _read_leaf(weights: tuple[Weight, ...], stored: Stored, found: Found, problems: list[str]):
    """One leaf in float32, filled weight by weight; `problems` grows by what is not finite."""
    stacked = weights[0].row is not None
    leaf = np.empty((len(weights), *weights[0].part), np.float32)
    for row, weight in enumerate(weights):
        if weight.name not in found:
            continue
        with np.errstate(over="ignore"):  # of float64, reported as infinite below
            leaf[row] = from_stored(weight, stored.read(found[weight.name]))
        bad = leaf[row].size - int(np.isfinite(leaf[row]).sum())
        if bad:
            problems.append(f"{found[weight.name]}: expected finite numbers, got {bad} others")
    return None if problems else jnp.asarray(leaf if stacked else leaf[0])


def _put(params: Params, path: Path, leaf) -> None:
    for key in path[:-1]:
        params = params.setdefault(key, {})
    params[path[-1]] = leaf


def _log_unread(stored: Stored, read: set[str], readout: ReadoutConfig) -> None:
    unread = sorted(stored.shapes.keys() - read)
    if unread:
        names = ", ".join(unread)
        LOG.info("%d weights that readout %s does not use: %s", len(unread), readout.kind, names)
