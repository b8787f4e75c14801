"""What is found inside a model is what transformers' own passes of the same weights say, to 1e-4."""

from __future__ import annotations

import copy
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import numpy as np
import pytest
import tiny
import torch
import transformers
from inside_calls import found, text
from steps import result
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.protocol.errors import BadOption, Stopped
from jupyter_complete.protocol.question import InputIds, Question
from jupyter_complete.protocol.questions.added import AskAdded
from jupyter_complete.protocol.questions.attention import AskAttention
from jupyter_complete.protocol.questions.change import AskChange
from jupyter_complete.protocol.questions.embedding import AskEmbedding
from jupyter_complete.protocol.questions.futures import AskFutures
from jupyter_complete.protocol.questions.head_steps import AskHead
from jupyter_complete.protocol.questions.lens import AskLens
from jupyter_complete.protocol.questions.occlusion import AskOcclusion
from jupyter_complete.protocol.questions.path import AskPath
from jupyter_complete.protocol.questions.state import AskState
from jupyter_complete.sources import catalog

CAUSAL = tuple(tiny.CAUSAL)
ENCODER_DECODER = tuple(tiny.ENCODER_DECODER)
ATTENDS = {  # layers of a hybrid that have attention
    **dict.fromkeys(("qwen3_5", "lfm2", "granite_h", "bamba", "jamba"), (1,)),
    "falcon_h1": (0, 1),
}
FIRST = {"layer_types": ["full_attention", "conv"]}
NEAR = {"atol": 1e-4, "rtol": 1e-4}


def engine(name: str) -> LocalEngine:
    return LocalEngine(*tiny.make(name), name, "made in the tests")


def own(name: str, of: InputIds, **more: Any) -> Any:
    """transformers' own output with everything in it."""
    model = copy.deepcopy(tiny.make(name)[0])
    model.set_attn_implementation("eager")
    inputs = {"input_ids": torch.tensor([of.source or of.ids])}
    if of.source:
        inputs["decoder_input_ids"] = torch.tensor([of.ids])
    with torch.no_grad():
        return model(**inputs, output_attentions=True, output_hidden_states=True, **more)


def parts(name: str) -> dict[str, str]:
    if name in CAUSAL:
        return {"decoder": "attentions"}
    return {"decoder": "decoder_attentions", "encoder": "encoder_attentions", "cross": "cross_attentions"}


@pytest.mark.parametrize("name", CAUSAL + ENCODER_DECODER)
def test_attention_is_the_model_s_own(name: str) -> None:
    of, seen = text(name), engine(name)
    for part, attribute in parts(name).items():
        for layer, theirs in enumerate(getattr(own(name, of), attribute)):
            ours = found(seen, AskAttention(of, layer, part))  # type: ignore[arg-type]
            np.testing.assert_allclose(ours.weights, theirs[0].numpy(), **NEAR)
            assert ours.weights.shape[1:] == (len(ours.tokens), len(ours.sources))


@pytest.mark.parametrize("name", tuple(ATTENDS))
def test_attention_of_a_hybrid_is_the_model_s_own(name: str) -> None:
    of, seen = text(name), engine(name)
    theirs = [one for one in own(name, of).attentions if one is not None]
    for layer, one in zip(ATTENDS[name], theirs, strict=True):
        np.testing.assert_allclose(found(seen, AskAttention(of, layer)).weights, one[0].numpy(), **NEAR)


def test_a_layer_of_a_hybrid_without_attention_is_told() -> None:
    with pytest.raises(BadOption, match=r"Layer 0 has no attention.*Give a layer that has: 1"):
        found(engine("qwen3_5"), AskAttention(text("qwen3_5"), 0))


def test_the_last_attention_of_a_hybrid_is_found_from_the_end() -> None:
    model = transformers.Lfm2ForCausalLM(transformers.Lfm2Config(**{**tiny.make("lfm2")[0].config.to_dict(), **FIRST}))
    seen = LocalEngine(model.eval(), tiny.make("lfm2")[1], "attends first", "made in the tests")
    assert found(seen, AskAttention(text("lfm2"), -1)).layer == 0


