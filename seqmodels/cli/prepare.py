"""From a command line's overrides to a config that is known to be good."""

import re
from pathlib import Path

from seqmodels.cli.config.compose import Composition, compose, forced, jobs, select
from seqmodels.cli.config.library import Library
from seqmodels.cli.config.saved import run_folder, saved_config
from seqmodels.cli.config.settings import Plain, amend, amend_written, names, settings
from seqmodels.cli.errors import ConfigError
from seqmodels.cli.rules.check import check
from seqmodels.environment import resolved
from seqmodels.registry import import_plugins

# Data that are one endless stream: cut into windows of this many steps, unless chosen otherwise.
# All other data may look at their file and say which task and head suit them.
STREAM_WINDOW = {"text": 100, "genome": 200}

# Settings that have proved good for a task and head; taken where no experiment is named.
RECIPES = {
    ("anomaly", "many_to_many"): "watch",
    ("classification", "many_to_one"): "classify",
    ("forecasting", "many_to_one"): "forecast",
    ("language_modelling", "many_to_many"): "continue",
    ("multilabel", "many_to_many"): "tag",
    ("multilabel", "many_to_one"): "classify",
    ("regression", "many_to_many"): "estimate_steps",
    ("regression", "many_to_one"): "estimate",
    ("sequence_generation", "encoder_decoder"): "rewrite",
    ("sequence_generation", "one_to_many"): "write",
    ("stroke_generation", "mixture_density"): "draw",
    ("tagging", "many_to_many"): "tag",
    ("transcription", "ctc"): "transcribe",
}

FIXED = ("model.", "task.", "seed", "training.batch_size", "training.window", "training.random_window", "training.k2")


def prepare(library: Library, overrides: list[str], config_name: str = "train") -> Composition:
    """Compose one job's config, take what the data suggests, and check it all.

    Args:
        library: the config files there are.
        overrides: one job's, as `jobs` returns them.
        config_name: the primary config.

    Raises:
        ValueError: data that cannot be read, where the data is asked for a suggestion.
    """
    try:
        return _prepare(library, overrides, config_name)
    except ConfigError as error:
        return Composition({}, {}, {}, Path(), {}, [], list(error.problems))


def prepare_one(library: Library, overrides: list[str], config_name: str) -> Composition:
    """Prepare the job of a command that has one only.

    Returns:
        The config, its problems after those of the overrides.
    """
    (job,), wrong = jobs(library, overrides)
    prepared = prepare(library, job, config_name)
    return prepared._replace(problems=prepared.all_problems(wrong))


def _prepare(library: Library, overrides: list[str], config_name: str) -> Composition:
    composition = compose(library, overrides, config_name)
    config = composition.config
    if config["resume"] is not None:
        return _resumed(composition, library, overrides, config_name)
    chosen = _chosen(composition, library, overrides, config_name)
    name = str(select(config, "data.name"))
    if name in STREAM_WINDOW:
        parts = {"task": "language_modelling", "model/head": "many_to_many"}
        found = [*_of_stream(config["data"], chosen), *_recipe(parts, chosen, composition, library)]
        return _taking(found, library, overrides, config_name)
    if chosen >= {"task", "model/head"}:
        return _checked(composition, library)
    problems = check(composition, library, decided=False)
    if problems:
        return composition._replace(problems=problems)
    from seqmodels.build import amended_source, build_source, suggestions

    import_plugins(config["plugins"])
    source = build_source(config)
    parts = _reconciled(suggestions(source), config)
    taken = {*chosen, "recipe"}
    found = [f"{n}={parts[n]}" for n in parts if n not in taken and not ("task" in chosen and n[:5] == "task.")]
    cut = chosen & {"training.window", "training.k2"}  # a recipe reads whole sequences from both ends
    found += [] if cut else _recipe(parts, chosen, composition, library)
    prepared = _taking(found, library, overrides, config_name)
    if prepared.problems:
        return prepared
    return prepared._replace(source=amended_source(source, config["data"], prepared.config["data"]))


def _reconciled(parts: dict[str, str], config: Plain) -> dict[str, str]:
    """Return what suits series, less what cannot go with what the user said."""
    if parts.get("task") != "forecasting":
        return parts
    if select(config, "task.output") == "negative_binomial":  # counts are levels, and their changes none
        parts = {name: value for name, value in parts.items() if name != "data.relative"}
    # The recipe corrects intervals on the validation split.
    return parts | ({} if select(config, "data.val_fraction") else {"task.conformal": "false"})


def _of_stream(data: Plain, chosen: set[str]) -> list[str]:
    """Return the settings that suit a stream, where nothing else says them."""
    found = [] if "training.window" in chosen else [f"training.window={STREAM_WINDOW[data['name']]}"]
    if data.get("level") == "word" and not chosen & {"data.min_count", "data.max_size"}:
        # Of a word that occurs once little is learned, and how unknown words behave nothing unless some are unknown.
        found.append("data.min_count=2")
    return found


