"""An adapter (LoRA) beside its base model: the weights are those that the factors say, in every form."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import pytest
import steps
import tiny
import torch
from engine_calls import ask, chosen
from safetensors.torch import save_file

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.plan import plan
from jupyter_complete.protocol.errors import NotAModel
from jupyter_complete.sources.catalog import find

RANK, ALPHA = 4, 8
TURNED = ("c_attn", "c_proj", "embed_tokens")


def factors(model: Any, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Random factors for the modules of these names, as peft stores them."""
    draw, made = torch.Generator().manual_seed(5), dict[str, torch.Tensor]()
    for path, module in model.named_modules():
        name = path.rpartition(".")[2]
        if name not in names:
            continue
        shape = module.weight.shape[::-1] if name in TURNED else module.weight.shape
        kind, end = ("lora_embedding_", "") if name == "embed_tokens" else ("lora_", ".weight")
        made[f"base_model.model.{path}.{kind}A{end}"] = torch.randn(RANK, shape[1], generator=draw) * 0.3
        made[f"base_model.model.{path}.{kind}B{end}"] = torch.randn(shape[0], RANK, generator=draw) * 0.3
    return made


def write(folder: Path, tensors: dict[str, torch.Tensor], **config: Any) -> Path:
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    told = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, **config}
    (folder / "adapter_config.json").write_text(json.dumps(told))
    return folder


def merged(model: Any, tensors: dict[str, torch.Tensor], scale: float, whole: dict[str, torch.Tensor]) -> Any:
    """The base model with the factors multiplied out."""
    with torch.no_grad():
        for path, module in model.named_modules():
            for kind, end in (("lora_", ".weight"), ("lora_embedding_", "")):
                begin = f"base_model.model.{path}.{kind}"
                if f"{begin}A{end}" in tensors:
                    change = scale * tensors[f"{begin}B{end}"] @ tensors[f"{begin}A{end}"]
                    module.weight += change.T if path.rpartition(".")[2] in TURNED else change
        for name, tensor in whole.items():
            model.get_parameter(name).copy_(tensor)
    return model


def opened(name: str, dtype: str) -> LocalEngine:
    return steps.result(open_engine(find(name), dtype, "cpu", StopEvent()))


CASES: dict[str, tuple[str, tuple[str, ...], float, dict[str, Any]]] = {
    "plain": ("llama", ("q_proj", "down_proj"), ALPHA / RANK, {}),
    "by the root of the rank": ("llama", ("v_proj",), ALPHA / RANK**0.5, {"use_rslora": True}),
    "with an embedding": ("llama", ("embed_tokens", "o_proj"), ALPHA / RANK, {}),
    "an alpha of its own": ("llama", ("q_proj",), 2 / RANK, {"alpha_pattern": {"q_proj": 2}}),
    "transposed": ("gpt2", ("c_attn", "c_proj"), ALPHA / RANK, {"fan_in_fan_out": True}),
}


@pytest.mark.parametrize("dtype", ["float32", "auto"])
@pytest.mark.parametrize("case", CASES)
def test_the_text_is_that_of_the_merged_model(case: str, dtype: str, tmp_path: Path, empty_cache: Path) -> None:
    name, names, scale, config = CASES[case]
    model, tokenizer = tiny.make(name)
    base, tensors = tiny.save(name, tmp_path / "base"), factors(model, names)
    adapter = write(tmp_path / "adapter", tensors, **config)
    whole = merged(type(model).from_pretrained(base), tensors, scale, {})
    whole.save_pretrained(tmp_path / "merged")
    tokenizer.save_pretrained(tmp_path / "merged")
    mine, wanted = (opened(str(one), dtype) for one in (f"{base}+{adapter}", tmp_path / "merged"))
    assert mine.info.dtype == wanted.info.dtype
    texts = [chosen(ask(one, "The mean of a sample", temperature=0, max_new_tokens=12)) for one in (mine, wanted)]
    assert texts[0] == texts[1]
    assert texts[0] != chosen(ask(opened(str(base), dtype), "The mean of a sample", temperature=0, max_new_tokens=12))


def test_its_plan_is_of_its_own_packed_weights(tmp_path: Path, empty_cache: Path) -> None:
    base = tiny.save("llama", tmp_path / "base")
    name = f"{base}+{write(tmp_path / 'adapter', factors(tiny.make('llama')[0], ('q_proj',)))}"
    opened(str(base), "auto")
    before = plan(find(name), "auto", "cpu").packing
    opened(name, "auto")
    after, of_base = (plan(find(one), "auto", "cpu").packing for one in (name, str(base)))
    assert [one and one.exists for one in (before, after, of_base)] == [False, True, True]
    assert after != of_base