@pytest.mark.parametrize("name", CAUSAL + ENCODER_DECODER)
def test_one_head_s_matrices_follow_from_each_other_to_the_model_s_attention(name: str) -> None:
    of, seen = text(name), engine(name)
    for part, attribute in parts(name).items():
        head = found(seen, AskHead(of, 1, 3, part))  # type: ignore[arg-type]
        np.testing.assert_allclose(head.scores, head.query @ head.key.T, **NEAR)
        likely = np.exp(head.masked - head.masked.max(1, keepdims=True))
        np.testing.assert_allclose(head.weights, likely / likely.sum(1, keepdims=True), **NEAR)
        np.testing.assert_allclose(head.weights, getattr(own(name, of), attribute)[1][0, 3].numpy(), **NEAR)
        np.testing.assert_allclose(head.output, head.weights @ head.value, **NEAR)


@pytest.mark.parametrize("name", CAUSAL + ENCODER_DECODER)
def test_the_last_state_times_the_head_s_rows_is_the_logits(name: str) -> None:
    of = text(name)
    state, theirs = found(engine(name), AskState(of, -2, (5, 9, 40))), own(name, of).logits[0, -2]
    np.testing.assert_allclose(state.logits, theirs[[5, 9, 40]].numpy(), **NEAR)
    np.testing.assert_allclose(np.exp(state.logits - state.norm), torch.softmax(theirs, -1)[[5, 9, 40]].numpy(), **NEAR)
    cap = getattr(tiny.make(name)[0].config, "final_logit_softcapping", None)
    product = state.rows @ state.hidden
    np.testing.assert_allclose(cap * np.tanh(product / cap) if cap else product, state.logits, **NEAR)


ADDS = {"gpt2": ("attn", "mlp")} | dict.fromkeys(
    ("gemma2", "gemma3"), ("post_attention_layernorm", "post_feedforward_layernorm")
)


@pytest.mark.parametrize("name", CAUSAL)
def test_what_every_layer_adds_is_what_its_parts_put_out(name: str) -> None:
    of, model, made = text(name), copy.deepcopy(tiny.make(name)[0]), []
    for path, module in model.named_modules():
        if path.rpartition(".")[2] in ADDS.get(name, ("self_attn", "mlp")):
            module.register_forward_hook(
                lambda module, given, out: made.append(out[0] if isinstance(out, tuple) else out)
            )
    with torch.no_grad():
        states = model(input_ids=torch.tensor([of.ids]), output_hidden_states=True).hidden_states
    lengths = [one.reshape(-1, one.shape[-1])[-len(of.ids) :].norm(dim=-1).numpy() for one in made]
    added = found(engine(name), AskAdded(of))
    np.testing.assert_allclose(added.attention, lengths[0::2], **NEAR)
    np.testing.assert_allclose(added.mlp, lengths[1::2], **NEAR)
    np.testing.assert_allclose(added.states[:-1], [one[0].norm(dim=-1).numpy() for one in states[:-1]], **NEAR)


def test_what_is_normed_behind_is_not_added() -> None:
    with pytest.raises(BadOption, match="Attention and MLP of bart are not added one after the other"):
        found(engine("bart"), AskAdded(text("bart")))


@pytest.mark.parametrize("parallel", [True, False], ids=["parallel", "one after the other"])
def test_attention_and_mlp_that_read_the_same_state_are_not_told_apart(parallel: bool) -> None:
    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = GPTNeoXConfig(**sizes, vocab_size=400, max_position_embeddings=128, use_parallel_residual=parallel)
    torch.manual_seed(3)
    seen = LocalEngine(GPTNeoXForCausalLM(config).eval(), tiny.make("llama")[1], "pythia", "made in the tests")
    if parallel:
        with pytest.raises(BadOption, match="not added one after the other"):
            found(seen, AskAdded(text("llama")))
    else:
        assert found(seen, AskAdded(text("llama"))).mlp.shape == (2, len(text("llama").ids))
    assert found(seen, AskAttention(text("llama"), 1)).layer == 1


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_scores_are_scaled_by_the_root_of_the_head_s_size(name: str) -> None:
    head = found(engine(name), AskHead(text(name), 0, 0))
    np.testing.assert_allclose(head.scaled, head.scores / np.sqrt(12), **NEAR)
    assert np.isneginf(head.masked[0, 1:]).all()


