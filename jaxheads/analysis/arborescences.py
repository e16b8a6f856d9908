"""Maximum spanning arborescences of many dense graphs at once (Chu and Liu 1965, Edmonds 1967).

All heads' graphs of many sentences are solved together. At each level every new component takes its
best edge, and the circles that arise become one component each: its row has, for every node, what
the best edge from there into the circle adds. Only components that are new are looked at again, so
that the work on a graph is that of a few passes over its weights. (networkx agrees but takes one
graph at a time, some 1000 times slower for 21 words; scipy has undirected trees only.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

CHUNK = 2**19  # weights worked on at a time


class _Circles(NamedTuple):
    """The components `row_C` that a level made of circles; `member_M` lists their parts in order.

    Both are numbers of rows; the members of circle `c` begin at `start_C[c]`.
    """

    row_C: np.ndarray
    member_M: np.ndarray
    start_C: np.ndarray


def maximum_arborescences(
    weight: Float[np.ndarray, "G T T"], root: int | Int[np.ndarray, "G"]
) -> Int[np.ndarray, "G T"]:
    """Return the parent of each node (-1: the root's) in each graph's heaviest arborescence.

    `weight[g, i, j]` is of the edge from parent `i` to child `j`, any finite number; the diagonal
    and the edges into the root do not count. `root` is of all graphs or of each. Computed in
    float64; among equally heavy trees one is returned, always the same.

    Raises:
      ValueError: for weights that are not finite, or a root out of range.
    """
    graphs, nodes = weight.shape[:2]
    root_G = np.broadcast_to(np.asarray(root), (graphs,))
    outside = root_G[(root_G < 0) | (root_G >= nodes)]
    if len(outside):
        raise ValueError(f"root: expected 0 to {nodes - 1}, got {outside[0]}")
    if not np.isfinite(weight).all():
        raise ValueError("weights of edges: expected finite numbers, got others")
    size = max(1, CHUNK // (nodes * nodes))
    parts = [
        _Graphs(weight[start : start + size], root_G[start : start + size]).solve()
        for start in range(0, graphs, size)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, nodes), int)


class _Graphs:
    """Some graphs and the components made of their nodes, a row for each.

    Rows `g T` to `g T + T - 1` are the nodes of graph `g`, circles come after all nodes. A row has
    the weight of the best edge from each node into the component, -inf from its own nodes, and
    after `_choose` its best edge: `source` (a node) and `best` (a weight).
    """

    def __init__(self, weight_GTT: np.ndarray, root_G: np.ndarray) -> None:
        self.graphs, self.nodes = weight_GTT.shape[:2]
        self.count = self.graphs * self.nodes
        self.weight = np.empty((2 * self.count, self.nodes))
        into = self.weight[: self.count].reshape(weight_GTT.shape)
        into[:] = np.swapaxes(weight_GTT, 1, 2)
        place = np.arange(self.nodes)
        into[:, place, place] = -np.inf
        self.best = np.empty(2 * self.count)
        self.source = np.empty(2 * self.count, int)
        self.first = np.empty(2 * self.count, int)  # where the nodes of the row's graph begin
        self.first[: self.count] = np.repeat(np.arange(self.graphs) * self.nodes, self.nodes)
        self.top = np.arange(self.count)  # the component of each node
        self.root = np.arange(self.graphs) * self.nodes + root_G

    def solve(self) -> Int[np.ndarray, "G T"]:
        """The parent of each node."""
        levels: list[_Circles] = []
        new_R = np.arange(self.count)
        while len(new_R):
            self._choose(new_R)
            circles = self._contract(new_R)
            levels.append(circles)
            new_R = circles.row_C
        for circles in reversed(levels):
            self._open(circles)
        parent = self.source[: self.graphs * self.nodes].copy()
        parent[self.root] = -1
        return parent.reshape(self.graphs, self.nodes)

    def _choose(self, row_R: np.ndarray) -> None:
        """Take the best edge into each new component."""
        rows = slice(row_R[0], row_R[-1] + 1)  # new rows follow each other
        self.source[rows] = self.weight[rows].argmax(1)
        self.best[rows] = self.weight[row_R, self.source[rows]]

    def _contract(self, new_R: np.ndarray) -> _Circles:
        """Make components of the circles among the graphs that have new rows."""
        first_G = np.unique(self.first[new_R])
        graph_G = first_G // self.nodes
        nodes_GT = first_G[:, None] + np.arange(self.nodes)
        top_GT, place = self.top[nodes_GT], np.arange(self.nodes)
        # a component is known by its lowest node while circles are looked for
        lowest = np.full(self.count, self.nodes)
        np.minimum.at(lowest, top_GT.ravel(), np.tile(place, len(graph_G)))
        label_GT = lowest[top_GT]
        above_GT = np.take_along_axis(label_GT, self.source[top_GT], 1)
        root_G1 = self.root[graph_G, None] - first_G[:, None]
        above_GT = np.where((label_GT == place) & (place != root_G1), above_GT, root_G1)
        circle_GT = _circles(above_GT)
        circle_GT[np.arange(len(graph_G)), root_G1[:, 0]] = -1
        graph_M, node_M = np.nonzero(circle_GT >= 0)
        key_M = graph_M * self.nodes + circle_GT[graph_M, node_M]
        order_M = np.argsort(key_M, kind="stable")
        key_C, start_C = np.unique(key_M[order_M], return_index=True)
        member_M = top_GT[graph_M, node_M][order_M]
        row_C = np.arange(self.count, self.count + len(key_C))
        self.first[row_C] = first_G[key_C // self.nodes]
        self.count += len(key_C)
        circles = _Circles(row_C, member_M, start_C)
        self._merge(circles, nodes_GT, label_GT, circle_GT, key_C)
        return circles

    def _merge(self, circles, nodes_GT, label_GT, circle_GT, key_C) -> None:
        """Fill the rows of new components, and let their nodes belong to them."""
        row_C, member_M, start_C = circles
        if not len(row_C):
            return
        gain_MT = self.weight[member_M] - self.best[member_M, None]
        self.weight[row_C] = np.maximum.reduceat(gain_MT, start_C, axis=0)
        circle_of_GT = np.take_along_axis(circle_GT, label_GT, 1)
        row_of_key = np.full(label_GT.size, -1)
        row_of_key[key_C] = row_C
        graph_X, node_X = np.nonzero(circle_of_GT >= 0)
        row_X = row_of_key[graph_X * self.nodes + circle_of_GT[graph_X, node_X]]
        self.weight[row_X, node_X] = -np.inf
        self.top[nodes_GT[graph_X, node_X]] = row_X

    def _open(self, circles: _Circles) -> None:
        """The edge into a circle replaces that of the member where it adds the most."""
        row_C, member_M, start_C = circles
        if not len(row_C):
            return
        number_M = np.repeat(np.arange(len(row_C)), np.diff([*start_C, len(member_M)]))
        source_M = self.source[row_C][number_M]
        gain_M = self.weight[member_M, source_M] - self.best[member_M]
        most_M = np.maximum.reduceat(gain_M, start_C)[number_M]
        place_M = np.where(gain_M == most_M, np.arange(len(member_M)), len(member_M))
        broken_C = member_M[np.minimum.reduceat(place_M, start_C)]
        self.source[broken_C] = self.source[row_C]


def _circles(above_GT: np.ndarray) -> np.ndarray:
    """The lowest node of the circle on which each node is, -1 where it is on none."""
    graphs, nodes = above_GT.shape
    lowest_GT, reached_GT, steps = np.broadcast_to(np.arange(nodes), above_GT.shape), above_GT, 1
    while steps < nodes:  # double the steps until each has walked round its circle
        lowest_GT = np.minimum(lowest_GT, np.take_along_axis(lowest_GT, reached_GT, 1))
        reached_GT = np.take_along_axis(reached_GT, reached_GT, 1)
        steps *= 2
    on_circle_GT = np.zeros((graphs, nodes), bool)
    np.put_along_axis(on_circle_GT, reached_GT, True, 1)
    return np.where(on_circle_GT, lowest_GT, -1)
