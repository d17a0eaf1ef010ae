"""Composing a config with Hydra, beside the schema that says which settings there are."""

import functools
import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from seqmodels.cli.config.library import PART_GROUPS, PLACES, Library
from seqmodels.cli.config.settings import Plain, parse, reworded, to_plain
from seqmodels.cli.config.shape import select, wrong_shape
from seqmodels.cli.errors import ConfigError, no_option
from seqmodels.environment import named
from seqmodels.registry import import_plugins, known


class Composition(NamedTuple):
    """A composed config as plain values, and all that was found out about it.

    Fields:
        config: the settings; empty where they cannot be composed at all.
        schema: every setting there is with its default, for the same choices.
        choices: the option chosen in each group.
        run_dir: the folder for the run.
        written: the settings as stored: what stands in the environment is only named.
        notes: what was chosen for the user, or given by a former name, in words.
        problems: what is wrong, in words; a config with problems must not be run.
        asks_hydra: whether Hydra has something of its own to do in the run: callbacks, logging, another folder.
        source: the data's, where it was opened to see what suits it; the run goes on with it.
    """

    config: Plain
    schema: Plain
    choices: dict[str, str | None]
    run_dir: Path
    written: Plain
    notes: list[str]
    problems: list[str]
    asks_hydra: bool = False
    source: Any = None

    def all_problems(self, wrong: list[str]) -> list[str]:
        """Return the problems, after those of the overrides themselves, less what follows from these."""
        absent = tuple(problem.split(":")[0].replace("/", ".") + "." for problem in wrong)
        return list(dict.fromkeys([*wrong, *(p for p in self.problems if not p.startswith(absent))]))


def jobs(library: Library, overrides: list[str], multirun: bool = False) -> tuple[list[list[str]], list[str]]:
    """Return the overrides of each job (with `multirun`, of each combination), and what is wrong with them.

    Unknown names are made to compose, and overrides that cannot be used are left out, so that the check finds all
    problems together.
    """
    _import_plugins(library, overrides)
    problems: list[str] = []
    each: list[list[str]] = []
    for raw in overrides:
        try:
            parsed = parse(raw)
        except ConfigError as error:
            problems += error.problems
            continue
        if parsed.is_sweep_override() and not multirun:
            problems.append(f"{raw}: several values need -m (a sweep): seqmodels train -m {raw}")
            continue
        found = {one: _choice_problems(library, parse(one)) for one in _variants(parsed)}
        problems += [problem for some in found.values() for problem in some]
        each.append([forced(library, one) for one, some in found.items() if not some])
    return [list(job) for job in itertools.product(*(variants for variants in each if variants))], problems


def _import_plugins(library: Library, overrides: list[str]) -> None:
    """Import the packages that the command names, whose parts are choices like any other."""
    for raw in overrides:
        if raw.lstrip("+").startswith("plugins="):
            with suppress(ConfigError, ValueError):  # said when the settings are checked, or the run begins
                value = parse(raw).value()
                packages = [str(name) for name in value] if isinstance(value, list) else []
                import_plugins(packages)
                library.plugins += packages


def _variants(override: Override) -> Iterator[str]:
    """Yield each value of a sweep as an override of its own; sweeps over intervals are the sweeper's."""
    if not override.is_sweep_override():
        yield override.input_line or ""
    elif override.is_discrete_sweep():
        for value in override.sweep_string_iterator():
            yield f"{override.get_key_element()}={value}"


def _choice_problems(library: Library, override: Override) -> list[str]:
    group, line = override.key_or_group, override.input_line or ""
    if group == "hydra.searchpath":
        return ["hydra.searchpath: give your folder of configs with --config-dir DIR"]
    if group not in library.groups():
        return []
    options = ", ".join(library.options(group))
    if override.is_delete():
        return [f"~{group}: cannot be left out; choose from: {options}"]
    if override.is_add() or override.is_force_add():
        return [f"{line}: {group} is chosen without a plus: {line.lstrip('+')}"]
    option = override.value()
    if option is None:
        return [f"{group}: cannot be null; choose from: {options}, or leave it out"]
    if isinstance(option, dict | list):
        return [f"{line}: choose one option by name: {options}"]
    known = library.has(group, str(option))
    return [] if known else [no_option(group, str(option), library.options(group))]


def forced(library: Library, raw: str) -> str:
    """Return an override in Hydra's force-add form: it composes, whether or not there is a setting of that name."""
    override = parse(raw)
    key = override.key_or_group
    if override.is_delete() or key.split(".")[0] == "hydra" or key.startswith("hydra/") or key in library.groups():
        return raw
    return "++" + raw.lstrip("+")