def test_heads_of_a_group_share_their_keys() -> None:
    seen, of = engine("llama"), text("llama")
    first, second, third = (found(seen, AskHead(of, 0, head)) for head in (0, 1, 2))
    assert (first.shared, second.shared, third.shared) == (0, 0, 1)
    assert (first.key == second.key).all()
    assert (first.key != third.key).any()


@pytest.mark.parametrize("name", CAUSAL + ENCODER_DECODER)
def test_the_lens_ends_with_the_model_s_logits(name: str) -> None:
    of = text(name)
    lens, output = found(engine(name), AskLens(of, 4)), own(name, of)
    theirs = torch.softmax(output.logits[0], -1)
    np.testing.assert_allclose(lens.probs[-1], theirs.topk(4).values.numpy(), **NEAR)
    assert lens.probs.shape == (3, len(of.ids), 4)


def test_the_lens_of_a_layer_is_its_hidden_state_through_norm_and_head() -> None:
    of, model = text("llama"), tiny.make("llama")[0]
    lens, output = found(engine("llama"), AskLens(of, 4, 2)), own("llama", of)
    with torch.no_grad():
        theirs = torch.softmax(model.lm_head(model.model.norm(output.hidden_states[1][0, 2:])), -1)
    np.testing.assert_allclose(lens.probs[1], theirs.topk(4).values.numpy(), **NEAR)
    assert lens.begin == 2


def test_a_path_tells_the_rank_of_a_token_after_every_layer() -> None:
    of, seen = text("gpt2"), engine("gpt2")
    lens = found(seen, AskLens(of, 3))
    path = found(seen, AskPath(of, tuple(lens.ids[-1, -1].tolist()), -1))
    assert path.ranks[:, -1].tolist() == [1, 2, 3]
    np.testing.assert_allclose(path.probs[:, -1], lens.probs[-1, -1], **NEAR)
    assert path.ranks.shape == (3, 3)


def test_embeddings_are_rows_of_the_model_s_matrix() -> None:
    rows = found(engine("llama"), AskEmbedding((5, 9))).rows
    assert (rows == tiny.make("llama")[0].get_input_embeddings().weight[[5, 9]].detach().numpy()).all()


@pytest.mark.parametrize("name", CAUSAL + ENCODER_DECODER)
def test_occlusion_is_what_the_attention_mask_does(name: str) -> None:
    of, targets = text(name), (4, 5)
    read = of.source or of.ids
    mask = torch.ones(1, len(read), dtype=torch.long)
    mask[0, 1] = 0
    ours = found(engine(name), AskOcclusion(of, 1, targets))
    for values, more in ((ours.before, {}), (ours.after, {"attention_mask": mask})):
        logprobs = torch.log_softmax(own(name, of, **more).logits[0], -1)
        theirs = [float(logprobs[target - 1, of.ids[target]]) for target in targets]
        np.testing.assert_allclose(values, theirs, **NEAR)
    assert (ours.change != 0).all()


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5"])
def test_another_early_word_changes_what_comes_next(name: str) -> None:
    of = text(name)
    change = found(engine(name), AskChange(of, 1, 40, 6))
    read = list(of.source or of.ids)
    read[1] = 40
    other = InputIds(of.ids, tuple(read)) if of.source else InputIds(tuple(read))
    theirs = torch.softmax(own(name, other).logits[0, -1], -1)[change.ids]
    np.testing.assert_allclose(change.after, theirs.numpy(), **NEAR)
    assert change.divergence > 0.0


def test_a_word_that_is_not_changed_changes_nothing() -> None:
    of = text("llama")
    assert found(engine("llama"), AskChange(of, 1, of.ids[1], 6)).divergence == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", ["llama", "gpt2", "t5", "bart"])
