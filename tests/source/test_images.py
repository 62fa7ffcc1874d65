"""Folders of images: the numbers in the files, upright and of one size, and never another's."""

from __future__ import annotations

import os
import pickle
import re
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import nacre
from nacre.contract import Array
from nacre.errors import BadInput, BadParameter, MissingExtra, NotFound, SameId
from nacre.record import Gone, Seen, seen_by
from nacre.source import images
from nacre.source.images import Folder
from nacre.source.kept import kept_of
from nacre.source.pixels import ORIENTATION, Unread, looked_at
from nacre.source.read import plan_of, read
from nacre.writing import predict_to
from tests.source.learners import Means
from tests.source.refusal import refused
from tests.source.test_remote import SECRET, Ranged, served

LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {},
    "bmp": {},
    "gif": {},
    "tif": {"compression": "tiff_lzw"},
    "tiff": {},
    "webp": {"lossless": True},
}


def greys(n: int = 40, height: int = 5, width: int = 7) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, height, width)).astype(np.uint8)


def colours(n: int = 6, height: int = 5, width: int = 7) -> Any:
    return np.random.default_rng(1).integers(0, 256, (n, height, width, 3)).astype(np.uint8)


def saved(folder: Path, X: Array, end: str = "png") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i, pixels in enumerate(X):
        Image.fromarray(pixels).save(folder / f"{i:03}.{end}", **LOSSLESS.get(end, {}))
    return folder


