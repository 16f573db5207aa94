"""``interpzoo push``: upload a model, or a page with models, to the Hugging Face Hub."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click

from interpzoo.cli.console import echo
from interpzoo.cli.options import model_argument


@click.command(
    short_help="Upload a model to the Hugging Face Hub.",
    epilog="""\b
Examples:
  interpzoo push ./runs/acai-mnist user/acai-mnist --private
  interpzoo push ./runs/acai-mnist someone/acai-mnist --create-pr
  interpzoo push ./runs/acai-mnist user/acai-mnist --demo user/digits
  interpzoo push ./interpzoo-demo --demo user/walks
""",
)
@model_argument
@click.argument("repository", required=False)
@click.option("--private/--public", default=None, help="Make a new repository private or public.")
@click.option("--revision", metavar="BRANCH", help="Branch to commit to; created if it does not exist.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing to the branch.")
@click.option(
    "--demo", "space", metavar="USER/SPACE", help="Also make a static Space of the page that 'interpzoo demo' writes."
)
def command(
    name: str,
    repository: str | None,
    *,
    private: bool | None,
    revision: str | None,
    create_pr: bool,
    space: str | None,
) -> None:
    """Upload the model NAME to REPOSITORY, a repository 'user/repo' on the Hugging Face Hub, in one commit.

    Log in with 'hf auth login' first, or set HF_TOKEN. A card that was edited on the Hub is kept, unless the folder's
    own card was edited as well.

    With --demo, the model's page becomes a static Space, to which its card links. Without a REPOSITORY only the Space
    is made, and NAME can be a folder that 'interpzoo demo' wrote, with several models.
    """
    if repository is None and space is None:
        raise click.UsageError("Missing argument 'REPOSITORY', or the option --demo")
    if space is not None:
        echo(f"{_push_demo(name, space, repository, private)}: the page")
    if repository is not None:
        _push_model(name, repository, private, revision, create_pr, space)


def _push_demo(name: str, space: str, repository: str | None, private: bool | None) -> str:
    """Upload the page in the folder NAME, or one of the model NAME; returns its address."""
    from interpzoo.demo import write_demo
    from interpzoo.demo.folder import is_demo
    from interpzoo.demo.push import push_demo

    models = [] if repository is None else [repository]
    if repository is None and is_demo(Path(name).expanduser()):
        return push_demo(name, space, private=private).url
    with TemporaryDirectory() as scratch:
        return push_demo(write_demo([name], Path(scratch, "page")), space, models=models, private=private).url


def _push_model(
    name: str, repository: str, private: bool | None, revision: str | None, create_pr: bool, space: str | None
) -> None:
    from interpzoo.config import UNKNOWN_LICENSE
    from interpzoo.pretrained.load import read_model
    from interpzoo.pretrained.locate import locate
    from interpzoo.pretrained.push import push

    found = locate(name)
    with TemporaryDirectory() as scratch:
        folder = found.path
        if found.foreign is not None:  # a folder that points to the model
            folder = read_model(found).save_pretrained(Path(scratch, "model"))
        pushed = push(folder, repository, private=private, revision=revision, create_pr=create_pr, demo=space)
    echo(pushed.url, f"load it with interpzoo.load('{pushed.repository}@{pushed.commit}')")
    echo(f'sha256 = "{pushed.sha256}"')
    if pushed.license == UNKNOWN_LICENSE:
        echo(
            "The license is 'unknown', because that of the training images is not known. If you know it, set "
            "'license:' at the top of the model's README.md, and push again.",
            err=True,
        )
