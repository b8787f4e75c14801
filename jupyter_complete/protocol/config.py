"""Every option, declared once: parser, `%config`, Tab, command line and the docs' table are derived from here."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

from traitlets import Any as Anything
from traitlets import Bool, Dict, Enum, Float, Int, List, TraitError, TraitType, Unicode, default, validate
from traitlets.config import Config, Configurable

from .errors import BadOption
from .phrases import near, shortened
from .request import Framing, Mode
from .sampling import Sampling

COMPLETE = "complete"
MODEL = "complete_model"
THREAD = "complete_thread"
PANEL = "complete_panel"
LOADING = ("dtype", "device", "kv")  # the options of how a model is loaded


class Complete(Configurable):
    """Settings of %%complete; set them with `%config Complete.temperature = 0.7` or in ipython_config.py.

    Tags of a trait:

    flag        its flags; a trait with flags is an option
    of          the magic that has the option; %%complete without this tag
    metavar     the name of the value in the help
    values      values that Tab offers
    known       the kind of names that Tab offers: models, threads or tasks
    cell_only   the option says where a text comes from, or where a result goes, so only cells have it
    verbatim    the value is taken as typed, without escapes
    escaped     \\n and \\t in the value mean newline and tab, as they do in every list of texts
    separated   a list that is given as one text is split at its commas
    filled      an empty value is refused
    single      the option belongs to a single completion; the rows of a frame cannot have it
    python      a setting that a call in Python accepts too
    """

    model = Unicode(
        "smollm2", help="Model to use: a name, a directory, a .gguf file or a hub id (org/name, org/name@revision)."
    ).tag(config=True, flag=("-m", "--model"), metavar="NAME", known="models")
    out = Unicode("", help="Assign the Completion to this variable.").tag(
        flag=("-o", "--out"), metavar="NAME", cell_only=True
    )
    num = Int(1, min=1, max=64, help="Number of completions.").tag(
        config=True, flag=("-n", "--num"), single=True, metavar="INT"
    )
    max_new_tokens = Int(100, min=1, help="Maximum number of tokens to generate.").tag(
        config=True, flag=("-N", "--max-new-tokens"), metavar="INT"
    )
    end = Enum(
        ("anywhere", "sentence"),
        "anywhere",
        help="Where a text ends that reaches its maximum: anywhere, or after its last whole sentence or line.",
    ).tag(config=True, flag=("--end",), metavar="WHERE")
    temperature = Float(
        0.7,
        min=0.0,
        max=100.0,
        help="Above 1 flattens the distribution, below 1 sharpens it; 0 always picks the most likely token.",
    ).tag(config=True, flag=("-t", "--temperature"), metavar="FLOAT")
    top_p = Float(
        0.95,
        min=0.0,
        max=1.0,
        help="Sample from the most likely tokens that together have this probability; 1 keeps all tokens.",
    ).tag(config=True, flag=("--top-p",), metavar="FLOAT")
    top_k = Int(
        0, min=0, max=2**31 - 1, help="Sample from this many of the most likely tokens; 0 keeps all tokens."
    ).tag(config=True, flag=("--top-k",), metavar="INT")
    min_p = Float(
        0.0, min=0.0, max=1.0, help="Drop tokens less likely than this share of the most likely token; 0 drops none."
    ).tag(config=True, flag=("--min-p",), metavar="FLOAT")
    repetition_penalty = Float(
        1.0, min=0.01, max=100.0, help="Above 1, tokens that are already in the text become less likely."
    ).tag(config=True, flag=("--repetition-penalty",), metavar="FLOAT")
    stop = List(
        Unicode(), help=r"Stop before this text. Can be given several times. \n and \t mean newline and tab."
    ).tag(config=True, flag=("--stop",), metavar="TEXT")
    suffix = Unicode(
        "", help="Text that follows the completion, for models that can fill a gap between two texts."
    ).tag(flag=("--suffix",), metavar="TEXT", single=True, escaped=True)
    seed = Int(
        None,
        allow_none=True,
        min=0,
        max=2**63 - 1,
        help="Random seed. Without it, a seed is drawn and shown in the footer.",
    ).tag(config=True, flag=("--seed",), metavar="INT")
    sampling = Enum(
        ("own", "model"),
        "own",
        help="model uses the sampling that the model itself recommends, wherever the line gives no value of its own.",
    ).tag(config=True, flag=("--sampling",), metavar="WHOSE")
    beams = Int(1, min=1, max=64, help="Use beam search with this many beams instead of sampling.").tag(
        config=True, flag=("--beams",), metavar="INT"
    )
    echo = Bool(False, help="Show the prompt before the completion.").tag(config=True, flag=("--echo",), cell_only=True)
    chat = Bool(
        False, help="Send the text as a user message, with the model's own chat template. Needs an instruct model."
    ).tag(config=True, flag=("--chat",))
    thread = Unicode(
        "",
        help="Send the text as the next message of the named conversation, after its earlier messages.",
    ).tag(flag=("--thread",), metavar="NAME", known="threads", filled=True, single=True)
    think = Enum(
        ("auto", "on", "off"),
        "auto",
        help="Let the model think before it answers a message. auto leaves it to the model's chat template.",
    ).tag(config=True, flag=("--think",), metavar="WHEN")
    think_tokens = Int(
        1024,
        min=1,
        help="Maximum number of tokens of thinking, which --max-new-tokens does not count.",
    ).tag(config=True, flag=("--think-tokens",), metavar="INT")
    task = Unicode("", help="Use a prompt template: summarize, translate, qa, … (%complete_tasks lists them).").tag(
        flag=("--task",), metavar="NAME", known="tasks"
    )
    to = Unicode("", help="Language to write in, for tasks that need one.").tag(flag=("--to",), metavar="LANG")
    from_ = Unicode("", help="Language of the text, for tasks that need one.").tag(flag=("--from",), metavar="LANG")
    question = Unicode("", help="Question about the text, for tasks that need one.").tag(
        flag=("--question",), metavar="TEXT"
    )
    length = Enum(
        ("", "short", "medium", "long"), "", help="Length of the answer to a task: short, medium or long."
    ).tag(flag=("--length",), metavar="SIZE")
    context = Int(
        0, min=0, max=1000, help="Put this many earlier cells (source and text outputs) before the text."
    ).tag(config=True, flag=("--context",), metavar="INT", cell_only=True)
    raw = Bool(False, help="Keep {{ … }} in the text as it is, without evaluating it.").tag(
        config=True, flag=("--raw",), cell_only=True
    )
    error = Bool(
        False, help="Put the last error and its traceback before the text; without text, use them as the text."
    ).tag(flag=("--error",), cell_only=True)
    format = Enum(
        ("text", "markdown", "code"), "text", help="Display the finished completion as text, markdown or code."
    ).tag(config=True, flag=("--format",), metavar="FORM", cell_only=True)
    dry_run = Bool(False, help="Show the prompt, its tokens and the room left in the window. Generate nothing.").tag(
        flag=("--dry-run",), single=True
    )
    score = Bool(False, help="Measure how likely the given text is, token by token. Generate nothing.").tag(
        flag=("--score",), single=True
    )
    inspect = Bool(
        False, help="Show every token of prompt and completion with its probability, its rank and the other candidates."
    ).tag(flag=("--inspect",), single=True)
    trace = Bool(False, help="Record the logits of every step in c.trace, for replay and for the inside view.").tag(
        config=True, flag=("--trace",), single=True
    )
    choices = List(Unicode(), help="Pick the most likely of these texts. One value is split at its commas.").tag(
        flag=("--choices",), metavar="A,B,C", separated=True, filled=True
    )
    regex = Unicode("", help="Generate text that matches this regular expression as a whole.").tag(
        flag=("--regex",), metavar="REGEX", verbatim=True, filled=True
    )
    json = Anything(
        None,
        help="Generate JSON that follows a schema: its text, a file, or a variable (dict, dataclass, pydantic model).",
    ).tag(flag=("--json",), metavar="SCHEMA", verbatim=True, filled=True)
    cell = Bool(False, help="Write the completion into a new cell below, without running it.").tag(
        flag=("--cell",), cell_only=True
    )
    background = Bool(
        False, help="Return at once and write the text under the cell in the background, with a Stop button."
    ).tag(flag=("--background",), cell_only=True)

    dtype = Enum(
        ("auto", "float32", "bfloat16", "float16", "int8", "int4"),
        "auto",
        help="Type of the weights in memory. auto chooses by device: int8 on a CPU. int4 is smaller and less exact.",
    ).tag(config=True, flag=("--dtype",), of=MODEL, metavar="TYPE")
    device = Unicode("auto", help="Device for the weights: auto, cpu, cuda, cuda:1 or mps.").tag(
        config=True, flag=("--device",), of=MODEL, metavar="DEVICE", values=("auto", "cpu", "cuda", "mps")
    )
    kv = Enum(
        ("auto", "float32", "bfloat16", "int8"),
        "auto",
        help="Type of the KV cache. auto is float32, bfloat16 for a long text, and int8 where memory is short.",
    ).tag(config=True, flag=("--kv",), of=MODEL, metavar="TYPE")
    key_env = Unicode("", help="Environment variable that holds the key of the server to connect.").tag(
        flag=("--key-env",), of=MODEL, metavar="NAME", filled=True
    )
    drop = Bool(False, help="Delete the conversation.").tag(flag=("--drop",), of=THREAD)
    name = Unicode("", help="Name of the document; without it, the document is that of the cell.").tag(
        flag=("--name",), of=PANEL, metavar="NAME", filled=True
    )
    tasks_folder = Unicode("", help="Folder with your own tasks, one Markdown file each.").tag(config=True)
    value_tokens = Int(
        400,
        min=10,
        help="Maximum number of tokens for the text of a value; a longer text takes a shorter form.",
    ).tag(config=True)
    context_tokens = Int(1500, min=10, help="Maximum number of tokens for the cells that --context adds.").tag(
        config=True
    )
    candidates = Int(8, min=0, max=100, help="Number of candidates recorded at every step.").tag(
        config=True, python=True
    )
    trace_bytes = Int(
        100_000_000, min=1_000_000, help="Maximum size of a trace in bytes. Later steps are decoded but not recorded."
    ).tag(config=True, python=True)
    updates_per_second = Float(
        10.0, min=0.5, max=10.0, help="Maximum number of repaints of a streaming cell per second."
    ).tag(config=True)
    footer = Enum(
        ("full", "quiet"),
        "full",
        help="quiet leaves speed, reuse of the cache and device out of the footer. A seeded rerun then shows the same.",
    ).tag(config=True)

    remotes = Dict(
        help=(
            "Models on servers, by name: {'big': {'url': 'https://host/v1', 'model': 'qwen3', 'key_env': 'BIG_KEY'}}."
        )
    ).tag(config=True)
    ghost = Bool(True, help="Offer ghost text in JupyterLab and Notebook 7, where the extension is installed.").tag(
        config=True
    )
    ghost_context = Int(
        1000, min=10, help="Maximum number of tokens of the cells above that ghost text reads, the nearest cells first."
    ).tag(config=True)
    ghost_tokens = Int(32, min=1, max=500, help="Maximum number of tokens of a ghost text.").tag(config=True)
    ghost_threshold = Float(
        0.3,
        min=0.0,
        max=1.0,
        help="Least mean token probability of a ghost text that comes by itself. A key asks for it whatever this is.",
    ).tag(config=True)
    preload = Bool(False, help="Load the default model in the background as soon as the extension is loaded.").tag(
        config=True
    )
    share = Bool(
        help="Use models of one process that all kernels share. The process is started if it does not run. "
        "The environment variable JUPYTER_COMPLETE_SHARE sets the default.",
    ).tag(config=True)
    lookup = Bool(
        True,
        help="Guess tokens where the text repeats itself and check several at once: the same text, sooner.",
    ).tag(config=True, python=True)

    @default("share")
    def _share_of_environment(self) -> bool:
        return os.environ.get("JUPYTER_COMPLETE_SHARE", "").lower() not in ("", "0", "no", "false", "off")

    @validate("temperature", "top_p", "min_p", "repetition_penalty", "updates_per_second")
    def _is_a_number(self, proposal: Any) -> float:
        value: float = proposal["value"]
        if math.isnan(value):  # which no bound refuses
            raise TraitError(_out_of_bounds(proposal["trait"].name, proposal["trait"], value))
        return value

    def adopt(self, config: Config) -> list[str]:
        """Take the settings that `config` has for Complete; what is refused is left out, and told in a sentence."""
        refused = []
        for name, value in config.get(type(self).__name__, {}).items():
            if name not in self.trait_names(config=True):
                refused.append(f"Complete.{name} is no setting. {near(name, self.trait_names(config=True))}".strip())
                continue
            try:
                self.update_config(Config({type(self).__name__: {name: value}}))
            except (TraitError, ValueError):
                refused.append(f"Complete.{name} is left at {getattr(self, name)!r}: it cannot be {_in_short(value)}.")
        return refused

    @classmethod
    def flagged(cls, of: str) -> Iterator[tuple[str, TraitType[Any, Any]]]:
        """The options of magic `of`, in the order of their declaration: (name, trait)."""
        traits = cls.class_traits(flag=lambda flag: flag is not None)
        order = {name: place for place, name in enumerate(vars(cls))}
        for name in sorted(traits, key=order.__getitem__):
            if traits[name].metadata.get("of", COMPLETE) == of:
                yield name, traits[name]

    @classmethod
    def drop_unset(cls, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return `options` without the texts, lists and choices that are None."""
        traits = cls.class_traits()
        return {
            name: value
            for name, value in options.items()
            if value is not None or not isinstance(traits.get(name), (Unicode, List, Enum))
        }

    def checked(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """All settings with `overrides` laid over them; raises BadOption for a name or value that is none."""
        settings = {name: getattr(self, name) for name in self.trait_names() if name not in ("parent", "log", "config")}
        for name, value in self.drop_unset(overrides).items():
            if name not in settings:
                raise BadOption(
                    f"{name} is not an option.", near(name, settings) or f"The options are {', '.join(settings)}."
                )
            settings[name] = self._check(name, value)
        return settings

    @staticmethod
    def mode(options: dict[str, Any]) -> Mode:
        """Take `score` and `dry_run` out of `options`: what they mean to the model."""
        score, preview = options.pop("score", False), options.pop("dry_run", False)
        if score and preview:
            raise BadOption("score (--score) and dry_run (--dry-run) exclude each other.", "Leave one out.")
        return "score" if score else "preview" if preview else "continue"

    def to_sampling(self, settings: Mapping[str, Any]) -> Sampling:
        """The Sampling that checked `settings` ask for."""
        names = set(Sampling.__dataclass_fields__)
        chosen = {name: value for name, value in settings.items() if name in names}
        return Sampling(**{**chosen, "stop": tuple(chosen["stop"])})

    def loading(self, settings: Mapping[str, Any] | None = None) -> tuple[str, str, str]:
        """How a model is loaded by checked `settings`, or by these: its dtype, its device and its KV cache."""
        dtype, device, kv = (getattr(self, name) if settings is None else settings[name] for name in LOADING)
        return dtype, device, kv

    def framing(self, settings: Mapping[str, Any]) -> Framing:
        """The Framing that checked `settings` ask for."""
        return Framing(**{name: settings[name] for name in Framing.__dataclass_fields__})

    def _check(self, name: str, value: object) -> Any:
        trait = self.traits()[name]
        if trait.metadata.get("filled") and isinstance(value, (str, list, tuple)) and not value:
            raise BadOption(f"{_shown(name, trait)} is empty.", "Fill it in, or leave it out.")
        if trait.metadata.get("separated") and isinstance(value, str):  # which a line never gives
            several = [one.strip() for one in value.split(",")] if "," in value else ["yes", "no"]
            raise BadOption(f"{_shown(name, trait)} is a list, not one text.", f"As in {name}={_in_short(several)}.")
        if isinstance(trait, List) and isinstance(value, (str, tuple)):
            value = [value] if isinstance(value, str) else list(value)
        if isinstance(trait, Int) and isinstance(value, bool):
            raise BadOption(_out_of_bounds(name, trait, value), _default(trait))
        try:
            return trait._validate(self, value)
        except (TraitError, ValueError, OverflowError):
            raise BadOption(_out_of_bounds(name, trait, value), _default(trait)) from None


def _out_of_bounds(name: str, trait: TraitType[Any, Any], value: object) -> str:
    """One sentence: what `trait` accepts, and what it was given."""
    return f"{_shown(name, trait)} must be {_accepted(trait)}, but is {_in_short(value)}."


def _shown(name: str, trait: TraitType[Any, Any]) -> str:
    return f"{name} ({'/'.join(flags)})" if (flags := trait.metadata.get("flag")) else name


def _in_short(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a huge number"
    return shortened(text)


def shown_default(trait: TraitType[Any, Any]) -> str:
    """A trait's default as a reader wants it; empty for a switch and for none."""
    default = trait.default()
    if isinstance(trait, Bool) or default in (None, "", []):
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def _default(trait: TraitType[Any, Any]) -> str:
    default = shown_default(trait)
    return "Leave it out for the default" + (f", {default}." if default else ".")


def _accepted(trait: TraitType[Any, Any]) -> str:
    if isinstance(trait, Enum):
        return "one of " + ", ".join(str(value) for value in trait.values or () if value)
    kind = {Int: "a whole number", Float: "a number", Bool: "True or False", List: "a list of texts"}.get(
        type(trait), "a text"
    )
    low, high = getattr(trait, "min", None), getattr(trait, "max", None)
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    return f"{kind} of {low} or more" if low is not None else kind
