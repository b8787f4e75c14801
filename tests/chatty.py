"""Chat templates in the forms that models have, tokenizers with their marks, and a model that says a script."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import tiny

QWEN3 = (  # a switch, thinking stripped from earlier answers; the model opens the block itself
    "{%- for message in messages %}{%- set content = message.content %}"
    "{%- if message.role == 'assistant' and '</think>' in content %}"
    "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
    "{{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}"
    "{%- endif %}"
)
QWEN35 = QWEN3.replace(  # the prompt opens the block
    "{{- '<think>\\n\\n</think>\\n\\n' }}{%- endif %}",
    "{{- '<think>\\n\\n</think>\\n\\n' }}{%- else %}{{- '<think>\\n' }}{%- endif %}",
)
R1 = (  # no switch, and always an open block
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'assistant' %}"
    "{{ '<|im_start|>assistant' + message.content.split('</think>')[-1] + '<|im_end|>' }}"
    "{% else %}{{ '<|im_start|>' + message.role + message.content }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant<think>\\n' }}{% endif %}"
)
SMOLLM3 = (  # a system text of its own, and one line behind an empty block
    "{%- set reasoning = enable_thinking if enable_thinking is defined else true %}"
    "{{- '<|im_start|>system\\nReasoning Mode: ' + ('/think' if reasoning else '/no_think') + '<|im_end|>\\n' }}"
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}"
    "{%- if not reasoning %}{{- '<think>\\n\\n</think>\\n' }}{%- endif %}{%- endif %}"
)
GRANITE = (  # thinking is off unless the switch is on
    "{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if thinking %}{{- '<|im_start|>system\\nThink between <think></think> and answer between "
    "<response></response>.<|im_end|>\\n' }}{%- endif %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
GEMMA4 = (  # the template writes the token that begins a text
    "{{ bos_token }}{%- if enable_thinking is defined and enable_thinking %}"
    "{{- '<|turn>system\\n<|think|><turn|>\\n' }}{%- endif %}{%- for message in messages %}"
    "{{- '<|turn>' + message.role + '\\n' + message.content | trim + '<turn|>\\n' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|turn>model\\n' }}"
    "{%- if not (enable_thinking is defined and enable_thinking) %}{{- '<|channel>thought\\n<channel|>' }}{%- endif %}"
    "{%- endif %}"
)
GPT_OSS = (
    "{%- for message in messages %}{%- if message.role == 'assistant' %}"
    "{{- '<|start|>assistant<|channel|>final<|message|>' + message.content + '<|end|>' }}{%- else %}"
    "{{- '<|start|>' + message.role + '<|message|>' + message.content + '<|end|>' }}{%- endif %}{%- endfor %}"
    "{%- if reasoning_effort is defined %}"
    "{{- '<|start|>system<|message|>' + reasoning_effort + '<|end|>' }}{%- endif %}"
    "{%- if add_generation_prompt %}{{- '<|start|>assistant' }}{%- endif %}"
)
GEMMA2 = (  # no system role, and roles that alternate
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}{% if (message.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}"
    "{{ '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>model\\n' }}{% endif %}"
)
PARTS = (  # SmolVLM's form: a message is a list
    "<|im_start|>{% for message in messages %}{{ message.role }}:"
    "{% for line in message.content %}{% if line.type == 'text' %}{{ line.text }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
PLAIN = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

MARKS = ("<think>", "</think>")  # tokens that are no control tokens
CONTROL = ("<bos>", "<|turn>", "<turn|>", "<|think|>", "<|channel>", "<channel|>")
HARMONY = ("<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|constrain|>")
WORDS = ("thought", "analysis", "final", "commentary", "assistant", " hmm", " so", " one", " yes", " no", "!", "Right")


def tokenizer(template: Any, bos: str | None = None, marks: bool = True) -> Any:
    """A byte-level tokenizer with this template, the marks of thinking and some words as tokens."""
    from tokenizers import AddedToken

    made = copy.deepcopy(tiny.byte_level())
    made.add_tokens([AddedToken(name, special=True, normalized=False) for name in (*CONTROL, *HARMONY)], True)
    made.add_tokens([AddedToken(name, special=False, normalized=False) for name in (*(MARKS if marks else ()), *WORDS)])
    if bos is not None:
        made.bos_token = bos
    made.chat_template = template
    return made


def model(tokenizer: Any, scripts: Sequence[Sequence[str]], ends: Sequence[str] = ("<|im_end|>",)) -> Any:
    """A Llama of one layer that adds nothing, so that each token follows from the one before it.

    A script is a list of tokens by name, each of which is followed by the next one. Other tokens are followed by any.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size, width = len(tokenizer), 256
    torch.manual_seed(3)
    made = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=size,
            hidden_size=width,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            max_position_embeddings=512,
            bos_token_id=None,
            pad_token_id=None,
            eos_token_id=[tokenizer.convert_tokens_to_ids(name) for name in ends],
            tie_word_embeddings=False,
        )
    )
    follows = _follows([[tokenizer.convert_tokens_to_ids(name) for name in script] for script in scripts])
    rows = torch.nn.functional.normalize(torch.randn(size, width), dim=-1)
    with torch.no_grad():
        made.model.embed_tokens.weight.copy_(rows)
        made.model.layers[0].self_attn.o_proj.weight.zero_()
        made.model.layers[0].mlp.down_proj.weight.zero_()
        made.lm_head.weight.zero_()
        for before, after in follows.items():
            made.lm_head.weight[after] += 2 * rows[before]
    return made.eval()


def _follows(scripts: Sequence[Sequence[int]]) -> Mapping[int, int]:
    found: dict[int, int] = {}
    for script in scripts:
        for before, after in pairwise(script):
            assert found.setdefault(before, after) == after, "a token has two followers"
    return found
