"""The folder of a run: who may write to it, and what is left of it when a run fails."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote

from interpzoo.errors import OutputError
from interpzoo.files import is_leftover, locked, made
from interpzoo.pretrained.folder import CHECKPOINT, CONFIG, FORMER, WEIGHTS, claim_folder
from interpzoo.pretrained.locate import as_path
from interpzoo.training.checkpoint import Position, find_checkpoint, read_position


def position_in(folder: Path, *, resume: bool, total: int, batch_size: int) -> Position | None:
    """Where the run to be resumed stands; ``None`` for a new one.

    Raises:
        OutputError: the folder holds a training, finished or not, that this run would not continue.
        TrainingError: there is nothing to resume.
        WeightsError: the checkpoint is damaged.
    """
    finished = not (folder / CHECKPOINT).exists() and (folder / WEIGHTS).exists()
    position = None
    if resume and (not finished or (folder / FORMER).exists()):
        position = read_position(find_checkpoint(folder))
        if position.steps < total or not finished:
            return position
    if finished:
        raise OutputError(_trained_already(folder, None if position is None else position.steps * batch_size))
    if (folder / CHECKPOINT).exists() or (folder / FORMER).exists():
        raise OutputError(
            f"{folder} already holds a training: continue with --resume, or choose an empty or a new folder"
        )
    return None


def _trained_already(folder: Path, samples: int | None) -> str:
    text = f"{folder} is trained already: choose an empty or a new folder"
    if not (folder / CONFIG).exists():
        # Networks of the user's own leave weights without a config, which cannot be fine-tuned.
        return text
    if (folder / FORMER).exists():
        seen = "" if samples is None else f" (it has seen {samples})"
        text += f", extend it with --resume --set training.samples=N{seen}"
    return f"{text}, or fine-tune it with --from {quote(as_path(folder))} (start_from in Python)"


@contextmanager
def claimed(folder: Path) -> Generator[None, None, None]:
    """Make the folder, and remove it again if the run fails before it has written anything.

    Raises:
        OutputError: it holds something else, another run writes to it, or it cannot be written to.
        KeyboardInterrupt: the run was interrupted; the message says how to continue, if there is a checkpoint.
    """
    try:
        with made(folder), locked(claim_folder(folder)):
            yield
    except KeyboardInterrupt as error:
        if not error.args and (folder / CHECKPOINT).is_file():
            raise KeyboardInterrupt("interrupted after the last checkpoint: continue with --resume") from None
        raise


def finish(folder: Path) -> None:
    """Keep the last checkpoint of a finished run under another name, and remove what killed processes left."""
    if (folder / CHECKPOINT).exists():
        (folder / CHECKPOINT).replace(folder / FORMER)
    for leftover in [path for path in folder.iterdir() if is_leftover(path)]:
        leftover.unlink(missing_ok=True)
