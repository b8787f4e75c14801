"""A tree of likely futures: P(w1 … wn) = ∏ P(wi | all before it), one batched pass for each depth."""

from __future__ import annotations

from threading import Event as StopEvent

import numpy as np
import torch

from ..errors import Stopped
from ..findings import Futures
from ..questions import AskFutures
from .runners import Runner
from .vocabulary import Vocabulary


@torch.inference_mode()
def futures(runner: Runner, asked: AskFutures, vocabulary: Vocabulary, stop: StopEvent) -> Futures:
    """The tree behind a text of which `runner` holds all ids but the last."""
    ids, parents, depths, probs, joints = [], [], [], list[float](), list[float]()
    rests = {-1: 1.0}
    logits, leaves = runner.forward([[asked.text.ids[-1]]]), [-1]
    for depth in range(1, asked.depth + 1):
        if stop.is_set():
            raise Stopped("The look into what may come was stopped.", "Run it again.")
        shares = torch.softmax(logits.double(), -1)
        before = torch.tensor([joints[leaf] if leaf >= 0 else 1.0 for leaf in leaves], device=shares.device)
        together = (shares * before[:, None]).flatten()
        top = together.topk(min(asked.most, together.numel()))
        places = top.indices[top.values >= asked.cutoff].tolist()
        for leaf in leaves:
            rests[leaf] = 1.0
        begun, rows = len(ids), []
        for place in places:
            row, id = divmod(place, shares.shape[1])
            share = float(shares[row, id])
            rests[leaves[row]] -= share
            for column, value in zip(
                (ids, parents, depths, probs, joints),
                (id, leaves[row], depth, share, float(together[place])),
                strict=True,
            ):
                column.append(value)  # type: ignore[arg-type]
            rests[len(ids) - 1] = 1.0
            rows.append(row)
        if not places or depth == asked.depth:
            break
        runner.select(rows)
        leaves = list(range(begun, len(ids)))
        logits = runner.forward([[ids[leaf]] for leaf in leaves])
    return Futures(
        np.array(ids, np.int64),
        tuple(vocabulary.token_text(id) for id in ids),
        np.array(parents, np.int64),
        np.array(depths, np.int64),
        np.array(probs),
        np.array(joints),
        np.array([max(0.0, rests[node]) for node in range(-1, len(ids))]),
        asked.cutoff,
    )