def test_a_tensor_that_is_held_whole_takes_the_place_of_the_bases(tmp_path: Path, empty_cache: Path) -> None:
    model, _ = tiny.make("llama")
    base = tiny.save("llama", tmp_path / "base")
    norm = torch.rand_like(model.model.norm.weight)
    adapter = write(tmp_path / "adapter", {"base_model.model.model.norm.modules_to_save.weight": norm})
    assert torch.equal(opened(f"{base}+{adapter}", "float32").model.model.norm.weight, norm)


def test_an_adapter_by_itself_finds_its_base(tmp_path: Path, empty_cache: Path) -> None:
    model, _ = tiny.make("llama")
    base = tiny.save("llama", tmp_path / "base")
    adapter = write(tmp_path / "adapter", factors(model, ("q_proj",)), base_model_name_or_path=str(base))
    one, two = (opened(name, "float32") for name in (str(adapter), f"{base}+{adapter}"))
    assert torch.equal(*(engine.model.model.layers[0].self_attn.q_proj.weight for engine in (one, two)))
    assert one.info.revision == two.info.revision != opened(str(base), "float32").info.revision


@pytest.mark.parametrize(
    ("config", "said"),
    [({"peft_type": "IA3"}, "of a kind that is not read here .IA3."), ({"use_dora": True}, "DoRA")],
)
def test_another_kind_is_refused_by_its_name(
    config: dict[str, Any], said: str, tmp_path: Path, empty_cache: Path
) -> None:
    base = tiny.save("llama", tmp_path / "base")
    adapter = write(tmp_path / "adapter", factors(tiny.make("llama")[0], ("q_proj",)), **config)
    with pytest.raises(NotAModel, match=said):
        opened(f"{base}+{adapter}", "float32")


def test_an_adapter_of_another_model_is_refused(tmp_path: Path, empty_cache: Path) -> None:
    base = tiny.save("llama", tmp_path / "base")
    strange = {"base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight": torch.ones(RANK, 48)}
    adapter = write(
        tmp_path / "adapter", strange | {key.replace("_A.", "_B."): torch.ones(48, RANK) for key in strange}
    )
    with pytest.raises(NotAModel, match="which the base model lacks"):
        opened(f"{base}+{adapter}", "float32")


def test_an_adapter_whose_base_is_not_here_says_so(tmp_path: Path) -> None:
    adapter = write(tmp_path / "adapter", {"x": torch.ones(1)}, base_model_name_or_path="./not-here")
    with pytest.raises(NotAModel, match=r"The base model './not-here' of .* is not here"):
        find(str(adapter))


def test_a_second_adapter_is_refused_and_not_left_out(tmp_path: Path) -> None:
    base = tiny.save("llama", tmp_path / "base")
    one, two = (write(tmp_path / name, {"x": torch.ones(1)}) for name in ("one", "two"))
    with pytest.raises(NotAModel, match="names two adapters"):
        find(f"{base}+{one}+{two}")


def test_an_adapter_that_names_itself_is_refused(tmp_path: Path) -> None:
    adapter = write(tmp_path / "adapter", {"x": torch.ones(1)}, base_model_name_or_path=str(tmp_path / "adapter"))
    with pytest.raises(NotAModel, match="names itself"):
        find(str(adapter))


@pytest.mark.parametrize("dtype", ["float32", "auto"])
def test_a_head_of_its_own_leaves_the_embedding_of_a_tied_base_as_it_is(
    dtype: str, tmp_path: Path, empty_cache: Path
) -> None:
    made, tokenizer = tiny.make("llama")
    config = copy.deepcopy(made.config)
    config.tie_word_embeddings = True
    model = type(made)(config)
    model.save_pretrained(tmp_path / "base")
    tokenizer.save_pretrained(tmp_path / "base")
    head = torch.randn(model.lm_head.weight.shape, generator=torch.Generator().manual_seed(2))
    adapter = write(tmp_path / "adapter", {"base_model.model.lm_head.modules_to_save.weight": head})
    config.tie_word_embeddings = False
    own = type(made)(config)
    own.load_state_dict({**model.state_dict(), "lm_head.weight": head})
    own.save_pretrained(tmp_path / "merged")
    tokenizer.save_pretrained(tmp_path / "merged")
    mine, wanted = (opened(str(one), dtype) for one in (f"{tmp_path / 'base'}+{adapter}", tmp_path / "merged"))
    texts = [chosen(ask(one, "The mean of a sample", temperature=0, max_new_tokens=12)) for one in (mine, wanted)]
    assert texts[0] == texts[1]


def test_a_tokenizer_saved_with_the_adapter_is_used(tmp_path: Path, empty_cache: Path) -> None:
    model, tokenizer = tiny.make("llama")
    base = tiny.save("llama", tmp_path / "base")
    adapter = write(tmp_path / "adapter", factors(model, ("q_proj",)))
    own = copy.deepcopy(tokenizer)
    own.chat_template = "{% for message in messages %}{{ message.content }}!{% endfor %}"
    own.save_pretrained(adapter)
    assert opened(f"{base}+{adapter}", "float32").tokenizer.chat_template == own.chat_template
