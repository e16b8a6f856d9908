import json

import numpy as np
import pytest

from jaxheads.bench import main as bench
from jaxheads.bench import timing
from jaxheads.bench import training as bench_training
from jaxheads.bench import trees as bench_trees
from jaxheads.bench.timing import Turns
from jaxheads.cli.main import main
from jaxheads.pruning.cost import classifier_multiply_adds


@pytest.fixture
def seconds(monkeypatch) -> list[float]:
    """What the next timed calls are said to take, in their order; the work is done all the same."""
    told: list[float] = []

    def timed(workload) -> float:
        workload()
        return told.pop(0)

    monkeypatch.setattr(timing, "_timed", timed)
    return told


def test_ratios_are_taken_within_each_turn():
    slow = iter([9.0, 2.0, 4.0])
    fast = iter([9.0, 1.0, 1.0])
    turns = Turns({"fast": (lambda: next(fast), 8), "slow": (lambda: next(slow), 8)})
    measured = turns.measure(2)
    assert measured["examples_per_second"] == {"fast": 8.0, "slow": 3.0}
    assert measured["ratio"] == {"fast / slow": 3.0}


def test_the_bench_prints_one_json_object(capsys, monkeypatch):
    monkeypatch.setattr(bench, "COUNTS", (2, 4))
    assert not main(
        ["bench", "--json", "--tiny", "--length", "8", "--only", "memory", "--repeats", "1"]
    )
    report = json.loads(capsys.readouterr().out)
    assert report["machine"]["layers"] == 3
    assert report["memory"]["peak_mib_after_2_batches"] > 0


def test_an_unknown_section_is_rejected(capsys):
    assert main(["bench", "--only", "speed", "--tiny"]) == 2
    wanted = (
        "--only: expected one of gate_gradient, compile, memory, cut, fine_tune, gate, trees, "
        "got speed"
    )
    assert wanted in capsys.readouterr().err


def test_the_last_layer_of_a_classifier_counts_its_keys_and_values_alone():
    width, length = bench.BASE.hidden_size, 128
    layer = 4 * length * width**2 + 2 * length**2 * width + 2 * length * width * 3072
    expected = 11 * layer + 2 * length * width**2
    assert classifier_multiply_adds(bench.BASE, length) == expected


@pytest.mark.long
def test_fine_tuning_steps_are_measured_whole_and_cut(capsys, monkeypatch, seconds):
    monkeypatch.setattr(timing.importlib.util, "find_spec", lambda _: None)  # as without torch
    real, done = bench_training.make_step, []

    def counted(*args):
        step = real(*args)
        return lambda *inner: done.append(step(*inner)) or done[-1]

    monkeypatch.setattr(bench_training, "make_step", counted)
    seconds += [0.5, 0.4, 0.2, 0.1, 0.4, 0.1]  # whole and cut in turns: 1.25, 2 and 4 times
    small = ["--tiny", "--length", "8", "--training-batch", "4", "--repeats", "3"]
    assert not main(["bench", "--json", *small, "--only", "fine_tune"])
    report = json.loads(capsys.readouterr().out)["fine_tune"]
    assert [int(state.step) for state in done[-2:]] == [4, 4]  # each goes on from the one before
    whole, smaller = "jaxheads", "jaxheads, half of the heads cut"
    assert report["examples_per_second"] == pytest.approx({whole: 10, smaller: 40})
    assert report["steps_per_second"] == pytest.approx({whole: 2.5, smaller: 10})
    assert report["cut_ratio"] == pytest.approx(2)
    # A layer of 8 tokens, width 32, F 64: 4 projections, attention twice, feed-forward
    whole, half = 4 * 8 * 32 * 32 + 2 * 64 * 32, 2 * 8 * 32 * 64
    assert report["ideal_ratio"] == pytest.approx((whole + half) / (whole / 2 + half))
    assert report["share_of_ideal"] == pytest.approx(2 / report["ideal_ratio"])


