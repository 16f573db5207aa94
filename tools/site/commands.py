"""The reference of the commands, made from what they say of themselves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import click

from interpzoo.cli.app import COMMANDS, group


def write(folder: Path) -> None:
    """Write a page for each command, and a page that lists them."""
    folder.mkdir(parents=True)
    parent = click.Context(group, info_name="interpzoo")
    rows: list[str] = []
    for name in COMMANDS:
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=parent)
        (folder / f"{name}.md").write_text("\n".join(_page(command, context)), "utf-8")
        rows.append(f"| [`interpzoo {name}`]({name}.md) | {command.get_short_help_str(200)} |")
    head = "# Commands\n\nEvery command also says this of itself with `--help`.\n\n"
    head += "| command | what it does |\n| --- | --- |\n"
    pages = "\n".join(COMMANDS)
    tree = f"\n\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n"
    (folder / "index.md").write_text(head + "\n".join(rows) + tree, "utf-8")


def _page(command: click.Command, context: click.Context) -> Iterator[str]:
    yield f"# {context.command_path}\n"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{context.command_path} {usage}\n```\n"
    yield from (f"{paragraph}\n" for paragraph in _paragraphs(command.help or ""))
    options = [param for param in command.get_params(context) if isinstance(param, click.Option)]
    yield "## Options\n"
    yield "| option | what it does |\n| --- | --- |"
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            yield f"| {_code(record[0])} | {_cell(record[1])} |"
    if command.epilog:
        title, *lines = inspect.cleandoc(command.epilog).replace("\b\n", "").splitlines()
        yield f"\n## {title.rstrip(':')}\n\n```sh\n" + "\n".join(line.strip() for line in lines) + "\n```\n"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in inspect.cleandoc(text).replace("\f", "").split("\n\n"):
        listed = paragraph.startswith("\b\n")
        yield f"```text\n{paragraph[2:]}\n```" if listed else " ".join(paragraph.split())


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
