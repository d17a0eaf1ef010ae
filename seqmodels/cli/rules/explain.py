"""Settings in words: an option's meaning, and what it may be."""

from collections.abc import Iterator

from seqmodels.cli.config.library import Library
from seqmodels.cli.config.settings import Plain
from seqmodels.cli.rules.single import option_at
from seqmodels.parts import MISSING, Option, Part


def in_words(option: Option) -> str:
    """Return an option's meaning, and its choices or range in brackets.

    >>> from seqmodels.parts import shipped
    >>> in_words(shipped("cell")["elman"].options["nonlinearity"])
    '"tanh" or "relu" [one of tanh, relu]'
    """
    allowed = f"[{option.rule.words}]" if option.strict and option.rule is not None else ""
    return " ".join(filter(None, (option.meaning.rstrip("."), allowed)))


def described(part: Part, values: Plain) -> Iterator[str]:
    """Yield one line for each option of a part: name, value, meaning and range.

    Args:
        part: the part.
        values: of the options, where they are not the part's defaults.
    """
    shown = {name: _as_written(values.get(name, option.default)) for name, option in part.options.items()}
    width = max((len(f"{name}={value}") for name, value in shown.items()), default=0)
    for name, option in part.options.items():
        yield f"  {f'{name}={shown[name]}':{width}}  {in_words(option)}".rstrip()


def comment(path: str, schema: Plain, library: Library, choices: dict[str, str | None]) -> str:
    """Return what is known of a setting, by its dotted name; empty where nothing is."""
    option = option_at(path, schema)
    if option is not None:
        return in_words(option)
    names = path.split(".")
    groups = ("/".join(names[:depth]) for depth in range(len(names) - 1, 0, -1))
    group = next((group for group in groups if choices.get(group)), "")
    inside = ".".join(names[group.count("/") + 1 :] if group else names)
    return library.meaning(group, str(choices.get(group) or "train"), inside)


def _as_written(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return "..." if value == MISSING else str(value).replace("'", "")