@pytest.mark.long
def test_what_gates_add_to_a_step_is_measured_in_turns(capsys, monkeypatch, seconds):
    monkeypatch.setattr(bench_training, "CALLS", 1)
    seconds += [0.1, 0.11, 0.15, 0.1]  # a step without, and one with each of three gates
    seconds += [0.01, 0.02, 0.005]  # the gates alone
    small = ["--tiny", "--length", "8", "--training-batch", "4", "--repeats", "1"]
    assert not main(["bench", "--json", *small, "--only", "gate"])
    report = json.loads(capsys.readouterr().out)["gate"]
    gates = ("subset gate", "subset gate, chained", "hard concrete gate")
    assert report["examples_per_second"]["jaxheads"] == pytest.approx(4 / 0.1)
    assert report["overhead"] == pytest.approx(dict(zip(gates, (0.1, 0.5, 0), strict=True)))
    assert report["alone"] == pytest.approx(dict(zip(gates, (0.1, 0.2, 0.05), strict=True)))


@pytest.mark.torch
def test_both_sides_of_the_bench_run(capsys):
    pytest.importorskip("torch")
    bench.run(("gate_gradient",), tiny=True, repeats=1, length=8, as_json=True)
    rates = json.loads(capsys.readouterr().out)["gate_gradient"]["examples_per_second"]
    assert set(rates) == {"jaxheads", "torch gate gradients", "torch script, batch 1"}
    assert np.isfinite(list(rates.values())).all()
    bench.run(("fine_tune",), tiny=True, repeats=1, length=8, training_batch=4, as_json=True)
    report = json.loads(capsys.readouterr().out)["fine_tune"]
    assert report["steps_per_second"]["torch + AdamW"] > 0
    assert list(report["ratio"]) == ["jaxheads / torch + AdamW"]


@pytest.mark.slow
def test_trees_are_timed_as_a_multiple_of_forward_passes(capsys, monkeypatch, seconds):
    monkeypatch.setattr(bench, "TREES", 3)
    seconds += [0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]  # forward passes first
    seconds += [0.25, 2]  # all heads together, one by one
    assert not main(["bench", "--json", "--tiny", "--repeats", "1", "--only", "trees"])
    report = json.loads(capsys.readouterr().out)["trees"]
    kinds = ["attention maps", *bench_trees.METHODS, "constituents, jsd", "constituents, hellinger"]
    assert report["time_ratio"] == pytest.approx(dict(zip(kinds, range(2, 9), strict=True)))
    assert report["sentences_per_second"]["forward passes"] == pytest.approx(3 / 0.5)
    assert report["loop"] == pytest.approx({"all heads together / one by one": 8})
    assert report["sentences"] == 3


TREEBANK = """1\ta\t_\tDET\t_\t_\t2\tdet\t_\t_
2\tfilm\t_\tNOUN\t_\t_\t0\troot\t_\t_
3\t.\t_\tPUNCT\t_\t_\t2\tpunct\t_\t_

"""


@pytest.mark.slow
def test_trees_of_a_treebank_have_its_words(capsys, tmp_path):
    path = tmp_path / "trees.conllu"
    path.write_text(TREEBANK * 4 + "1\tfilm\t_\tNOUN\t_\t_\t0\troot\t_\t_\n\n")
    words = ["--json", "--tiny", "--repeats", "1", "--only", "trees", "--treebank", str(path)]
    assert not main(["bench", *words])
    report = json.loads(capsys.readouterr().out)["trees"]
    assert (report["sentences"], report["words"]) == (4, 12)  # one word has no tree
    assert report["tokens"] >= 12 + 2 * 4


def test_a_sample_of_sentences_is_of_so_many_by_chance_and_in_their_order():
    trees = bench_trees.random_trees(50)
    assert bench_trees.sample(trees, None) == bench_trees.sample(trees, 50) == trees
    some = bench_trees.sample(trees, 10)
    places = [next(n for n, tree in enumerate(trees) if tree is one) for one in some]
    assert places == sorted(set(places))
    assert len(places) == 10
    assert places != list(range(10))


def test_sentences_that_no_model_reads_are_rejected(capsys, tmp_path):
    path = tmp_path / "trees.conllu"
    path.write_text("".join(
        f"{n}\tw\t_\tX\t_\t_\t{n - 1}\t{'dep' if n > 1 else 'root'}\t_\t_\n" for n in range(1, 600)
    ))  # fmt: skip
    assert main(["bench", "--tiny", "--only", "trees", "--treebank", str(path)]) == 2
    assert "treebank: expected sentences of 1 to 512 tokens, got" in capsys.readouterr().err
