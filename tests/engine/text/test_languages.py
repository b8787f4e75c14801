"""Translators: the token of the language asked for begins the text, and the tokenizer reads the language it is told."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import tiny
from tokenizers import AddedToken

from jupyter_complete.engine.text.languages import NAMES, Languages
from jupyter_complete.protocol.errors import BadOption
from jupyter_complete.protocol.request import Framing
from jupyter_complete.session.session import Session

FORMS = {
    "M2M100": ("__en__", "__fr__", "__zh__"),
    "mBART": ("en_XX", "fr_XX", "zh_CN"),
    "NLLB": ("eng_Latn", "fra_Latn", "zho_Hans", "zho_Hant"),
}


def tokenizer(form: str) -> Any:
    made = copy.deepcopy(tiny.unigram())
    made.add_tokens([AddedToken(name, special=True, normalized=False) for name in FORMS[form]], True)
    made.src_lang = FORMS[form][0].strip("_")
    return made


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("language", ["French", "french", "fr", "code"])
def test_a_language_has_its_token(form: str, language: str) -> None:
    made = tokenizer(form)
    asked = FORMS[form][1].strip("_") if language == "code" else language
    config = Languages(made, True).config(tiny.make("bart")[0].generation_config, Framing(task="translate", to=asked))
    assert config.forced_bos_token_id == made.convert_tokens_to_ids(FORMS[form][1])
    assert tiny.make("bart")[0].generation_config.forced_bos_token_id == 2


def test_of_two_scripts_the_first_is_meant() -> None:
    made = tokenizer("NLLB")
    config = Languages(made, True).config(tiny.make("bart")[0].generation_config, Framing(to="Chinese"))
    assert config.forced_bos_token_id == made.convert_tokens_to_ids("zho_Hans")


@pytest.mark.parametrize(("language", "hint"), [("Frnch", "Did you mean french?"), ("Qwxz", "Give a name in English")])
def test_an_unknown_language_is_one_sentence(form: str, language: str, hint: str) -> None:
    with pytest.raises(BadOption) as refused:
        Languages(tokenizer(form), True).config(tiny.make("bart")[0].generation_config, Framing(to=language))
    assert f"The model knows no language '{language}'." in str(refused.value)
    assert hint in str(refused.value)


def test_the_source_is_set_while_a_text_is_read(form: str) -> None:
    made = tokenizer(form)
    with Languages(made, True).source(Framing(from_="French")):
        assert made.src_lang == FORMS[form][1].strip("_")
    assert made.src_lang == FORMS[form][0].strip("_")


def test_every_language_has_codes() -> None:
    assert len(NAMES) > 90
    assert all(len(codes) == 3 for codes in NAMES.values())


def test_a_translation_begins_with_the_token(session: Session, form: str) -> None:
    made = tokenizer(form)
    model = copy.deepcopy(tiny.make("bart")[0])
    model.resize_token_embeddings(len(made))
    session.models.register("translator", model, made)
    done = session.complete("The mean", model="translator", task="translate", to="French", max_new_tokens=3)
    assert done.tokens[0].id == made.convert_tokens_to_ids(FORMS[form][1])
    assert done.notes == ()


def test_a_model_of_one_language_says_that_it_has_one(session: Session) -> None:
    session.models.register("translator", *tiny.make("bart"))
    done = session.complete("The mean", model="translator", task="translate", to="French", max_new_tokens=3)
    assert done.notes == ("the model has one language, so --to French has no effect",)
