"""The languages of a translator: by which token its text begins, and in which language its tokenizer reads a text."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ...protocol.errors import BadOption
from ...protocol.events import Settled
from ...protocol.phrases import near
from ...protocol.request import Framing

if TYPE_CHECKING:  # heavy imports
    from transformers import GenerationConfig

FORMS = re.compile(r"__([a-z]{2,3})__|([a-z]{2})_[A-Z]{2}|([a-z]{3})_[A-Z][a-z]{3}")
"""How translators spell their languages: M2M100's __fr__, mBART's fr_XX, NLLB's fra_Latn."""

_TABLE = """
afrikaans af afr, albanian sq als, amharic am amh, arabic ar arb, armenian hy hye, assamese as asm, asturian ast ast,
azerbaijani az azj, bashkir ba bak, basque eu eus, belarusian be bel, bengali bn ben, bosnian bs bos, breton br bre,
bulgarian bg bul, burmese my mya, cantonese yue yue, catalan ca cat, cebuano ceb ceb, chinese zh zho, croatian hr hrv,
czech cs ces, danish da dan, dutch nl nld, english en eng, esperanto eo epo, estonian et est, faroese fo fao,
finnish fi fin, french fr fra, galician gl glg, georgian ka kat, german de deu, greek el ell, gujarati gu guj,
haitian ht hat, hausa ha hau, hebrew he heb, hindi hi hin, hungarian hu hun, icelandic is isl, igbo ig ibo,
indonesian id ind, irish ga gle, italian it ita, japanese ja jpn, javanese jv jav, kannada kn kan, kazakh kk kaz,
khmer km khm, kinyarwanda rw kin, korean ko kor, kurdish ku kmr, kyrgyz ky kir, lao lo lao, latvian lv lvs,
lingala ln lin, lithuanian lt lit, luxembourgish lb ltz, macedonian mk mkd, malagasy mg plt, malay ms zsm,
malayalam ml mal, maltese mt mlt, maori mi mri, marathi mr mar, mongolian mn khk, nepali ne npi, norwegian no nob,
occitan oc oci, oriya or ory, pashto ps pbt, persian fa pes, polish pl pol, portuguese pt por, punjabi pa pan,
romanian ro ron, russian ru rus, samoan sm smo, sanskrit sa san, serbian sr srp, shona sn sna, sindhi sd snd,
sinhala si sin, slovak sk slk, slovenian sl slv, somali so som, spanish es spa, sundanese su sun, swahili sw swh,
swedish sv swe, tagalog tl tgl, tajik tg tgk, tamil ta tam, tatar tt tat, telugu te tel, thai th tha, tibetan bo bod,
turkish tr tur, turkmen tk tuk, ukrainian uk ukr, urdu ur urd, uzbek uz uzn, vietnamese vi vie, welsh cy cym,
wolof wo wol, xhosa xh xho, yiddish yi ydd, yoruba yo yor, zulu zu zul
"""
NAMES = {name: (name, *codes) for name, *codes in (line.split() for line in _TABLE.split(","))}
"""Names of languages in English, and their codes of two and three letters."""


class Languages:
    """The languages of one tokenizer; none where its vocabulary has no tokens for them."""

    def __init__(self, tokenizer: Any, encodes: bool) -> None:
        """`encodes`: the model is an encoder-decoder, which can be a translator."""
        self._tokenizer = tokenizer
        self._encodes = encodes

    @cached_property
    def _tokens(self) -> dict[str, int]:
        """The id of each language's token, by its spelling in the vocabulary."""
        if not self._encodes:
            return {}
        names = {*self._tokenizer.all_special_tokens, *self._tokenizer.get_added_vocab()}
        found = {name: self._tokenizer.convert_tokens_to_ids(name) for name in sorted(names) if FORMS.fullmatch(name)}
        return found if len(found) > 1 else {}

    def _find(self, language: str) -> str:
        """The token that a name or a code of a language stands for. Raises BadOption."""
        for name in self._tokens:
            if language in (name, name.strip("_")):
                return name
        asked = language.lower()
        codes = next((codes for codes in NAMES.values() if asked in codes), (asked,))
        for name in self._tokens:
            parts = FORMS.fullmatch(name)
            if parts is not None and parts[parts.lastindex or 0] in codes:
                return name
        raise BadOption(
            f"The model knows no language {language[:60]!r}.",
            near(asked, NAMES) or f"Give a name in English, or one of its codes, as {next(iter(self._tokens))}.",
        )

    def config(self, config: GenerationConfig, framing: Framing) -> GenerationConfig:
        """The generation config by which a text begins with the token of the language asked for. Raises BadOption."""
        if not framing.to or not self._tokens:
            return config
        made = copy.copy(config)
        made.forced_bos_token_id = self._tokens[self._find(framing.to)]
        return made

    @contextmanager
    def source(self, framing: Framing) -> Iterator[None]:
        """Inside the block, the tokenizer reads texts of the language that `framing` says. Raises BadOption."""
        if not framing.from_ or not self._tokens or not hasattr(self._tokenizer, "src_lang"):
            yield
            return
        before = self._tokenizer.src_lang
        self._tokenizer.src_lang = self._find(framing.from_).strip("_")
        try:
            yield
        finally:
            self._tokenizer.src_lang = before

    def noted(self, composed: Settled, framing: Framing) -> Settled:
        """The prompt, with a note where the language asked for cannot be told to the model."""
        if not framing.to or self._tokens or not self._encodes or framing.to in composed.prompt:
            return composed
        return replace(
            composed, notes=(*composed.notes, f"the model has one language, so --to {framing.to} has no effect")
        )
