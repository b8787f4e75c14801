"""What a model is seen to be able to do, from its config and its layers."""

from __future__ import annotations

import copy
from pathlib import Path
from threading import Event as StopEvent
from typing import Any

import pytest
import steps
import tiny
import tiny_family
import torch
from engine_calls import ask
from tiny_family import Family

from jupyter_complete.engine.load import open_engine
from jupyter_complete.engine.local import LocalEngine
from jupyter_complete.engine.runners.capabilities import cache_bytes, logit_count, source_window, window
from jupyter_complete.protocol.errors import BadOption, NotAModel
from jupyter_complete.protocol.structure import Regex
from jupyter_complete.sources.catalog import Source, find

ENCODERS = ["bert", "roberta", "electra", "bert-generation", "xmod"]


def registered(model: Any) -> Source:
    return Source(name="mine", kind="registered", model=model, tokenizer=tiny.byte_level())


def opened(source: Source, dtype: str = "float32") -> LocalEngine:
    return steps.result(open_engine(source, dtype, "cpu", StopEvent()))


class TestContinuing:
    @pytest.mark.parametrize("dtype", ["float32", "int8"])
    def test_an_encoder_is_refused_before_it_writes_a_text(self, dtype: str, tmp_path: Path, empty_cache: Path) -> None:
        tiny_family.save(Family("bert"), tmp_path / "model")
        with pytest.raises(NotAModel, match=r"is an encoder \(bert\), which reads a text in both directions"):
            opened(find(str(tmp_path / "model")), dtype)
        assert not (empty_cache / "packed").exists()

    @pytest.mark.parametrize("kind", ENCODERS)
    def test_an_encoder_that_is_registered_is_refused_and_a_decoder_of_its_type_is_not(self, kind: str) -> None:
        with pytest.raises(NotAModel, match=f"is an encoder \\({kind}\\)"):
            opened(registered(tiny_family.model_of(Family(kind))))
        assert opened(registered(tiny_family.model_of(Family(kind, decodes=True)))).info.name == "mine"

    def test_a_decoder_made_an_encoder_is_refused(self) -> None:
        model = copy.deepcopy(tiny.make("gemma3")[0])
        model.config.use_bidirectional_attention = True
        with pytest.raises(NotAModel, match="is an encoder"):
            opened(registered(model))

    @pytest.mark.parametrize("kind", ["blt", "cpmant", "moshi", "reformer", "xlm", "xlnet"])
    def test_what_has_no_next_token_is_refused(self, kind: str) -> None:
        with pytest.raises(NotAModel, match="cannot continue a text here"):
            opened(registered(tiny_family.model_of(Family(kind))))

    @pytest.mark.parametrize("kind", ["gpt_neox", "bart", "gpt2"])
    def test_a_decoder_whose_config_does_not_say_so_is_not(self, kind: str) -> None:
        assert opened(registered(tiny_family.model_of(Family(kind))))


class TestWindow:
    @pytest.mark.parametrize("kind", ["llama", "gpt2", "mpt", "whisper", "led", "opt", "xglm"])
    def test_is_found_by_every_name_that_configs_give_it(self, kind: str) -> None:
        family = Family(kind, "seq2seq" if kind == "led" else "causal")
        assert window(tiny_family.model_of(family)) == tiny_family.WINDOW

    @pytest.mark.parametrize("kind", ["mamba", "bloom"])
    def test_is_none_where_positions_have_no_limit(self, kind: str) -> None:
        assert window(tiny_family.model_of(Family(kind))) is None

    def test_of_a_source_may_be_another_one(self) -> None:
        model = tiny_family.model_of(Family("led", "seq2seq"))
        model.config.max_encoder_position_embeddings = 16384
        assert (source_window(model), window(model)) == (16384, tiny_family.WINDOW)


class TestLogits:
    @pytest.fixture
    def narrow(self) -> LocalEngine:
        """A Llama whose embedding has eight rows more than its head, as Llama 3.2 Vision has."""
        model, tokenizer = tiny.make("llama")
        model = copy.deepcopy(model)
        rows = model.get_input_embeddings().weight.detach()
        wide = torch.nn.Embedding(len(rows) + 8, rows.shape[1])
        with torch.no_grad():
            wide.weight[: len(rows)] = rows
        model.set_input_embeddings(wide)
        return LocalEngine(model.eval(), tokenizer, "narrow", "made in the tests")

    def test_are_as_many_as_the_head_has_rows(self, narrow: LocalEngine) -> None:
        assert logit_count(narrow.model) == len(tiny.byte_level())

    def test_a_form_is_kept_where_the_head_has_fewer_rows_than_the_embedding(self, narrow: LocalEngine) -> None:
        made = ask(narrow, structure=Regex("[a-c]{4}"), max_new_tokens=12)
        assert made.met

    def test_a_token_that_the_head_does_not_have_cannot_be_forced(self, narrow: LocalEngine) -> None:
        with pytest.raises(BadOption, match="no token"):
            ask(narrow, forced=(len(tiny.byte_level()) + 3,))


def test_a_decoder_without_a_start_token_is_refused_in_a_sentence() -> None:
    model, tokenizer = tiny.make("t5")
    model = copy.deepcopy(model)
    model.generation_config.decoder_start_token_id = model.config.decoder_start_token_id = None
    engine = LocalEngine(model, tokenizer, "t5", "made in the tests")
    with pytest.raises(BadOption, match="does not say which token its text begins with"):
        ask(engine)
    model.generation_config.bos_token_id = 5
    assert ask(engine, temperature=0).tokens


def taken(model: Any) -> float:
    """Bytes that a token takes in the cache that transformers makes."""
    ids = torch.arange(4)[None]
    layers = model(input_ids=ids, use_cache=True).past_key_values.layers
    return float(sum(one.keys.nbytes + one.values.nbytes for one in layers if one.keys is not None) / ids.shape[1])


class TestCacheBytes:
    @pytest.mark.parametrize("kind", ["gpt2", "llama", "qwen2", "gemma3_text"])
    def test_a_token_takes_what_the_cache_grows_by(self, kind: str) -> None:
        model = tiny_family.model_of(Family(kind))
        assert cache_bytes(model) == taken(model)

    def test_layers_that_share_their_keys_are_counted_all_the_same(self) -> None:
        model = tiny_family.model_of(Family("gemma4"))
        assert taken(model) < cache_bytes(model) < 3 * taken(model)
