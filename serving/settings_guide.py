"""The reference of the settings: `python -m customer_risk.serving.settings_guide > docs/reference/settings.md`.

Defaults come from the structs, and descriptions from the rows in the structs' docstrings.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from customer_risk.serving.settings import Settings

_COMMENTS_AT: Final = 44  # the column of the comments
_ROW: Final = re.compile(r"(?P<names>\w+(, \w+)*) {2,}(?P<text>\S.*)")
_PAGE: Final = """# Every setting

<!-- Written by `python -m customer_risk.serving.settings_guide`; a test compares it with the settings. -->

The file for `customer-risk serve --config`, with every setting at its default. A setting that is left out keeps its \
default. Options of the
command override the file. The server doesn't start with an unknown name or an invalid value; the error names it.

Guides: [running](../guide/operate.md), [tokens and limits](../guide/auth.md), [rules](../guide/fallback.md), \
[logs](../guide/telemetry.md),
[jobs and the store](../guide/jobs.md), [gRPC](../guide/protocols.md), [the record](../guide/record.md).

```yaml
{lines}
```
"""


def settings_guide() -> str:
    """Return the guide as Markdown."""
    return _PAGE.format(lines="\n".join(_lines(Settings())))


def descriptions(settings: type[msgspec.Struct]) -> dict[str, str]:
    """Return the description of each setting by name; raises ValueError if the docstring has a row for an unknown name.

    A row is `name   description`, or `name, name   description`; its further lines are indented.
    """
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(settings) or "").splitlines()[1:]:
        if row := _ROW.fullmatch(line):
            names = row["names"].split(", ")
            found |= dict.fromkeys(names, row["text"])
        elif line.startswith(" "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    if unknown := found.keys() - set(settings.__struct_fields__):
        raise ValueError(f"{settings.__name__} describes settings that it doesn't have: {', '.join(sorted(unknown))}.")
    return found


def _lines(settings: msgspec.Struct, indent: str = "") -> Iterator[str]:
    """Yield a line for each setting; raises ValueError if a setting has no description."""
    said = descriptions(type(settings))
    for name in settings.__struct_fields__:
        value = getattr(settings, name)
        if isinstance(value, msgspec.Struct):
            yield f"{indent}{name}:"
            yield from _lines(value, f"{indent}  ")
        elif name not in said:
            raise ValueError(f"{type(settings).__name__}.{name} has no row in the docstring.")
        else:
            yield f"{f'{indent}{name}: {_written(value)}':<{_COMMENTS_AT - 1}} # {said[name]}"


def _written(value: Any) -> str:
    """Return a default in one line of YAML."""
    if value == "":
        return '""'
    plain = msgspec.to_builtins(value)
    return yaml.safe_dump(list(plain) if isinstance(plain, tuple) else plain, default_flow_style=True).split("\n")[0]


if __name__ == "__main__":
    sys.stdout.write(settings_guide())
