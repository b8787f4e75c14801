"""A tree of likely futures: P(w1 … wn) = ∏ P(wi | all before it), one batched pass for each depth."""

from __future__ import annotations

from threading import Event as StopEvent

import numpy as np
import torch

from ...protocol.errors import Stopped
from ...protocol.findings import Futures, labelled
from ...protocol.questions import AskFutures
from ..runners.transformers_pass import Runner
from ..text.tokenizer import Vocabulary


@torch.inference_mode()
def futures(runner: Runner, asked: AskFutures, vocabulary: Vocabulary, stop: StopEvent) -> Futures:
    """The tree behind a text of which `runner` holds all ids but the last."""
    nodes: list[tuple[int, int, int, float, float]] = []  # id, parent, depth, probability, that of the way there
    rests = {-1: 1.0}
    logits, leaves = runner.forward([[asked.text.ids[-1]]]), [-1]
    for depth in range(1, asked.depth + 1):
        if stop.is_set():
            raise Stopped("The look into what may come was stopped.", "Run it again.")
        shares = torch.softmax(logits.double(), -1)
        before = torch.tensor([nodes[leaf][4] if leaf >= 0 else 1.0 for leaf in leaves], device=shares.device)
        together = (shares * before[:, None]).flatten()
        top = together.topk(min(asked.most, together.numel()))
        begun, rows = len(nodes), []
        for place in top.indices[top.values >= asked.cutoff].tolist():
            row, id = divmod(place, shares.shape[1])
            share = float(shares[row, id])
            rests[leaves[row]] -= share
            rests[len(nodes)] = 1.0
            nodes.append((id, leaves[row], depth, share, float(together[place])))
            rows.append(row)
        if not rows or depth == asked.depth:
            break
        runner.select(rows)
        leaves = list(range(begun, len(nodes)))
        logits = runner.forward([[nodes[leaf][0]] for leaf in leaves])
    ids, parents, depths, probs, joints = zip(*nodes, strict=True) if nodes else ((),) * 5
    return Futures(
        np.array(ids, np.int64),
        tuple(labelled(vocabulary.piece(id)) for id in ids),
        np.array(parents, np.int64),
        np.array(depths, np.int64),
        np.array(probs),
        np.array(joints),
        np.array([max(0.0, rests[node]) for node in range(-1, len(nodes))]),
        asked.cutoff,
    )