def test_futures_multiply_the_model_s_probabilities(name: str) -> None:
    of = text(name)
    tree = found(engine(name), AskFutures(of, 3, 0.005, 5))
    for node in range(len(tree.ids)):
        way = [node]
        while tree.parents[way[0]] >= 0:
            way.insert(0, int(tree.parents[way[0]]))
        assert tree.joints[node] == pytest.approx(np.prod(tree.probs[way]))
        before = InputIds((*of.ids, *tree.ids[way[:-1]].tolist()), of.source)
        theirs = torch.softmax(own(name, before).logits[0, -1], -1)[int(tree.ids[node])]
        assert tree.probs[node] == pytest.approx(float(theirs), abs=1e-4)
    assert tree.joints.min() >= 0.005
    assert tree.depths.max() == 3
    assert np.bincount(tree.depths)[1:].max() <= 5


def test_what_is_cut_off_a_tree_is_told() -> None:
    tree = found(engine("llama"), AskFutures(text("llama"), 2, 0.01, 50))
    assert tree.rests[0] + tree.probs[tree.children()].sum() == pytest.approx(1.0)


def test_looking_leaves_the_model_as_it_was() -> None:
    model, tokenizer = tiny.make("llama")
    model = copy.deepcopy(model).train()
    before = model.config._attn_implementation
    found(LocalEngine(model, tokenizer, "own", "made in the tests"), AskAttention(text("llama"), 0))
    assert model.config._attn_implementation == before
    assert model.training


def test_weights_that_were_changed_are_looked_at_anew() -> None:
    model, tokenizer = tiny.make("llama")
    model = copy.deepcopy(model)
    seen = LocalEngine(model, tokenizer, "own", "made in the tests")
    one = found(seen, AskAttention(text("llama"), 0)).weights
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.weight.mul_(3.0)
    assert not np.allclose(found(seen, AskAttention(text("llama"), 0)).weights, one)


@pytest.mark.parametrize(
    "question",
    [
        AskAttention(InputIds((5, 6, 7)), 9),
        AskAttention(InputIds((5, 6, 7)), 0, "cross"),
        AskHead(InputIds((5, 6, 7)), 0, 4),
        AskPath(InputIds((5, 6, 7)), (1,), 3),
        AskOcclusion(InputIds((5, 6, 7)), 3, (1,)),
        AskOcclusion(InputIds((5, 6, 7)), 1, (0,)),
    ],
    ids=str,
)
def test_a_place_that_is_not_there_is_refused(question: Question[Any]) -> None:
    with pytest.raises(BadOption):
        found(engine("llama"), question)


def test_a_pass_that_is_watched_ends_between_two_layers() -> None:
    stop, asked = StopEvent(), engine("llama")
    layers, ran = asked.model.model.layers, []
    hooks = [
        layers[0].register_forward_hook(lambda *_: stop.set()),
        layers[1].mlp.register_forward_hook(lambda *_: ran.append(1)),
    ]
    with pytest.raises(Stopped):
        found(asked, AskLens(text("llama")), stop)
    for hook in hooks:
        hook.remove()
    assert not ran
    assert found(asked, AskLens(text("llama"))).layers == len(layers)


@pytest.mark.parametrize(
    "question", [AskLens(InputIds((5, 6, 7))), AskFutures(InputIds((5, 6, 7)), 3, 0.0, 4)], ids=str
)
def test_a_look_that_takes_long_is_stopped_by_the_event(question: Question[Any]) -> None:
    stop = StopEvent()
    stop.set()
    with pytest.raises(Stopped):
        found(engine("llama"), question, stop)


def test_int8_weights_are_looked_at_as_their_files_have_them(tmp_path: Path, empty_cache: Path) -> None:
    folder = tiny.save("llama", tmp_path / "llama")
    seen = result(open_engine(catalog.find(str(folder), []), "int8", "cpu", StopEvent()))
    held, of = seen.footprint().weight_bytes, text("llama")
    ours = found(seen, AskAttention(of, 1))
    np.testing.assert_allclose(ours.weights, own("llama", of).attentions[1][0].numpy(), **NEAR)
    assert seen.footprint().weight_bytes > held
