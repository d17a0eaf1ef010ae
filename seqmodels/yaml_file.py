"""Reading of untrusted YAML files as plain values of bounded size."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from seqmodels.files.claims import check_values

# Largest number of bytes and values of a file; the config of a run has 3,000 and 200.
MOST_BYTES, MOST_VALUES = 1 << 20, 20_000
_BETWEEN = re.compile(r"[,:\n\[{?-]")


class _Loader(yaml.SafeLoader):
    """Safe loader without `<<`, by which a few lines expand to millions of values."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.constructor.ConstructorError(None, None, "merge keys (<<) are not read", node.start_mark)


def read_yaml(file: Path) -> Any:
    """Read the plain values of a YAML file.

    Raises:
        ValueError: invalid YAML, too large, or values that contain themselves.
        OSError: it cannot be read.
    """
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"{file} is larger than a config may be ({MOST_BYTES >> 20} MiB)")
    try:
        text = file.read_text(encoding="utf-8")
        if len(_BETWEEN.findall(text)) > 2 * MOST_VALUES:
            raise ValueError("it holds too many values")
        content = yaml.load(text, _Loader)
        check_values(content, MOST_VALUES)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        first = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{file} is no YAML of plain values: {first[:200]}") from error
    return content