def compose(library: Library, overrides: list[str], config_name: str = "train") -> Composition:
    """Compose one job's config and its schema.

    Raises:
        ConfigError: what Hydra cannot compose.
    """
    with _hydra(library), reworded():
        composed = hydra_compose(config_name, [*search_path(library), *overrides], return_hydra_config=True)
        # `${hydra:...}` in a config is read from here.
        HydraConfig.instance().set_config(composed)
        config = to_plain(composed)
        written = named(to_plain(composed, resolve=False), config)
        run_dir = Path(str(OmegaConf.select(composed, "hydra.run.dir")))
        asks_hydra = _asks_hydra(composed.hydra)
        choices = {g: c for g, c in composed.hydra.runtime.choices.items() if not g.startswith("hydra/")}
    wrong = wrong_shape(config)
    if wrong is not None:
        raise ConfigError(wrong)
    schema = _make_schema(library, choices, config)
    notes = list(dict.fromkeys([*_under_present_names(config), *_under_present_names(written)]))
    config, written = _filled(config, schema), _filled(written, schema)
    return Composition(config, schema, choices, run_dir, written, notes, [], asks_hydra)


def _asks_hydra(own: DictConfig) -> bool:
    """Return whether Hydra's own part of a config asks for more than a folder."""
    logging = {own.runtime.choices.get(f"hydra/{kind}") for kind in ("hydra_logging", "job_logging")}
    job = own.job
    return bool(own.callbacks or own.output_subdir or job.chdir or job.env_set or job.env_copy or logging != {"none"})


def _make_schema(library: Library, choices: dict[str, str | None], config: Plain) -> Plain:
    """Return every setting there is with its default, for the parts and files that are chosen."""
    top = library.read("", "train")
    schema = {key: value for key, value in top.items() if key not in ("defaults", "hydra", "run_dir")}
    chosen = {g: c for g, c in choices.items() if c is not None and g in library.groups() - {"experiment", "recipe"}}
    for group, option in sorted(chosen.items()):  # "model" before "model/cell"
        *above, key = group.split("/")
        holder = schema
        for name in above:
            holder = holder.setdefault(name, {})
        content = library.read(group, _template(library, group, option, config))
        # A value that Hydra puts in is none of the file's.
        own = {name: None if isinstance(one, str) and "${" in one else one for name, one in content.items()}
        holder[key] = {**holder.get(key, {}), **own}
    _open_cells(library, config, schema)
    return schema


def _under_present_names(config: Plain) -> Iterator[str]:
    """Move settings of parts from former names to present ones, and yield each in words."""
    for place, kind in PLACES.items():
        holder = select(config, place)
        part = known(kind).get(str(holder.get("name"))) if isinstance(holder, dict) else None
        if part is None:
            continue
        for old, new in part.renamed.items():
            if old in holder and old not in part.options:
                holder[new] = holder.pop(old)
                yield f"{place}.{old} is called {place}.{new} now"


def search_path(library: Library) -> list[str]:
    """Return the override by which Hydra finds the user's own folder."""
    return [] if library.extra is None else [f"hydra.searchpath=['file://{library.extra.resolve()}']"]


def offer_parts(library: Library) -> None:
    """Let Hydra find the settings of every part that has no file of its own."""
    store = ConfigStore.instance()
    for group in PART_GROUPS:
        folder = functools.reduce(lambda place, name: place.setdefault(name, {}), group.split("/"), store.repo)
        folder.clear()  # what another library offered
        for name, part in library.parts(group).items():
            if not library.has_file(group, name):
                store.store(name, part.defaults(), group)


@contextmanager
def _hydra(library: Library) -> Iterator[None]:
    """Set Hydra's composing up, unless a job of Hydra's own is under way."""
    offer_parts(library)
    if GlobalHydra.instance().is_initialized():
        yield
        return
    before = HydraConfig.instance().cfg
    try:
        with initialize_config_dir(version_base="1.3", config_dir=str(library.own), job_name="seqmodels"):
            yield
    finally:
        HydraConfig.instance().cfg = before


def _template(library: Library, group: str, option: str, config: Plain) -> str:
    """Return the option that says which settings there are: the user's own files follow ours."""
    if library.is_shipped(group, option):
        return option
    part = select(config, group.replace("/", "."))
    name = part.get("name") if isinstance(part, dict) else None
    return next((ours for ours in (str(name), "default") if library.is_shipped(group, ours)), option)


def _open_cells(library: Library, config: Plain, schema: Plain) -> None:
    """Give a head's own cell the settings of the cell that it names."""
    name = select(config, "model.head.cell.name")
    has_cell = isinstance(select(schema, "model.head.cell"), dict)
    if has_cell and isinstance(name, str) and library.has("model/cell", name):
        schema["model"]["head"]["cell"] = library.read("model/cell", name)


def _filled(config: Any, schema: Any) -> Any:
    """Return `config` with the default of every setting that it leaves out."""
    if not isinstance(config, dict) or not isinstance(schema, dict):
        return config
    filled = {key: _filled(config[key], value) if key in config else value for key, value in schema.items()}
    return {**filled, **{key: value for key, value in config.items() if key not in schema}}
