"""The campaign file: what to search, train, price and keep."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self, get_args

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from archsearch.campaign.objectives import WITHOUT_CONTEXT
from archsearch.campaign.sections import (
    BudgetSection,
    FinalistsSection,
    ObjectiveSection,
    SearchSection,
    Section,
    SpaceSection,
    TaskSection,
)
from genomes import (
    Architecture,
    Block,
    InvalidInput,
    Layout,
    Operator,
    Scale,
    SearchSpace,
    random_genome,
    reference,
    retune,
)
from genomes.errors import cut, describe, named, refused
from genomes.reading import parse_yaml, read_yaml
from genomes.transfer import check_spans, check_twins
from proxies.trial import TrialConfig, derive_seed

PARAMETERS_TOLERANCE = 0.01
"""How far from `space.parameters` a candidate may be, as a share."""
DEFAULT_CONTEXT = 4096
"""`target.context` where no objective has a context either, in tokens."""
_BUDGET_TRIES = 20

FEWEST_RATES = 2
"""Fewest learning rates: with one, a layout would be judged by how well that rate suits it."""
FEWEST_REFERENCES = 3
"""Fewest references whose scores have a mean and a spread worth the name."""


class Campaign(Section):
    """A whole campaign, as its file says it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)
    seed: int = Field(default=0, ge=0, lt=2**63)
    space: SpaceSection = Field(default_factory=SpaceSection)
    proxy: Scale = Field(default_factory=lambda: Scale(width=64, head_dim=16))
    target: Scale
    """Its `context`, which shares refer to, is by default that of the first objective that has one."""
    objectives: list[ObjectiveSection] = Field(min_length=1)
    tasks: list[TaskSection] = Field(min_length=1)
    search: SearchSection = Field(default_factory=SearchSection)
    budget: BudgetSection = Field(default_factory=BudgetSection)
    finalists: FinalistsSection = Field(default_factory=FinalistsSection)
    references: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        asked = [(section.task, section.settings) for section in self.tasks]
        for index, each in enumerate(asked):
            if (first := asked.index(each)) < index:
                raise ValueError(
                    f"tasks.{index} is tasks.{first} again ({each[0]} with the same settings); give it once, "
                    "with the sum of both weights"
                )
        if "quality" not in [o.metric for o in self.objectives]:
            raise ValueError("objectives: one must be {metric: quality}; without it nothing needs training")
        for what, names in (
            ("objectives", [section.objective().name for section in self.objectives]),
            ("references", self.references),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"{what}: {name} is given twice")
        if self.proxy.blocks is not None:
            raise ValueError(
                f"proxy.blocks = {self.proxy.blocks}: the proxy has the layout's blocks; set space.blocks"
            )
        return self

    @cached_property
    def search_space(self) -> SearchSpace:
        """What is searched. Raises `InvalidInput`."""
        return self.space.space(self.target)

    @model_validator(mode="after")
    def _contexts(self) -> Self:
        """What shares of the context refer to: the length of what is trained, and one of what is priced."""
        length = self.budget.length
        if self.proxy.context not in (None, length):
            raise ValueError(
                f"proxy.context = {self.proxy.context}: the proxy's context is budget.length = {length}; "
                "leave proxy.context out"
            )
        contexts = [o.context for o in self.objectives if o.metric not in WITHOUT_CONTEXT]
        context = self.target.context or next(iter(contexts), DEFAULT_CONTEXT)
        # Frozen is what the file says; this completes it.
        object.__setattr__(self, "proxy", self.proxy.model_copy(update={"context": length}))
        object.__setattr__(self, "target", self.target.model_copy(update={"context": context}))
        return self

    def check(self) -> None:
        """Everything that needs more than the file: space, scales, references, tasks and their data; and that
        the campaign judges fairly, which those of older versions need not.

        Raises `InvalidInput` naming the key.
        """
        with named("space"):
            space = self.search_space
            for blocks in {space.fewest, space.blocks}:
                random_genome(space.with_blocks(blocks, blocks), np.random.default_rng(0))
        with named("space.parameters"):
            self._check_budget(space)
        for key, scale in (("proxy", self.proxy), ("target", self.target)):
            with named(f"space at the {key} scale"):
                space.check_scale(scale)
            for i, name in enumerate(self.references):
                with named(f"references.{i}"):
                    layout = self.reference(name)
                with named(f"references.{i} at the {key} scale"):
                    layout.at(scale)
        with named(f"budget.length = {self.budget.length}"):
            check_spans(self._layout_blocks(), self.budget.length)
        with named("space"):
            check_twins(space.variants, self.proxy, self.target)
        for i, _ in enumerate(self.tasks):
            with named("budget"):
                config = self.trial_config(i, 0, self.budget.learning_rates[0])
            with named(f"tasks.{i}"):
                config.make_task()
        self._check_fairness()

    def _check_fairness(self) -> None:
        """Raise `InvalidInput` where rates or references are too few to judge by."""
        if len(self.budget.learning_rates) < FEWEST_RATES:
            raise refused(
                "budget.learning_rates",
                self.budget.learning_rates,
                f"{FEWEST_RATES} rates or more, since layouts differ in the rate that suits them",
                "add rates around it, such as a third and three times as much; losers are stopped early",
            )
        if len(self.references) < FEWEST_REFERENCES:
            raise refused(
                "references",
                self.references,
                f"{FEWEST_REFERENCES} names or more (these are {len(self.references)}), since "
                "quality is measured by their mean and their spread",
                "add some; archsearch architectures and archsearch spaces list layouts by name",
            )

    def _check_budget(self, space: SearchSpace) -> None:
        """Raise `InvalidInput` where not one of several random candidates can have `space.parameters`."""
        rng = np.random.default_rng(0)
        for attempt in range(1, _BUDGET_TRIES + 1):
            try:
                self.at_budget(space.decode(random_genome(space, rng)))
                return
            except InvalidInput:
                if attempt == _BUDGET_TRIES:
                    raise

    def blocks(self) -> dict[str, Operator]:
        """Each block that candidates and references may have, at the proxy scale, by where it comes from."""
        return {where: block.at(self.proxy) for where, block in self._layout_blocks().items()}

    def _layout_blocks(self) -> dict[str, Block]:
        blocks = self.search_space.variants
        for name in self.references:
            for index, block in enumerate(self.reference(name)):
                blocks[f"references: {name}: block {index} ({block.alone})"] = block
        return blocks

    def trained(self, layout: Layout, name: str = "") -> Architecture:
        """What is trained of a layout. Raises `InvalidInput` where the proxy scale cannot hold it."""
        return layout.at(self.proxy, name).canonical

    def priced(self, layout: Layout, name: str = "") -> Architecture:
        """What is priced of a layout. Raises `InvalidInput` where the target scale cannot hold it."""
        return layout.at(self.target, name).canonical

    def at_budget(self, layout: Layout) -> Layout:
        """The layout as it is judged: with `space.parameters` at the target. Raises `InvalidInput`."""
        if self.space.parameters is None:
            return layout
        return retune(layout, self.target, self.space.parameters, PARAMETERS_TOLERANCE)

    def reference(self, name: str) -> Layout:
        """A reference as it is judged. Raises `InvalidInput`."""
        return self.at_budget(reference(name).layout(self.search_space.depth))

    def deeper_references(self) -> list[str]:
        """In words, each reference that is trained with more blocks than candidates may have.

        A reference is at least one whole motif, so that it stays what it is.
        """
        most = self.search_space.depth
        blocks = {name: len(reference(name).layout(most)) for name in self.references}
        return [
            f"reference {name} is trained with {count} blocks where candidates have at most {most}"
            for name, count in blocks.items()
            if count > most
        ]

    def task_name(self, index: int) -> str:
        """A name for each task that no other has: numbered where a task is used twice."""
        names = [section.task for section in self.tasks]
        name = names[index]
        return name if names.count(name) == 1 else f"{name}-{names[: index + 1].count(name)}"

    @property
    def task_names(self) -> list[str]:
        """The name of each task, in their order."""
        return [self.task_name(index) for index in range(len(self.tasks))]

    def data_seed(self, rung: int, replicate: int) -> int:
        """Seed of the training streams of a replicate, the same for all candidates and tasks; the final
        training has its own.
        """
        stream = "data/final" if rung == self.budget.final_rung else "data"
        return derive_seed(self.seed, stream, replicate)

    def trial_config(
        self, task: int, rung: int, learning_rate: float, replicate: int = 0, steps: int | None = None
    ) -> TrialConfig:
        """The configuration of a trial; `steps` where not those of the rung. Raises `InvalidInput`."""
        section, budget = self.tasks[task], self.budget
        try:
            return TrialConfig(
                task=section.task,
                settings=section.settings,
                length=budget.length,
                batch=budget.batch,
                steps=budget.steps(rung) if steps is None else steps,
                learning_rate=learning_rate,
                warmup_steps=budget.warmup,
                decay_fraction=budget.decay_fraction,
                weight_decay=budget.weight_decay,
                evaluation_batches=budget.evaluation_batches,
                data_seed=self.data_seed(rung, replicate),
            )
        except ValidationError as error:
            raise InvalidInput(describe(error)) from None

    def to_yaml(self) -> str:
        """The resolved file: every key written, but `proxy.context`, which `budget.length` says."""
        data = self.model_dump(mode="json", exclude={"proxy": {"context"}})
        return yaml.safe_dump(data, sort_keys=False, width=100)


