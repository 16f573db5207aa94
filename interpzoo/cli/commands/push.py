"""``interpzoo push``: upload a model to the Hugging Face Hub."""

import click

from interpzoo.cli.console import echo
from interpzoo.cli.options import model_argument


@click.command(
    short_help="Upload a model to the Hugging Face Hub.",
    epilog="""\b
Examples:
  interpzoo push ./runs/acai-mnist user/acai-mnist --private
  interpzoo push ./runs/acai-mnist someone/acai-mnist --create-pr
""",
)
@model_argument
@click.argument("repository")
@click.option("--private/--public", default=None, help="Make a new repository private or public.")
@click.option("--revision", metavar="BRANCH", help="Branch to commit to; created if it does not exist.")
@click.option("--create-pr", is_flag=True, help="Open a pull request instead of committing to the branch.")
def command(name: str, repository: str, *, private: bool | None, revision: str | None, create_pr: bool) -> None:
    """Upload the model NAME to REPOSITORY, a repository 'user/repo' on the Hugging Face Hub, in one commit.

    Log in with 'hf auth login' first, or set HF_TOKEN. A card that was edited on the Hub is kept, unless the folder's
    own card was edited as well.
    """
    from interpzoo.config import UNKNOWN_LICENSE
    from interpzoo.pretrained.locate import locate
    from interpzoo.pretrained.push import push

    pushed = push(locate(name).path, repository, private=private, revision=revision, create_pr=create_pr)
    echo(pushed.url, f"load it with interpzoo.load('{pushed.repository}@{pushed.commit}')")
    echo(f'sha256 = "{pushed.sha256}"')
    if pushed.license == UNKNOWN_LICENSE:
        echo(
            "The license is 'unknown', because that of the training images is not known. If you know it, set "
            "'license:' at the top of the model's README.md, and push again.",
            err=True,
        )