def _taking(found: list[str], library: Library, overrides: list[str], config_name: str) -> Composition:
    """Compose with what was found to suit the data, which any override of the user's goes before."""
    composition = compose(library, [*(forced(library, one) for one in found), *overrides], config_name)
    return _checked(composition, library, " ".join(found))


def _recipe(parts: dict[str, str], chosen: set[str], composition: Composition, library: Library) -> list[str]:
    """Return the recipe of the data, or else of the task and head, where nothing else says how to train."""
    recipe = parts.get("recipe") or RECIPES.get((parts.get("task", ""), parts.get("model/head", "")))
    others = [group for group in ("task", "model/head") if composition.choices[group] != parts.get(group)]
    if recipe is None or "recipe" in chosen or composition.choices.get("experiment") or chosen & set(others):
        return []
    found = [f"recipe={recipe}"]
    if "optimizer" in chosen:
        rate = library.read("optimizer", str(composition.choices["optimizer"]))["lr"]  # its own, and no other's
        found.append(f"optimizer.lr={rate}")
    trainer = composition.config["trainer"]
    endless = trainer["max_epochs"] == -1 and trainer["max_steps"] == -1
    if (endless or "trainer.max_time" in chosen) and "scheduler" not in chosen:
        found.append("scheduler=none")  # one that ends with the last update might never get there
    return found


def _checked(composition: Composition, library: Library, taken: str = "") -> Composition:
    notes = [f"data={composition.choices['data']}: taking {taken}"] if taken else []
    return composition._replace(notes=[*composition.notes, *notes], problems=check(composition, library))


def _chosen(composition: Composition, library: Library, overrides: list[str], config_name: str) -> set[str]:
    """Return the groups and settings that the command line or the experiment chose."""
    chosen = names(overrides)
    experiment = composition.choices.get("experiment")
    files = [("experiment", experiment)] if experiment else []
    files += [("", config_name)] if config_name != "train" else []
    for group, option in files:
        content = library.read(group, str(option))
        defaults = content.pop("defaults", [])
        chosen |= {key for key, _ in settings(content)}
        for entry in defaults:
            if isinstance(entry, dict):
                chosen |= {str(key).removeprefix("override ").lstrip("/") for key in entry}
    return chosen


def _resumed(composition: Composition, library: Library, overrides: list[str], config_name: str) -> Composition:
    """Return the config of the run that is resumed, unless the command chooses parts anew; and its folder."""
    try:
        folder = run_folder(Path(str(composition.config["resume"])), "resume")
    except ConfigError as error:
        prepared = _checked(composition, library)
        return prepared._replace(problems=[*error.problems, *prepared.problems])
    given = names(overrides)
    if not given & {"run_dir", "hydra.run.dir"}:
        composition = composition._replace(run_dir=folder)
    resume = composition.config["resume"]
    saved, trusted = saved_config(folder, Path(str(resume))), composition.config["plugins"]
    if given & library.groups():  # the command of a new run, which may be the one that began this
        anew = _prepare(library, [*overrides, "++resume=null"], config_name)
        config, written = {**anew.config, "resume": resume}, {**anew.written, "resume": resume}
        prepared = anew._replace(config=config, written=written, run_dir=composition.run_dir)
    else:
        config = {**amend(saved, overrides), "plugins": trusted}
        written = amend_written(saved, overrides, config)
        prepared = _checked(composition._replace(config=config, schema=saved, written=written), library)
    problems = [*untrusted(saved, trusted, folder), *prepared.problems]
    problems = problems or [*_changed(saved, prepared.config), *_lost(prepared.config, folder)]
    return prepared._replace(problems=problems)


def untrusted(saved: Plain, trusted: list[str], folder: Path) -> list[str]:
    """Return the problem of a run with parts from packages that the user has not named: it imports none itself."""
    missing = [str(name) for name in saved.get("plugins") or [] if name not in trusted]
    if not missing:
        return []
    words = ", ".join(missing)
    return [f"plugins: {folder} is made of parts from {words}; if you trust them, add plugins=[{','.join(missing)}]"]


def _lost(config: Plain, folder: Path) -> list[str]:
    """Return the problem of data that are no longer where a run was trained on them."""
    path = select(config, "data.path")
    if not isinstance(path, str) or re.search(r"^\w+:|[*?\[]", path) or Path(path).expanduser().exists():
        return []
    return [
        f"data.path: the data of {folder} are not at {path!r} (from {str(Path.cwd())!r}): set data.path=THEIR_PLACE"
    ]


def _changed(saved: Plain, config: Plain) -> list[str]:
    """Return the problems of changes to what a resumed run's weights and its place in the data depend on."""
    before = dict(settings(resolved(saved)))
    return [
        f"{path}: cannot change in a run that is resumed: it was {before.get(path)!r}, is {value!r}"
        for path, value in settings(config)
        if path.startswith(FIXED) and value != before.get(path)
    ]
