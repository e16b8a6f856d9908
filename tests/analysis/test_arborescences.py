"""Maximum spanning arborescences against all arborescences, and against networkx."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from jaxheads.analysis.arborescences import maximum_arborescences
from jaxheads.data.treebanks.dependency import tree_problem


def arborescences(nodes, root):
    """The parents of all trees on the nodes with this root."""
    for parents in itertools.product(range(nodes), repeat=nodes):
        heads = [0 if node == root else parents[node] + 1 for node in range(nodes)]
        if parents[root] == root and not tree_problem(heads):
            yield [-1 if node == root else parent for node, parent in enumerate(parents)]


def totals(weight, parents_GT):
    """The weight of each graph's tree; every tree is checked to be one."""
    for parents in parents_GT:
        assert not tree_problem([int(parent) + 1 for parent in parents])
    return np.array(
        [
            sum(
                float(weight[g, parent, child])
                for child, parent in enumerate(parents)
                if parent >= 0
            )
            for g, parents in enumerate(parents_GT)
        ]
    )


def kinds_of_weights(rng, graphs, nodes):
    shape = (graphs, nodes, nodes)
    yield rng.random(shape)
    yield np.log(rng.random(shape))
    yield rng.integers(-2, 3, shape).astype(float)  # many ties
    yield np.zeros(shape)
    yield rng.normal(size=shape).astype(np.float32) * 100


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5])
def test_the_tree_is_as_heavy_as_the_heaviest_of_all(nodes):
    rng = np.random.default_rng(nodes)
    for root in {0, nodes // 2, nodes - 1}:
        trees = np.array(list(arborescences(nodes, root)))
        assert len(trees) == nodes ** max(nodes - 2, 0)  # Cayley's formula
        children = [child for child in range(nodes) if child != root]
        for weight in kinds_of_weights(rng, 250, nodes):
            every = weight[:, trees[:, children], children].astype(float).sum(-1)
            found = totals(weight, maximum_arborescences(weight, root))
            np.testing.assert_allclose(found, every.max(1), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("nodes", [9, 20])
def test_larger_trees_are_as_heavy_as_those_of_networkx(nodes):
    networkx = pytest.importorskip("networkx")
    rng = np.random.default_rng(nodes)
    for weight in kinds_of_weights(rng, 4, nodes):
        found = totals(weight, maximum_arborescences(weight, 2))
        for graph, total in zip(weight.astype(float), found, strict=True):
            edges = networkx.DiGraph()
            edges.add_weighted_edges_from(
                (i, j, float(graph[i, j]))
                for i in range(nodes)
                for j in range(nodes)
                if i != j and j != 2
            )
            tree = networkx.maximum_spanning_arborescence(edges)
            expected = sum(data["weight"] for _, _, data in tree.edges(data=True))
            assert total == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_circles_that_grow_by_one_node_at_a_time_are_contracted():
    nodes = 40  # each node prefers the next lower, the lowest but the root the one above it
    weight = np.full((1, nodes, nodes), -1000.0)
    for child in range(2, nodes):
        weight[0, child - 1, child] = 10
    for node in range(1, nodes - 1):
        weight[0, node + 1, 1] = 10 - node
    weight[0, 0, nodes - 1] = -999
    found = maximum_arborescences(weight, 0)
    expected = [-1, nodes - 1, *range(1, nodes - 1)]
    best = max(
        totals(weight, [[-1, 0, *range(1, nodes - 1)]])[0],
        totals(weight, [[*expected[:-1], 0]])[0],
    )
    assert totals(weight, found)[0] == best


def test_a_graph_does_not_depend_on_those_beside_it():
    weight = np.random.default_rng(0).normal(size=(12, 8, 8))
    together = maximum_arborescences(weight, 3)
    for graph, parents in zip(weight, together, strict=True):
        np.testing.assert_array_equal(maximum_arborescences(graph[None], 3)[0], parents)


def test_every_graph_may_have_a_root_of_its_own():
    weight, root_G = np.random.default_rng(1).random((6, 5, 5)), np.array([0, 4, 2, 2, 1, 3])
    together = maximum_arborescences(weight, root_G)
    for graph, root, parents in zip(weight, root_G.tolist(), together, strict=True):
        np.testing.assert_array_equal(maximum_arborescences(graph[None], root)[0], parents)
    assert maximum_arborescences(np.zeros((0, 4, 4)), 0).shape == (0, 4)


def test_neither_the_diagonal_nor_edges_into_the_root_count():
    weight = np.random.default_rng(0).random((5, 6, 6))
    heavy = weight.copy()
    heavy[:, range(6), range(6)] = 1e6
    heavy[:, :, 4] = 1e6
    np.testing.assert_array_equal(maximum_arborescences(weight, 4), maximum_arborescences(heavy, 4))
    assert heavy[0, 0, 0] == 1e6  # the weights given are left alone


def test_roots_and_weights_that_are_none_are_rejected():
    with pytest.raises(ValueError, match="root: expected 0 to 2, got 3"):
        maximum_arborescences(np.ones((1, 3, 3)), 3)
    with pytest.raises(ValueError, match="root: expected 0 to 2, got -1"):
        maximum_arborescences(np.ones((2, 3, 3)), np.array([0, -1]))
    with pytest.raises(ValueError, match="expected finite numbers"):
        maximum_arborescences(np.full((1, 3, 3), -np.inf), 0)
