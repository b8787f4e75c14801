"""A tree of likely futures: P(w1 … wn) = ∏ P(wi | all before it), one batched pass for each depth."""

from __future__ import annotations

from collections.abc import Generator
from threading import Event as StopEvent
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ....protocol.errors import Stopped
from ....protocol.events import Loading
from ....protocol.questions.futures import AskFutures, Futures
from ...runners.transformers_pass import Runner
from ..open_model import OpenModel


class Node(NamedTuple):
    """One token of the tree: its parent's number, its depth, its probability and that of the path there."""

    id: int
    parent: int
    depth: int
    prob: float
    joint: float


class Tree:
    """Nodes so far; `rests` is what is left of each node's probability for tokens that are no node, -1 the text's."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.rests = {-1: 1.0}

    def grow(self, logits: Tensor, leaves: list[int], question: AskFutures) -> list[int]:
        """Add the children of the `leaves`, whose `logits` [leaves, V] are given; return the row of each new node."""
        shares = torch.softmax(logits.double(), -1)
        before = torch.tensor([self.nodes[leaf].joint if leaf >= 0 else 1.0 for leaf in leaves], device=shares.device)
        together = (shares * before[:, None]).flatten()
        top = together.topk(min(question.most, together.numel()))
        depth = self.nodes[leaves[0]].depth + 1 if leaves[0] >= 0 else 1
        rows = []
        for place in top.indices[top.values >= question.cutoff].tolist():
            row, id = divmod(place, shares.shape[1])
            share = float(shares[row, id])
            self.rests[leaves[row]] -= share
            self.rests[len(self.nodes)] = 1.0
            self.nodes.append(Node(id, leaves[row], depth, share, float(together[place])))
            rows.append(row)
        return rows


def answer(opened: OpenModel, question: AskFutures, stop: StopEvent) -> Generator[Loading, None, Futures]:
    runner = yield from opened.runner(question.text, stop)
    tree = _grown(runner, question, stop)
    ids, parents, depths, probs, joints = zip(*tree.nodes, strict=True) if tree.nodes else ((),) * 5
    return Futures(
        np.array(ids, np.int64),
        opened.texts(ids),
        np.array(parents, np.int64),
        np.array(depths, np.int64),
        np.array(probs),
        np.array(joints),
        np.array([max(0.0, tree.rests[node]) for node in range(-1, len(tree.nodes))]),
        question.cutoff,
    )


@torch.inference_mode()
def _grown(runner: Runner, question: AskFutures, stop: StopEvent) -> Tree:
    """Return the tree behind a text that `runner` has read up to its last id. Raises Stopped."""
    tree, leaves = Tree(), [-1]
    logits = runner.forward([[question.text.ids[-1]]])
    for depth in range(1, question.depth + 1):
        if stop.is_set():
            raise Stopped("The look into what may come was stopped.", "Run it again.")
        begun = len(tree.nodes)
        rows = tree.grow(logits, leaves, question)
        if not rows or depth == question.depth:
            break
        runner.select(rows)
        leaves = list(range(begun, len(tree.nodes)))
        logits = runner.forward([[tree.nodes[leaf].id] for leaf in leaves])
    return tree
