"""Files that are whole or not there, and JSON."""

import errno
import os
import stat
from multiprocessing import get_context

import pytest

from rpt_core.errors import UserError
from rpt_core.files import bytes_of, read_json, remove, write_first, write_whole, written_whole


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "file.json"
    write_whole(path, b"old")
    assert path.read_bytes() == b"old"

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new, but only in part")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert [file.name for file in path.parent.iterdir()] == ["file.json"]


def test_json_that_is_no_object_is_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(UserError, match="JSON object"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe\x00", b"[" * 100_000])
def test_damaged_json_is_refused_with_the_name_of_its_file(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"{tmp_path}/a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_what_is_not_written_whole_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.parquet"
    write_whole(path, b"old")

    def fill_the_disk():
        with written_whole(path) as partial:
            partial.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill_the_disk()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_both_the_content_and_the_name_are_forced_to_disk(tmp_path, monkeypatch):
    forced = []
    real = os.fsync

    def note(descriptor):
        forced.append(os.fstat(descriptor).st_ino)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_whole(tmp_path / "a.json", b"{}")
    assert forced == [(tmp_path / "a.json").stat().st_ino, tmp_path.stat().st_ino]
    forced.clear()
    write_first(tmp_path / "first", b"x")
    assert forced == [(tmp_path / "first").stat().st_ino, tmp_path.stat().st_ino]


def test_the_first_of_several_processes_wins(tmp_path):
    path = tmp_path / "deep" / "key"
    with get_context("spawn").Pool(2) as pool:
        pool.starmap(write_first, [(path, str(number).encode() * 1000, 0o600) for number in range(8)])
    written = path.read_bytes()
    write_first(path, b"too late")
    assert path.read_bytes() == written
    assert len(set(written)) == 1
    assert len(written) == 1000
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["key"]


def test_what_a_folder_takes_is_counted_and_freed_without_following_links(tmp_path):
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    (folder / "deep").mkdir(parents=True)
    (folder / "a").write_bytes(b"x" * 10)
    (folder / "deep/b").write_bytes(b"x" * 5)
    outside.mkdir()
    (outside / "c").write_bytes(b"x" * 1000)
    (folder / "link").symlink_to(outside)
    assert 15 <= bytes_of(folder) < 1000
    assert remove(folder / "a") == 10
    assert remove(folder) < 1000
    assert (outside / "c").exists()
    assert (folder.exists(), bytes_of(folder), remove(folder)) == (False, 0, 0)
