"""The tensors of a model, by the model's own names, each read from the files when it is asked for.

Files may use other names, and may hold in several tensors what the model holds in one: the experts of a layer, for
example. transformers' own table of conversions says how the two correspond. Reading tensor by tensor keeps memory flat.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from ...protocol.errors import NotAModel

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Entry(NamedTuple):
    """A tensor of a file that is not read yet."""

    shape: tuple[int, ...]
    read: Callable[[], Tensor]


Entries = dict[str, Entry]


class Slice:
    """An entry as transformers' loader takes it: the tensor is read when it is indexed."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def __getitem__(self, index: Any) -> Tensor:
        return self._entry.read()[index]


class Group:
    """Tensors of the files that one conversion turns into one or more tensors of the model."""

    def __init__(self, target: str, conversion: Any, model: PreTrainedModel) -> None:
        self._target, self._conversion, self._model = target, conversion, model
        self._parts: list[tuple[str, str, Entry]] = []
        self._made: dict[str, Tensor] = {}
        first, *others = conversion.target_patterns
        self.names = [target, *(target.replace(first, other, 1) for other in others)]

    def add(self, name: str, pattern: str, entry: Entry) -> None:
        """Add a tensor of the files, which matches a pattern of the conversion."""
        self._parts.append((name, pattern, entry))

    def read(self, name: str) -> Tensor:
        """Return one of the tensors. The others are kept until they are read."""
        if name not in self._made:
            conversion = copy.deepcopy(self._conversion)
            for part, pattern, entry in self._parts:
                conversion.add_tensor(self._target, part, pattern, entry.read)
            made = conversion.convert(self._target, model=self._model, config=self._model.config)
            self._made = {key: one[0] if isinstance(one, list) else one for key, one in made.items()}
        return self._made.pop(name)


class Checkpoint:
    """Reads the tensors of a model. `missing` are those that the files lack, `odd` those of another shape."""

    def __init__(self, entries: Entries, model: PreTrainedModel) -> None:
        wanted = model.state_dict(keep_vars=True)
        self._shapes = {name: tuple(tensor.shape) for name, tensor in wanted.items()}
        self._found = entries_of(entries, model)
        self._tied = _shared(wanted, self._found)
        for name, first in self._tied.items():
            self._found.setdefault(name, self._found[first])
        allowed = re.compile("|".join(getattr(model, "_keys_to_ignore_on_load_missing", None) or ["(?!)"]))
        self.missing = [name for name in wanted if name not in self._found and not allowed.search(name)]
        shapes = {name: tuple(entry.shape) for name, entry in self._found.items() if entry.shape}
        self.odd = [(name, has, self._shapes[name]) for name, has in shapes.items() if has != self._shapes[name]]

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def __call__(self, name: str) -> Tensor:
        """Read one tensor, in the dtype of the files. Raises NotAModel where its shape is not the model's."""
        tensor = self._found[name].read()
        if tuple(tensor.shape) != self._shapes[name]:
            has, wants = list(tensor.shape), list(self._shapes[name])
            raise NotAModel(f"The files hold {name} as {has}, where the config asks for {wants}.", "Save it again.")
        return tensor

    def untied(self) -> list[str]:
        """Return the names of tied tensors for which the files hold numbers of their own, such as a trained head."""
        pairs = [(name, first) for name, first in self._tied.items() if self._found[name] is not self._found[first]]
        return [name for name, first in pairs if not torch.equal(self(name), self(first))]


def separate(model: PreTrainedModel, names: Iterable[str]) -> None:
    """Give each of these tied parameters of `model` a place of its own."""
    for name in names:
        path, _, key = name.rpartition(".")
        module = model.get_submodule(path)
        old = getattr(module, key)
        module.register_parameter(key, nn.Parameter(old.detach().clone(), requires_grad=False))


def hollow(model: PreTrainedModel, checkpoint: Checkpoint) -> PreTrainedModel:
    """Return a model of the same config whose weights are zeros that take no memory, and whose buffers are right.

    The buffers that no file holds are computed by transformers, as it does when it loads weights.
    """
    shapes = {name: tensor for name, tensor in model.state_dict().items() if name in checkpoint}
    zeros = {name: torch.zeros((), dtype=one.dtype).expand(one.shape) for name, one in shapes.items()}
    made: PreTrainedModel = type(model).from_pretrained(None, config=model.config, state_dict=zeros, dtype=model.dtype)
    return made.eval()


def stored(files: Iterable[Any]) -> Entries:
    """The tensors of open safetensors files."""
    return {
        name: Entry(tuple(file.get_slice(name).get_shape()), _reader(file, name))
        for file in files
        for name in file.keys()  # noqa: SIM118
    }


def entries_of(entries: Entries, model: PreTrainedModel) -> Entries:
    """The same tensors by the names of `model`. An entry of several tensors has no shape before it is read."""
    from transformers.conversion_mapping import get_model_conversion_mapping
    from transformers.core_model_loading import WeightConverter, dot_natural_key, rename_source_key

    rules = get_model_conversion_mapping(model)
    converters = [rule for rule in rules if isinstance(rule, WeightConverter)]
    renamings = [rule for rule in rules if not isinstance(rule, WeightConverter)]
    of_pattern = {pattern: rule for rule in converters for pattern in rule.source_patterns}
    wanted, prefix = model.state_dict(), model.base_model_prefix
    found, groups = Entries(), dict[str, Group]()
    for name in sorted(entries, key=dot_natural_key):
        target, pattern = rename_source_key(name, renamings, converters, prefix, wanted)
        if target not in wanted and name in wanted:
            target, pattern = name, None
        if target not in wanted:
            continue
        if pattern is None:
            found[target] = entries[name]
        else:
            group = groups.setdefault(target, Group(target, of_pattern[pattern], model))
            group.add(name, pattern, entries[name])
    return found | dict(_each(groups.values(), wanted))


def _each(groups: Iterable[Group], wanted: Mapping[str, Tensor]) -> Iterator[tuple[str, Entry]]:
    for group in groups:
        for name in group.names:
            if name in wanted:
                yield name, Entry((), partial(group.read, name))


def _shared(wanted: Mapping[str, Tensor], found: Entries) -> dict[str, str]:
    """Each tied tensor of the model with the first one of the same numbers that the files hold."""
    first = {id(tensor): name for name, tensor in reversed(list(wanted.items())) if name in found}
    return {name: first[id(tensor)] for name, tensor in wanted.items() if first.get(id(tensor), name) != name}


def _reader(file: Any, name: str) -> Callable[[], Tensor]:
    return lambda: file.get_tensor(name)
