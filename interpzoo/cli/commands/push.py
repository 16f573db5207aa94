"""``interpzoo push``: from a folder or a name of the zoo to a repository of the Hub."""

from __future__ import annotations

import click

from interpzoo.cli.options import model_argument


@click.command(
    short_help="Push a model to the Hugging Face Hub.",
    epilog="""\b
Examples:
  interpzoo push ./runs/acai-mnist user/acai-mnist --private
  interpzoo push ./runs/acai-mnist someone/acai-mnist --create-pr
""",
)
@model_argument
@click.argument("repository")
@click.option("--private/--public", default=None, help="What a new repository is.")
@click.option("--revision", metavar="BRANCH", help="Commit to this branch; it is made if there is none.")
@click.option("--create-pr", is_flag=True, help="Propose the commit in a pull request.")
def command(name: str, repository: str, *, private: bool | None, revision: str | None, create_pr: bool) -> None:
    """Push the model NAME, a folder or one of 'interpzoo list', to REPOSITORY, which is 'user/repo', in one commit.

    A card that was edited on the Hub is kept, unless the folder's own was edited as well. Log in with 'hf auth login',
    or set HF_TOKEN.
    """
    from interpzoo.pretrained.locate import locate
    from interpzoo.pretrained.push import push

    pushed = push(locate(name).path, repository, private=private, revision=revision, create_pr=create_pr)
    click.echo(f"{pushed.url}\nload it with interpzoo.load('{pushed.repository}@{pushed.commit}')")
    click.echo(f'sha256 = "{pushed.sha256}"')