def one(folder: Path, image: Image.Image, name: str = "0.png", **options: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    image.save(folder / name, **options)
    return folder


def rows_of(data: Any, **options: Any) -> Array:
    """All rows in the order of reading."""
    plan = plan_of(read(data, **options))
    return np.concatenate([b.X for i in plan.reading_order for b in plan.shards[i].read()])


def flat(X: Array) -> Any:
    return X.reshape(len(X), -1).astype(np.float32)


@pytest.mark.parametrize("engine", ["serial", "threads:2", "processes:2"])
@pytest.mark.parametrize("memory", [None, "1MB"])
def test_a_folder_is_the_array_of_its_pixels(engine: str, memory: Any, tmp_path: Path) -> None:
    X = greys()
    asked = read(saved(tmp_path, X), id="x", shard_rows=9)
    of_files = nacre.KMeans(3, random_state=0).fit(asked, engine=engine, memory=memory)
    array = read(flat(X), id="x", shard_rows=9)
    of_array = nacre.KMeans(3, random_state=0).fit(array, engine="serial")
    assert of_files.state_.digest == of_array.state_.digest
    assert of_files.state_.schema.dtype == "float32"


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 30), shard_rows=st.integers(1, 12), order=st.randoms())
def test_shards_in_any_order(
    n: int, shard_rows: int, order: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    X = greys(n)
    plan = plan_of(read(saved(tmp_path_factory.mktemp("images"), X), shard_rows=shard_rows))
    shards = pickle.loads(pickle.dumps(list(plan.shards)))
    order.shuffle(shards)
    for shard in shards:
        assert shard.reader.n_rows == shard.rows  # it carries the names of its own files alone
        (batch,) = shard.read()
        np.testing.assert_array_equal(batch.X, flat(X)[shard.first : shard.stop])
        np.testing.assert_array_equal(batch.ids["position"], range(shard.first, shard.stop))


@pytest.mark.parametrize("end", LOSSLESS)
def test_every_format(end: str, tmp_path: Path) -> None:
    if end != "webp":  # which has no greys
        saved(tmp_path / "grey", greys(4), end)
        np.testing.assert_array_equal(rows_of(tmp_path / "grey"), flat(greys(4)))
    if end != "gif":  # which has no colours but 256
        saved(tmp_path / "colour", colours(), end)
        np.testing.assert_array_equal(rows_of(tmp_path / "colour"), flat(colours()))


def test_jpeg_and_names_of_another_format(tmp_path: Path) -> None:
    Image.fromarray(colours()[0]).save(tmp_path / "a.jpg")
    Image.fromarray(colours()[1]).save(tmp_path / "b.JPEG", "PNG")
    X = rows_of(tmp_path)
    expected = np.asarray(Image.open(tmp_path / "a.jpg"), np.float32).reshape(-1)
    np.testing.assert_array_equal(X, [expected, flat(colours())[1]])


def test_what_a_folder_is_called(tmp_path: Path) -> None:
    """The id of a folder is the same however it is found."""
    photos = tmp_path / "photos"
    saved(photos / "cat", greys(3))
    saved(photos / "dog" / "old", greys(2))
    for data in (photos, f"{photos}/**/*.png"):
        assert {k: v.n_rows for k, v in plan_of(data).ids.items()} == {"cat": 3, "dog/old": 2}
    alone = [photos / "cat", f"{photos}/cat/*.png", photos / "cat" / "000.png"]
    assert [list(plan_of(data).ids) for data in alone] == [["cat"]] * 3
    assert list(plan_of([photos / "cat", photos / "dog" / "old"]).ids) == ["cat", "old"]
    assert list(plan_of(read(photos, root=tmp_path)).ids) == ["photos/cat", "photos/dog/old"]
    assert list(plan_of(read(photos / "cat", id="today")).ids) == ["today"]
    refused(BadParameter, lambda: plan_of(read(photos, id="today")), "2 files, or folders", "root=")
    saved(tmp_path / "more" / "cat", greys(3))
    both = [photos / "cat", tmp_path / "more" / "cat"]
    refused(SameId, lambda: plan_of(both), "under the id 'cat/000.png'", "root=")
    plan = plan_of(read(photos, y="folder", time={"cat": 5, "dog/old": 7}))
    assert plan.head().y.tolist() == ["cat"] * 3 + ["old"] * 2  # type: ignore[union-attr]
    assert plan.shards[0].where == f"{photos}/cat rows 0 to 2"


def test_later_images_are_read_as_those_of_the_fit(tmp_path: Path) -> None:
    small, large = saved(tmp_path / "small", greys(3)), saved(tmp_path / "large", greys(3, 8, 8))
    fitted = Means().fit(small)
    assert fitted.feature_names_in_[:2].tolist() == ["y0x0", "y0x1"]
    np.testing.assert_array_equal(fitted.predict(small), flat(greys(3)).sum(axis=1))
    error = ("8 x 8 pixels, grey", "5 x 7 pixels, grey, as in the fit", "image_size=(5, 7)", "000")
    refused(BadInput, lambda: fitted.predict(large), *error)
    assert fitted.predict(read(large, image_size=(5, 7))).shape == (3,)
    call = lambda: fitted.predict(read(small, image_size=(7, 5)))  # noqa: E731
    refused(BadInput, call, "feature names should match", "y0x5")
    call = lambda: fitted.predict(read(small, image_size=(3, 3)))  # noqa: E731
    refused(BadInput, call, "X has 9 features")
    of_array = Means().fit(flat(greys(3)))
    np.testing.assert_array_equal(of_array.predict(small), fitted.predict(small))


def test_images_of_several_sizes(tmp_path: Path) -> None:
    saved(tmp_path, greys(3))
    one(tmp_path, Image.new("L", (9, 2)), "001.png")
    one(tmp_path, Image.new("L", (3, 3)), "002.png")
    texts = ("001.png", "2 x 9 pixels", "5 x 7 pixels", "000.png", "image_size=(5, 7)")
    refused(BadInput, lambda: Means().fit(tmp_path, engine="threads:2"), *texts)
    refused(BadInput, lambda: Means().fit(read(tmp_path, bad="skip")), *texts)
    X = rows_of(tmp_path, image_size=(5, 7))
    np.testing.assert_array_equal(X[0], flat(greys(1))[0])


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 4), width=st.integers(1, 4), by=st.integers(1, 5))
def test_a_smaller_image_has_the_means_of_its_pixels(
    height: int, width: int, by: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    X = greys(1, height * by, width * by)
    folder = saved(tmp_path_factory.mktemp("images"), X)
    got = rows_of(folder, image_size=(height, width))
    means = X.reshape(height, by, width, by).mean(axis=(1, 3)).reshape(1, -1)
    np.testing.assert_allclose(got, means, atol=1)  # it is rounded in both directions


def test_a_large_jpeg_is_decoded_at_a_part_of_its_size(tmp_path: Path) -> None:
    y, x = np.mgrid[0:256, 0:512]
    soft = np.stack([x // 2, y, (x + y) // 3], axis=2).astype(np.uint8)
    folder = one(tmp_path, Image.fromarray(soft), "0.jpg", quality=95)
    got = rows_of(folder, image_size=(16, 32)).reshape(16, 32, 3)
    np.testing.assert_allclose(got, soft.reshape(16, 16, 32, 16, 3).mean(axis=(1, 3)), atol=4)


def test_greys_among_colours_and_colours_among_greys(tmp_path: Path) -> None:
    saved(tmp_path, colours(3))
    one(tmp_path, Image.fromarray(greys(1)[0]), "001.png")
    np.testing.assert_array_equal(rows_of(tmp_path)[1], np.repeat(greys(1)[0].reshape(-1), 3))
    one(tmp_path, Image.fromarray(greys(1)[0]), "000.png")
    texts = ("002.png", "in colour", "grey, as in", "000.png", 'image_mode="RGB"')
    refused(BadInput, lambda: rows_of(tmp_path), *texts)
    assert rows_of(tmp_path, image_mode="RGB").shape == (3, 105)
    luma = np.asarray(Image.fromarray(colours(3)[2]).convert("L"), np.float32)
    np.testing.assert_array_equal(rows_of(tmp_path, image_mode="L")[2], luma.reshape(-1))


def test_sixteen_bits_keep_what_they_say(tmp_path: Path) -> None:
    deep = np.array([[0, 1, 257], [4095, 65534, 65535]], np.uint16)
    for end in ("png", "tif"):
        folder = one(tmp_path / end, Image.fromarray(deep), f"0.{end}")
        exact = (deep.astype(np.float32) / np.float32(257)).reshape(1, -1)
        np.testing.assert_array_equal(rows_of(folder), exact)
        got = rows_of(folder, image_mode="RGB")
        np.testing.assert_array_equal(got, np.repeat(exact, 3, axis=1))
        means = deep.mean(axis=0, dtype=float) / 257
        np.testing.assert_allclose(rows_of(folder, image_size=(1, 3))[0], means, rtol=1e-6)


def test_what_is_seen_through_is_white(tmp_path: Path) -> None:
    half = np.zeros((1, 3, 4), np.uint8)
    half[0, :, 0], half[0, :, 3] = 200, (0, 127, 255)
    folder = one(tmp_path / "rgba", Image.fromarray(half))
    pixels = rows_of(folder).reshape(3, 3)
    np.testing.assert_array_equal(pixels[[0, 2]], [[255, 255, 255], [200, 0, 0]])
    np.testing.assert_allclose(pixels[1], [227.6, 128, 128], atol=1)
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 1, 2, 3])
    palette.putpixel((1, 0), 1)
    folder = one(tmp_path / "p", palette, transparency=1)
    np.testing.assert_array_equal(rows_of(folder), [[10, 20, 30, 255, 255, 255]])


def test_other_modes(tmp_path: Path) -> None:
    bits = Image.fromarray(np.array([[True, False]]))
    np.testing.assert_array_equal(rows_of(one(tmp_path / "1", bits)), [[255, 0]])
    ink = Image.new("CMYK", (1, 1), (0, 255, 255, 0))
    folder = one(tmp_path / "cmyk", ink, "0.tif")
    np.testing.assert_array_equal(rows_of(folder), [[255, 0, 0]])
    folder = one(tmp_path / "f", Image.new("F", (1, 1), 0.5), "0.tif")
    refused(BadInput, lambda: plan_of(folder), "without a range", "0.tif")


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("end", ["png", "jpg", "tif"])
def test_images_are_turned_upright(turned: int, end: str, tmp_path: Path) -> None:
    """EXIF 2.3, 4.6.4 A: where row 0 and column 0 of what is stored are seen."""
    seen = np.array([[0, 40, 80], [120, 160, 250]], np.uint8).repeat(16, 0).repeat(16, 1)
    stored = {
        1: seen,
        2: seen[:, ::-1],
        3: seen[::-1, ::-1],
        4: seen[::-1],
        5: seen.T,
        6: seen.T[::-1],
        7: seen.T[::-1, ::-1],
        8: seen.T[:, ::-1],
    }[turned]
    exif = Image.Exif()
    exif[ORIENTATION] = turned
    folder = one(tmp_path, Image.fromarray(stored.copy()), f"0.{end}", exif=exif)
    np.testing.assert_allclose(rows_of(folder).reshape(seen.shape), seen, atol=4)
    small = rows_of(folder, image_size=(2, 3)).reshape(2, 3)
    np.testing.assert_allclose(small, seen[::16, ::16], atol=4)


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG of greys that says it has this size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


BAD: dict[str, Callable[[bytes], bytes]] = {
    "no bytes": lambda whole: b"",
    "none of PNG": lambda whole: b"not an image, " * 9,
    "truncated": lambda whole: whole[: len(whole) - 30],
    "cut short or": lambda whole: whole[:20],
    "decompression bomb": lambda whole: png(50_000, 50_000, bytes(1_000_000)),
    "bomb: 89,478,486 x 1 pixels": lambda whole: png(89_478_486, 1, bytes(1_000_000)),
    "broken": lambda whole: whole.replace(b"IDAT", b"IDOT"),
}


@pytest.mark.filterwarnings("ignore:Image size:PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("why", BAD)
@pytest.mark.parametrize("at", [0, 2])
def test_files_that_cannot_be_read(why: str, at: int, tmp_path: Path) -> None:
    X = greys(4)
    whole = (saved(tmp_path, X) / f"00{at}.png").read_bytes()
    (tmp_path / f"00{at}.png").write_bytes(BAD[why](whole))
    tracemalloc.start()
    text = "cut short or" if why == "broken" else why
    refused(BadInput, lambda: Means().fit(tmp_path), text, f"00{at}.png", "a whole image file")
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    kept = Means().fit(read(tmp_path, bad="skip"))
    told: Any = kept.state_.told
    assert (told.n_rows, told.n_skipped) == (3, 1)
    assert told.bad_rows.ids["position"].tolist() == [at]
    np.testing.assert_allclose(kept.mean_, np.delete(flat(X), at, axis=0).mean(axis=0))


@settings(max_examples=60, deadline=None)
@given(data=st.data(), end=st.sampled_from(["png", "jpg", "gif", "bmp", "tif", "webp"]))
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::ResourceWarning")
def test_damage_is_never_another_error(
    data: Any, end: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes are changed anywhere: it is read, or refused and named."""
    folder = tmp_path_factory.mktemp("images")
    Image.fromarray(colours(1)[0]).save(folder / f"0.{end}")
    raw = bytearray((folder / f"0.{end}").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    (folder / f"0.{end}").write_bytes(raw)
    said = f"0.{end}"
    try:
        assert rows_of(folder, image_size=(3, 3), image_mode="L").shape == (1, 9)
    except BadInput as error:
        said = str(error)
    assert f"0.{end}" in said


def test_nothing_that_can_be_read(tmp_path: Path) -> None:
    saved(tmp_path, greys(2))
    for path in tmp_path.iterdir():
        path.write_bytes(b"")
    refused(BadInput, lambda: plan_of(read(tmp_path, bad="skip")), "2 files, none of which")
    sized = read(tmp_path, bad="skip", image_size=(2, 2), image_mode="L")
    assert sum(b.n_skipped for s in plan_of(sized).shards for b in s.read()) == 2
    (tmp_path / "empty").mkdir()
    refused(NotFound, lambda: plan_of(tmp_path / "empty"), "without", "images")


def test_images_beside_other_files(tmp_path: Path) -> None:
    saved(tmp_path, greys(2))
    (tmp_path / ".DS_Store").write_bytes(b"")
    (tmp_path / "README.txt").write_text("about")
    assert plan_of(tmp_path).n_rows == 2
    (tmp_path / "labels.csv").write_text("a\n1\n")
    refused(BadInput, lambda: plan_of(tmp_path), "csv, image", "one format at a time")
    pq.write_table(pa.table({"a": [1.0, 2.0]}), tmp_path / "rows.parquet")
    assert list(plan_of(tmp_path).ids) == ["rows.parquet"]
    assert plan_of(f"{tmp_path}/*.png").n_rows == 2


def test_names_and_files_that_cannot_be(tmp_path: Path) -> None:
    saved(tmp_path / "a", greys(2))
    os.mkfifo(tmp_path / "a" / "000.png.png")
    refused(BadInput, lambda: rows_of(tmp_path, image_size=(2, 2)), "a pipe")
    saved(tmp_path / "b", greys(1))
    os.rename(tmp_path / "b" / "000.png", os.fsencode(tmp_path / "b") + b"/\xff.png")
    refused(BadInput, lambda: plan_of(tmp_path / "b"), "not UTF-8")


@pytest.mark.parametrize("change", ["other", "gone"])
def test_a_file_that_changed_since_the_plan(change: str, tmp_path: Path) -> None:
    plan = plan_of(saved(tmp_path, greys(3)))
    (tmp_path / "001.png").unlink()
    if change == "other":
        Image.fromarray(greys()[9]).save(tmp_path / "001.png")
        refused(BadInput, lambda: list(plan.shards[0].read()), "when the plan was made", "001.png")
    else:
        refused(NotFound, lambda: list(plan.shards[0].read()), "001.png")


def test_a_plan_looks_into_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, greys())
    looked, whole = [], Folder.bytes

    def counted(self: Folder, row: int) -> bytes:
        looked.append(row)
        return whole(self, row)

    monkeypatch.setattr(Folder, "bytes", counted)
    plan = plan_of(tmp_path)
    assert len(looked) == 2  # the first, and the largest
    assert plan.shards[0].reading > images.OPEN * 35


def test_what_images_do_not_take(tmp_path: Path) -> None:
    saved(tmp_path, greys(2))
    for options in ({"columns": ["y0x0"]}, {"weight": "w"}, {"y": "label"}):
        name = next(iter(options))
        call: Any = lambda options=options: plan_of(read(tmp_path, **options))  # noqa: E731
        refused(BadParameter, call, f"{name}=", 'y="folder"')
    for size in ((0, 3), (3,), 3, "3x3", (2.5, 2)):
        bad: Any = size
        refused(BadParameter, lambda bad=bad: read(tmp_path, image_size=bad), "image_size=")  # type: ignore[misc]
    refused(BadParameter, lambda: read(tmp_path, image_mode="CMYK"), "image_mode='CMYK'")  # type: ignore[arg-type]
    one(tmp_path / "wide", Image.new("L", (2048, 1024)))
    refused(
        BadInput, lambda: plan_of(tmp_path / "wide"), "2,097,152 columns", "image_size=(64, 64)"
    )


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, greys(2))
    monkeypatch.setitem(sys.modules, "PIL", None)
    refused(MissingExtra, lambda: plan_of(tmp_path), "no pillow", "nacre[image]")


def test_images_elsewhere(tmp_path: Path) -> None:
    X = greys(6)
    system = fsspec.filesystem("memory")
    for path in saved(tmp_path, X).iterdir():
        system.pipe(f"/shelf/photos/{path.name}", path.read_bytes())
    plan = plan_of("memory://shelf/photos")
    assert list(plan.ids) == ["photos"]
    assert plan.shards[0].where == "memory:///shelf/photos rows 0 to 5"
    far = read("memory://shelf/photos", id="x")
    assert Means().fit(far).state_.digest == Means().fit(read(tmp_path, id="x")).state_.digest
    (seen,) = seen_by(plan, far)
    (same,) = seen_by(plan_of(tmp_path), tmp_path)
    assert isinstance(seen, Seen)
    assert isinstance(same, Seen)
    assert seen.again.content() == same.again.content()
    system.pipe("/shelf/photos/003.png", b"shorter")
    assert seen.look().note == "changed since the fit"
    refused(BadInput, lambda: list(plan.shards[0].read()), "when the plan was made", "003.png")
    system.rm("/shelf", recursive=True)


def test_images_of_a_server(tmp_path: Path) -> None:
    saved(tmp_path / "photos", greys(3))
    with served(tmp_path, Ranged) as address:
        paths = [f"{address}/photos/00{i}.png?key={SECRET}/x" for i in range(3)]
        plan = plan_of(read(paths, bad="skip"))
        assert list(plan.ids) == ["photos"]
        (batch,) = plan.shards[0].read()
        np.testing.assert_array_equal(batch.X, flat(greys(3)))
        kept = kept_of(plan, ["path"], None).of(plan.shards[0])["path"].to_pylist()
        assert kept == [f"{address}/photos/00{i}.png" for i in range(3)]
        assert SECRET not in plan.shards[0].where


def test_answers_say_of_which_file_they_are(tmp_path: Path) -> None:
    photos = saved(tmp_path / "photos", greys(3))
    (photos / "001.png").write_bytes(b"")
    asked, out = read(photos, bad="skip"), tmp_path / "out"
    fitted = Means().fit(asked)
    assert predict_to(fitted, asked, out, keep=["path", "folder"]).n_written == 1
    assert predict_to(fitted, asked, out, keep=["path", "folder"]).n_written == 0
    found = pq.read_table(sorted(out.glob("part-*.parquet")))
    assert found["path"].to_pylist() == [f"{photos}/00{i}.png" for i in range(3)]
    assert found["folder"].to_pylist() == ["photos"] * 3
    sums = flat(greys(3)).sum(axis=1)
    np.testing.assert_array_equal(found["predict"].to_numpy(), [sums[0], np.nan, sums[2]])
    call = lambda: predict_to(fitted, asked, tmp_path / "new", keep=["size"])  # noqa: E731
    refused(BadParameter, call, "no column 'size' to keep", "'path', 'folder'")
    os.utime(photos / "002.png", ns=(5, 5))
    with pytest.raises(nacre.errors.Occupied):
        predict_to(fitted, asked, out, keep=["path", "folder"])


def test_answers_to_images_of_another_size_are_others(tmp_path: Path) -> None:
    photos, out = saved(tmp_path / "photos", greys(3, 8, 8)), tmp_path / "out"
    fitted = Means().fit(np.zeros((5, 6), np.float32))  # without names, so that both sizes fit
    assert predict_to(fitted, read(photos, image_size=(2, 3)), out).n_written == 1
    with pytest.raises(nacre.errors.Occupied):
        predict_to(fitted, read(photos, image_size=(3, 2)), out)


def test_the_record_of_a_fit_names_the_bytes_of_a_folder(tmp_path: Path) -> None:
    saved(tmp_path / "a", greys(3))
    (seen,) = seen_by(plan_of(tmp_path / "a"), tmp_path / "a")
    assert isinstance(seen, Seen)
    content, n_bytes = seen.again.content()
    assert re.fullmatch(r"file:[0-9a-f]{64}", content)
    assert n_bytes == sum(path.stat().st_size for path in (tmp_path / "a").iterdir())
    (tmp_path / "a" / "001.png").write_bytes(b"other")
    with pytest.raises(Gone, match="changed"):
        seen.again.content()
    fitted = nacre.Moments().fit(saved(tmp_path / "b", greys(3)))
    fitted.save(tmp_path / "model")
    assert nacre.load(tmp_path / "model").state_.digest == fitted.state_.digest


def test_bytes_that_are_no_file() -> None:
    """Formats beyond the list are not tried: some of Pillow's plugins start other programs."""
    page = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(Unread, match="none of PNG"):
        looked_at(page)
