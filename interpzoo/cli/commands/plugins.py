"""``interpzoo plugins``: what each plugin registers, and which could not be loaded."""

from collections.abc import Iterator
from typing import Any

import click

from interpzoo.cli.console import echo, echo_json, fields
from interpzoo.cli.options import json_option
from interpzoo.plugins import Plugin, Zoo, discover


@click.command(
    short_help="List the plugins and what each registers.",
    epilog="""\b
Examples:
  interpzoo plugins
  INTERPZOO_DISABLE_PLUGINS=timm interpzoo plugins --json
""",
)
@json_option
def command(*, as_json: bool) -> None:
    """List the plugins: what each one registers, how long it took to load, or why it was not loaded.

    Names that several plugins register are listed at the end; write 'plugin:name' to choose one.
    """
    # `zoo` would also print the problems on stderr.
    found = discover()
    if as_json:
        plugins = [_described(found, plugin) for plugin in found.plugins]
        echo_json({"plugins": plugins, "clashes": _clashes(found), "damaged": found.damaged})
    else:
        echo(*_lines(found))


def _lines(found: Zoo) -> Iterator[str]:
    for plugin in found.plugins:
        state = f"loaded in {plugin.milliseconds:.1f} ms" if plugin.status == "loaded" else plugin.status
        yield f"{plugin.owner.plugin} ({plugin.owner.distribution} {plugin.owner.version}): {state}"
        names = {kind: ", ".join(names) for kind, names in _registered(found, plugin).items()}
        yield from fields({"reason": plugin.reason, **names})
    yield from found.damaged
    for clash in _clashes(found):
        yield f"clash: {clash['kind']} {clash['name']!r}"
        yield from fields({"by": " and ".join(clash["owners"]), "write": " or ".join(clash["write"])})


def _registered(found: Zoo, plugin: Plugin) -> dict[str, list[str]]:
    names = {
        table.kind: [row.name for row in table if row.owner.plugin == plugin.owner.plugin]
        for table in found.registry.tables()
    }
    return {kind: rows for kind, rows in names.items() if rows}


def _clashes(found: Zoo) -> list[dict[str, Any]]:
    return [
        {
            "kind": table.kind,
            "name": rows[0].name,
            "owners": [str(row.owner) for row in rows],
            "write": [row.qualified for row in rows],
        }
        for table in found.registry.tables()
        for rows in table.clashes()
    ]


def _described(found: Zoo, plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.owner.plugin,
        "distribution": plugin.owner.distribution,
        "version": plugin.owner.version,
        "status": plugin.status,
        "reason": plugin.reason,
        "milliseconds": round(plugin.milliseconds, 3),
        "registers": _registered(found, plugin),
    }