def load_campaign(path: Path | str, overrides: Sequence[str] = ()) -> Campaign:
    """Read a campaign file; `overrides` are `key.sub=value` with YAML values, indices for lists.

    Raises `InvalidInput` naming the file, the key, the value and what is legal.
    """
    path = Path(path)
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise InvalidInput(f"{path}: expected keys and values, found {type(data).__name__}")
    keys: set[str] = set()
    for override in overrides:
        key = override.partition("=")[0].strip()
        if key in keys:
            raise InvalidInput(f"--set {cut(override)}: {cut(key)} is set twice; give it once")
        keys.add(key)
        _set(data, override)
    try:
        return Campaign.model_validate(data)
    except ValidationError as error:
        raise InvalidInput(f"{path}: {describe(error)}{_legal_keys(error)}") from None


def _legal_keys(error: ValidationError) -> str:
    """For each section with an unknown key, the keys that it has."""
    sections = {}
    for item in error.errors(include_url=False):
        if item["type"] == "extra_forbidden":
            *section, _ = item["loc"]
            model: Any = Campaign
            for part in section:
                if isinstance(part, str):
                    annotation = model.model_fields[part].annotation
                    model = (get_args(annotation) or (annotation,))[0]
            sections[".".join(map(str, section)) or "a campaign"] = ", ".join(model.model_fields)
    return "".join(f"; keys of {section}: {keys}" for section, keys in sections.items())


def _set(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    override = cut(override)
    if not equals or not key.strip():
        raise InvalidInput(f"--set {override}: write key=value, for example budget.rungs=[20,40]")
    if not text.strip():
        raise InvalidInput(f"--set {override}: the value is empty; write null for none")
    value = parse_yaml(text, f"--set {override}", "value")
    *parents, last = key.strip().split(".")
    place: Any = data
    for part in parents:
        if isinstance(place, list):
            place = place[_index(place, part, override)]
        elif isinstance(place, dict):
            place[part] = {} if place.get(part) is None else place[part]
            place = place[part]
        else:
            raise InvalidInput(f"--set {override}: {part!r} stands inside a plain value")
    if isinstance(place, list):
        place[_index(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise InvalidInput(f"--set {override}: {last!r} stands inside a plain value")


def _index(place: list[Any], part: str, override: str) -> int:
    if not (part.isascii() and part.isdigit()) or int(part) >= len(place):
        raise InvalidInput(f"--set {override}: {part!r} is no index of a list of {len(place)}")
    return int(part)
