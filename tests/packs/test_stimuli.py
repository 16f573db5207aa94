"""Packs of stimuli: what is in them, that they are the same on every run, and what a killed run leaves."""

from __future__ import annotations

import csv
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

import interpzoo
from interpzoo.errors import InputError, InterpzooError
from interpzoo.packs import pairs as pairs_module
from interpzoo.packs.frames import png16
from interpzoo.packs.pairs import folder_pairs, pairs_of
from tests.origins.tiny import write_tae
from tests.processes import TWO
from tests.tiny import random_images, tiny_model


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A table of three pairs of images, in a working directory with the model ``./model``."""
    monkeypatch.chdir(tmp_path)
    model = tiny_model()
    model.save_pretrained(tmp_path / "model")
    for number, picture in enumerate(random_images(6, model.config.image)):
        interpzoo.save_image(f"{number}.png", picture)
    Path("pairs.csv").write_text("first,second\n0.png,1.png\n2.png,3.png\n4.png,5.png\n")
    return tmp_path / "pairs.csv"


def rows_of(manifest: Path) -> list[dict[str, str]]:
    with manifest.open(newline="") as file:
        return [*csv.DictReader(file)]


def stopped_after(paths: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == paths:
            raise KeyboardInterrupt

    return progress


def test_a_pack_holds_the_frames_of_the_model_and_says_what_they_are(pairs: Path) -> None:
    manifest = interpzoo.stimuli("./model", pairs, "pack", steps=5, interpolators=["linear", "slerp"], format="npy")
    rows = rows_of(manifest)
    assert [row["path"] for row in rows] == [path for _ in range(3) for path in ("linear", "slerp") for _ in range(5)]
    assert rows[5]["file"] == "frames/slerp/0001/00.npy"
    model = interpzoo.load("./model")
    for number, path in enumerate(("linear", "slerp")):
        expected = model.interpolate("2.png", "3.png", 5, spacing="even", interpolator=path)
        some = rows[10 + 5 * number : 15 + 5 * number]
        found = torch.stack([torch.from_numpy(np.load(Path("pack", row["file"]))) for row in some])
        torch.testing.assert_close(found, expected)
        steps = expected.diff(dim=0).square().flatten(1).mean(1).sqrt()
        assert [float(row["pixels"]) for row in some] == pytest.approx([0, *steps.cumsum(0).tolist()], abs=1e-5)
        assert steps.max() / steps.min() <= 1.1
    assert (rows[0]["t"], rows[4]["t"]) == ("0.000000", "1.000000")
    for row in rows:
        assert hashlib.sha256(Path("pack", row["file"]).read_bytes()).hexdigest() == row["sha256"]
        assert hashlib.sha256(Path(row["first"]).read_bytes()).hexdigest() == row["first_sha256"]
    text = Path("pack/methods.md").read_text()
    assert "between the two images of each of 3 pairs (30 images in all, arrays of float32)" in text
    assert rows[0]["weights_sha256"] in text
    with Image.open("pack/contact/0001.png") as sheet:
        assert sheet.height == 6 * 16 + 5 * 2
    assert not Path("pack/experiment.html").exists()  # browsers show no arrays


def test_pictures_have_the_frames_at_the_positions_that_were_chosen(pairs: Path) -> None:
    for form in ("png", "png16"):
        rows = rows_of(interpzoo.stimuli("./model", pairs, form, t=[0, 0.25, 1], format=form))  # type: ignore[arg-type]
        assert [row["t"] for row in rows[:3]] == ["0.000000", "0.250000", "1.000000"]
        expected = interpzoo.load("./model").interpolate("0.png", "1.png", t=[0, 0.25, 1]).clamp(0, 1)
        for row, frame in zip(rows, expected, strict=False):
            with Image.open(Path(form, row["file"])) as image:
                found = torch.from_numpy(np.asarray(image).astype(np.float32)) / (255 if form == "png" else 65535)
            torch.testing.assert_close(found, frame[0], atol=0.51 / (255 if form == "png" else 65535), rtol=0)
        page = Path(form, "experiment.html").read_text()
        assert 'fetch("manifest.csv")' in page
        compile(Path(form, "experiment.py").read_text(), "experiment.py", "exec")


def test_another_program_reads_pictures_of_16_bits_in_color(tmp_path: Path) -> None:
    frame = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(0))
    (tmp_path / "x.png").write_bytes(png16(frame))
    with av.open(str(tmp_path / "x.png")) as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb48le")
    assert np.array_equal(pixels, frame.mul(65535).round().permute(1, 2, 0).numpy().astype(np.uint16))


def test_a_second_run_and_other_threads_give_the_same_bytes(pairs: Path) -> None:
    first = interpzoo.stimuli("./model", pairs, "a", steps=3)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        second = interpzoo.stimuli("./model", pairs, "b", steps=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert first.read_bytes() == second.read_bytes()


def test_a_run_that_was_stopped_goes_on_and_loses_nothing(pairs: Path) -> None:
    whole = interpzoo.stimuli("./model", pairs, "whole", steps=3)
    with pytest.raises(KeyboardInterrupt):
        interpzoo.stimuli("./model", pairs, "pack", steps=3, progress=stopped_after(2))
    part = Path("pack/manifest.unfinished.csv")
    assert len(rows_of(part)) == 6
    part.write_text(part.read_text() + whole.read_text().splitlines()[7] + "\nframes/00")  # killed while it wrote a row
    Path("pack/frames/.0123456789abcdef.tmp").mkdir()
    calls: list[int] = []
    manifest = interpzoo.stimuli("./model", pairs, "pack", steps=3, progress=lambda done, _: calls.append(done))
    assert calls == [2, 3]
    assert manifest.read_bytes() == whole.read_bytes()
    for name in ("whole", "pack"):
        files = sorted(str(file.relative_to(name)) for file in Path(name).rglob("*") if file.is_file())
        assert len([file for file in files if file.startswith("frames")]) == 9, files
    assert Path("pack/contact/0001.png").read_bytes() == Path("whole/contact/0001.png").read_bytes()
    Path("pack", rows_of(manifest)[4]["file"]).write_bytes(b"damaged")
    calls.clear()
    assert (
        interpzoo.stimuli("./model", pairs, "pack", steps=3, progress=lambda done, _: calls.append(done)).read_bytes()
        == whole.read_bytes()
    )
    assert calls == [1, 2, 3]
    calls.clear()
    interpzoo.stimuli("./model", pairs, "pack", steps=3, progress=lambda done, _: calls.append(done))
    assert calls == [3]


@pytest.mark.parametrize("damage", [b"\xff\xfe\n", b"x" * 200_000 + b"\n", b'"' + b"x\n" * 100_000, b"\0\n"], ids=len)
def test_what_is_damaged_at_the_end_of_a_manifest_is_left_out(pairs: Path, damage: bytes) -> None:
    whole = interpzoo.stimuli("./model", pairs, "pack", steps=2)
    text = whole.read_bytes()
    whole.write_bytes(text + damage)
    Path("pack/methods.md").unlink()
    calls: list[int] = []
    interpzoo.stimuli("./model", pairs, "pack", steps=2, progress=lambda done, _: calls.append(done))
    assert (calls, whole.read_bytes()) == ([3], text)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are not text")
def test_names_of_images_need_not_be_text(pairs: Path) -> None:
    odd = Path(os.fsdecode(b"\xff.png"))
    Path("0.png").rename(odd)
    for _ in range(2):
        rows = rows_of(interpzoo.stimuli("./model", [(odd, "1.png")], "pack", steps=2))
        assert rows[0]["first"] == r"\udcff.png"


def test_a_pack_goes_on_only_with_what_it_was_made_of(pairs: Path) -> None:
    interpzoo.stimuli("./model", pairs, "pack", steps=3)
    with pytest.raises(InterpzooError, match="'pack' holds other stimuli: steps was 3, is 4: use the same arguments"):
        interpzoo.stimuli("./model", pairs, "pack", steps=4)
    tiny_model(seed=1).save_pretrained("other")
    with pytest.raises(InterpzooError, match="holds other stimuli: conditions was"):
        interpzoo.stimuli("./other", pairs, "pack", steps=3)
    Path("0.png").write_bytes(Path("1.png").read_bytes())
    with pytest.raises(InterpzooError, match=r"0\.png' is not the image that frames of pair '0001' were made from"):
        interpzoo.stimuli("./model", pairs, "pack", steps=3)


@pytest.mark.parametrize("cut", [1, 2])
def test_a_row_that_was_cut_in_its_last_column_is_written_again(pairs: Path, cut: int) -> None:
    whole = interpzoo.stimuli("./model", pairs, "pack", steps=3).read_bytes()
    Path("pack/manifest.csv").unlink()
    Path("pack/manifest.unfinished.csv").write_bytes(whole[:-cut])
    assert interpzoo.stimuli("./model", pairs, "pack", steps=3).read_bytes() == whole


def test_a_pack_is_made_with_somebody_elses_model(pairs: Path) -> None:
    write_tae(Path("tae"))
    manifest = interpzoo.stimuli("tae:./tae", pairs, "pack", steps=3)
    assert {(row["model"], row["revision"]) for row in rows_of(manifest)} == {("tae", "")}
    assert len({row["weights_sha256"] for row in rows_of(manifest)}) == 1


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.* pairs have the same image twice")  # as some of these
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not(pairs: Path) -> None:
    files = [[f"{number % 5}.png", f"{number % 4 + 1}.png"] for number in range(120)]
    code = f"import interpzoo; interpzoo.stimuli('./model', {files!r}, 'pack', steps=3)"
    whole = interpzoo.stimuli("./model", files, "whole", steps=3)
    killed = 0
    while not Path("pack/manifest.csv").is_file():
        process = subprocess.Popen([sys.executable, "-c", code])
        started = time.monotonic()
        there = len(rows_of(part)) if (part := Path("pack/manifest.unfinished.csv")).is_file() else 0
        while process.poll() is None and killed < 3:
            if part.is_file() and len(rows_of(part)) > there + 30:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                break
            assert time.monotonic() < started + 60
        process.wait()
    assert killed == 3
    assert Path("pack/manifest.csv").read_bytes() == whole.read_bytes()
    assert len([*Path("pack/frames").rglob("*")]) == 120 * 4


@pytest.mark.slow
def test_two_processes_make_the_pack_that_one_makes(pairs: Path) -> None:
    interpzoo.stimuli("./model", pairs, "whole", steps=3)
    command = ["-m", "interpzoo", "stimuli", "./model", "pairs.csv", "--steps", "3", "-o", "shared"]
    done = subprocess.run([sys.executable, *TWO, *command], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "shared/manifest.csv: 3 paths\n"), done.stderr
    names = sorted(str(file.relative_to("whole")) for file in Path("whole").rglob("*"))
    assert sorted(str(file.relative_to("shared")) for file in Path("shared").rglob("*")) == names
    for name in names:
        if Path("whole", name).is_file():
            assert Path("shared", name).read_bytes() == Path("whole", name).read_bytes(), name


def test_paths_of_a_run_of_several_processes_are_not_made_again(pairs: Path) -> None:
    whole = interpzoo.stimuli("./model", pairs, "pack", steps=3).read_bytes()
    lines = whole.decode().splitlines(keepends=True)
    Path("pack/manifest.csv").unlink()
    Path("pack/manifest.parts").mkdir()
    Path("pack/manifest.parts/1.csv").write_text("".join([lines[0], *lines[4:7]]))
    made = Path(rows_of(Path("pack/manifest.parts/1.csv"))[0]["file"]).parent
    before = Path("pack", made).stat().st_ino
    with pytest.raises(InterpzooError, match="'pack' holds other stimuli: steps was 3, is 4"):
        interpzoo.stimuli("./model", pairs, "pack", steps=4)
    assert interpzoo.stimuli("./model", pairs, "pack", steps=3).read_bytes() == whole
    assert Path("pack", made).stat().st_ino == before
    assert not Path("pack/manifest.parts").exists()


def test_a_second_run_in_one_folder_is_refused(pairs: Path) -> None:
    def second(done: int, total: int) -> None:
        if done == 1:
            with pytest.raises(InterpzooError, match="another process is writing to 'pack': wait until"):
                interpzoo.stimuli("./model", pairs, "pack", steps=3)

    manifest = interpzoo.stimuli("./model", pairs, "pack", steps=3, progress=second)
    assert len(rows_of(manifest)) == 3 * 3
    Path("pack/.run.lock").touch()  # as a killed run leaves it
    assert interpzoo.stimuli("./model", pairs, "pack", steps=3) == manifest
    assert not Path("pack/.run.lock").exists()


def test_pairs_are_tables_and_folders(pairs: Path) -> None:
    for number, text in enumerate(
        (
            "pair,first,second\na,0.png,1.png\nb,2.png,3.png\n",
            "\ufeffsecond;pair;first;age\r\n1.png;a;0.png;3\r\n3.png;b;2.png;4\r\n",
            'pair\tfirst\tsecond\na\t"0.png"\t1.png\nb\t2.png\t3.png',
            'pair, first , second\na , "0.png", 1.png \n\n b, 2.png, 3.png\n',
        )
    ):
        Path(f"{number}.csv").write_text(text, "utf-8", newline="")
        found = [(pair.name, pair.first.name, pair.second.name) for pair in pairs_of(f"{number}.csv")]
        assert found == [("a", "0.png", "1.png"), ("b", "2.png", "3.png")]
    assert pairs_of([("0.png", Path("1.png"))])[0].name == "0001"
    for folder, names in (("a", ("2", "10")), ("b", ("1", "3"))):
        Path(folder).mkdir()
        for name in names:
            Path(folder, f"{name}.png").write_bytes(Path("0.png").read_bytes())
    rows = folder_pairs("a", "b")
    assert [(x.name, y.name) for x, y in rows] == [("2.png", "1.png"), ("10.png", "3.png")]
    assert len(folder_pairs("a", "b", every=True)) == 4
    Path("b/4.png").write_bytes(b"")
    with pytest.raises(InterpzooError, match="'a' has 2 images and 'b' has 3: expected the same number in each, or "):
        folder_pairs("a", "b")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_table_in_another_encoding_says_how_to_save_it(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("first,second\nµ.png,b.png\n", encoding)
    with pytest.raises(InputError, match=r"cannot be read: it is not text in UTF-8: save it as 'CSV UTF-8'$"):
        pairs_of(tmp_path / "pairs.csv")


def test_a_name_in_a_table_may_hold_what_ends_a_line_elsewhere(tmp_path: Path) -> None:
    names = ["a\nb.png", *(f"a{end}b.png" for end in "\v\f\x1c\x85\u2028\u2029"), "a\r\nb.png"]
    for name in names:
        (tmp_path / name).touch()
    for end in ("\n", "\r\n", "\r"):
        rows = [
            ",".join(f'"{name}"' for name in row)
            for row in (("first", "second"), *zip(names, names[1:] + names[:1], strict=True))
        ]
        (tmp_path / "pairs.csv").write_text(end.join(rows), "utf-8", newline="")
        assert [pair.first.name for pair in pairs_of(tmp_path / "pairs.csv")] == names


def test_an_image_is_not_paired_with_itself(pairs: Path) -> None:
    for folder in ("one", "two"):
        Path(folder).mkdir()
    for number in range(8):
        Path("one", f"{number}.png").write_bytes(Path("0.png").read_bytes())
    with pytest.raises(InterpzooError, match="'one' comes twice, and each of its images would be paired with itself"):
        folder_pairs("one", "./two/../one")
    found = folder_pairs("one", "one", every=True)
    assert len(found) == 28
    assert len({frozenset(pair) for pair in found if pair[0] != pair[1]}) == 28
    Path("twice.csv").write_text("first,second\n0.png,1.png\n2.png,./2.png\n")
    with pytest.warns(UserWarning, match=r"1 of 2 pairs have the same image twice.*'twice\.csv', line 3: '2\.png'"):
        assert len(pairs_of("twice.csv")) == 2


def test_errors_of_an_image_name_its_row(pairs: Path) -> None:
    Path("pairs.csv").write_text("first,second\n0.png,1.png\n\n2.png,nobody.png\n")
    with pytest.raises(InterpzooError, match=r"^'pairs\.csv', line 4: 'nobody\.png': No such file"):
        interpzoo.stimuli("./model", "pairs.csv", "pack")
    Path("nobody.png").write_bytes(b"no picture")
    with pytest.raises(InterpzooError, match=r"^'pairs\.csv', line 4: 'nobody\.png'"):
        interpzoo.stimuli("./model", "pairs.csv", "pack")
    with pytest.raises(InterpzooError, match=r"^pair 2: 'nobody\.png'"):
        interpzoo.stimuli("./model", [("0.png", "1.png"), ("2.png", "nobody.png")], "other")


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"models": []}, "models is empty"),
    ({"models": ["./model", "./model"]}, "two of the models or paths are named 'ae-tiny'"),
    ({"models": "no-such"}, "no-such"),
    ({"pairs": "nowhere.csv"}, "nowhere.csv' cannot be read: No such file"),
    ({"pairs": []}, "0 pairs of images: expected 1 to 100,000"),
    ({"pairs": [("0.png",)]}, "pair 1 has 1 images: expected two"),
    ({"pairs": 3}, "pairs = 3: expected a CSV file or pairs of image files"),
    ({"pairs": [(1, 2)]}, "1 is not the path of an image"),
    ({"pairs": "head.csv"}, "'a,b': expected the columns first,second or pair,first,second"),
    ({"pairs": "gap.csv"}, "line 3: expected an image in each of first and second"),
    ({"pairs": "names.csv"}, "the pair is named '../x': expected letters"),
    ({"pairs": "twice.csv"}, "line 3: another pair is named 'x' too"),
    ({"pairs": [("0.png", "no.png")]}, "no.png"),
    ({"steps": 1}, "steps = 1: expected a whole number from 2"),
    ({"t": []}, "t has 0 positions"),
    ({"spacing": "odd"}, "spacing = 'odd'"),
    ({"format": "jpg"}, "format = 'jpg': expected 'png' or 'png16' or 'npy'"),
    ({"size": 3}, r"size = 3: expected \(height, width\)"),
    ({"output": "model"}, "it has files already"),
    ({"interpolators": ["nowhere"]}, "nowhere"),
]


def test_wrong_arguments_are_one_line(pairs: Path) -> None:
    Path("head.csv").write_text("a,b\n0.png,1.png\n")
    Path("gap.csv").write_text("first,second\n0.png,1.png\n2.png\n")
    Path("names.csv").write_text("pair,first,second\n../x,0.png,1.png\n")
    Path("twice.csv").write_text("pair,first,second\nx,0.png,1.png\nx,2.png,3.png\n")
    for changes, message in WRONG:
        with pytest.raises(InterpzooError, match=message):
            interpzoo.stimuli(**{"models": "./model", "pairs": pairs, "output": "pack", "steps": 2, **changes})


def test_the_number_of_pairs_is_limited(pairs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs_module, "MOST_PAIRS", 2)
    with pytest.raises(InterpzooError, match="3 pairs of images: expected 1 to 2"):
        interpzoo.stimuli("./model", pairs, "pack")
