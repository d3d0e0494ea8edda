"""Which files of a folder are read, and what is said of the others."""

import json
import zipfile

import pytest

from rpt_core.errors import UserError
from rpt_core.text.files import RECORD_KINDS
from rpt_core.text.finding import Reader, find_files


@pytest.fixture
def folder(tmp_path):
    put(tmp_path / "data" / "train.jsonl")
    return tmp_path / "data"


def put(path, content=b'{"text": "hello"}\n'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found_in(folder, **reader):
    found = find_files([str(folder)], Reader(**reader))
    return [file.name for file in found.files], found.notes


def test_all_files_that_can_be_read_are_read_in_a_fixed_order(folder):
    for name in ("b.ndjson", "c.json", "d.jsonl.gz", "e.CSV", "f.tsv.zst", "sub/g.jsonl.bz2", "h.txt"):
        put(folder / name)
    names, notes = found_in(folder)
    assert names == [
        "b.ndjson",
        "c.json",
        "d.jsonl.gz",
        "e.CSV",
        "f.tsv.zst",
        "h.txt",
        "sub/g.jsonl.bz2",
        "train.jsonl",
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("old.zip", "Unpack them"),
        ("old.tar.gz", "Unpack them"),
        ("old.tgz", "Unpack them"),
        ("old.jsonl.xz", "Unpack them"),
        ("old.parquet.gz", "Unpack them"),
        ("old.7z", "Unpack them"),
        ("table.xlsx", "Convert the others"),
        ("part-00000", "Convert the others"),
        ("tokens.bin", "Convert the others"),
        ("train.jsonl.part", "Convert the others"),
        ("page.html", "Convert the others"),
        ("notes.md", "Convert the others"),
        (".old.jsonl", "Hidden files and folders are left out"),
        ("._train.jsonl", "Hidden files and folders are left out"),
        (".cache/old.jsonl", "Hidden files and folders are left out"),
        ("__MACOSX/train.jsonl", "Hidden files and folders are left out"),
        ("LICENSE.txt", "Name them in `paths` if they are documents"),
        ("requirements-dev.txt", "Name them in `paths` if they are documents"),
        ("cache-0123456789abcdef.arrow", "intermediate results"),
        ("run.json", "no record with the fields"),
    ],
)
def test_what_looks_like_data_and_is_not_read_is_named_with_what_to_do(folder, name, remedy):
    put(folder / name, b'{"version": 1}')
    names, notes = found_in(folder, fields=("text",))
    assert names == ["train.jsonl"]
    (note,) = notes
    assert note.startswith(f"Not read in {folder}: {name.split('/')[0]}")
    assert remedy in note


@pytest.mark.parametrize(
    "name",
    ["README.md", "LICENSE", ".gitattributes", "script.py", "_SUCCESS", "dataset_infos.json", ".cache/train.lock"],
)
def test_what_is_no_data_is_left_out_without_a_word(folder, name):
    put(folder / name)
    assert found_in(folder, fields=("text",)) == (["train.jsonl"], [])


def test_a_missing_file_of_a_numbered_set_is_named(folder):
    for name in ("train-00000-of-00004", "train-00003-of-00004", "test-1-of-2", "test-2-of-2"):
        put(folder / f"{name}.jsonl")
    (note,) = found_in(folder)[1]
    assert note.startswith(f"Not there in {folder}: train-00001-of-00004.jsonl, train-00002-of-00004.jsonl. Fetch")
    (alone,) = find_files([str(folder / "train-00000-of-00004.jsonl")], Reader()).notes
    assert "train-00003-of-00004.jsonl" in alone


@pytest.mark.parametrize("name", ["licensed to kill.txt", "readmes.txt", "authorship.txt"])
def test_a_text_whose_name_only_begins_like_one_about_data_is_read(folder, name):
    put(folder / name)
    assert name in found_in(folder)[0]


def test_many_files_of_one_kind_share_a_note(folder):
    for number in range(8):
        put(folder / f"part{number}.zip")
    (note,) = found_in(folder)[1]
    assert "part0.zip, part1.zip, part2.zip, part3.zip, part4.zip and 3 more." in note


def test_texts_in_a_folder_are_no_documents_where_fields_are_named(folder):
    put(folder / "notes.txt")
    names, (note,) = found_in(folder, folder_texts=False)
    assert names == ["train.jsonl"]
    assert "notes.txt. A text file has no fields" in note
    assert [file.kind for file in find_files([str(folder / "notes.txt")], Reader(folder_texts=False)).files] == ["text"]


def test_a_linked_folder_is_named_and_a_linked_file_is_read(folder, tmp_path):
    put(tmp_path / "elsewhere" / "more.jsonl")
    (folder / "more").symlink_to(tmp_path / "elsewhere")
    (folder / "linked.jsonl").symlink_to(tmp_path / "elsewhere" / "more.jsonl")
    names, (note,) = found_in(folder)
    assert names == ["linked.jsonl", "train.jsonl"]
    assert (
        note == f"Not read in {folder}: more/. Linked folders are not entered. Name them in `paths` if they are data."
    )
    assert found_in(folder / "more")[0] == ["more.jsonl"]


def test_a_hidden_folder_that_is_named_itself_is_read(folder):
    put(folder / ".cache" / "old.jsonl")
    assert found_in(folder / ".cache")[0] == ["old.jsonl"]


def test_a_link_to_nothing_stops_the_run_by_name(folder):
    (folder / "lost.jsonl").symlink_to("../blobs/0123")
    for path in (folder, folder / "lost.jsonl"):
        with pytest.raises(UserError, match=r"lost\.jsonl is a link to \.\./blobs/0123, which does not exist"):
            find_files([str(path)], Reader())


def test_an_archive_that_is_named_itself_is_to_be_unpacked(tmp_path):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jsonl", "{}")
    with pytest.raises(UserError, match=r"data\.zip is an archive or packed.*Unpack it"):
        find_files([str(path)], Reader())


def test_a_folder_without_readable_files_says_what_is_there(tmp_path):
    put(tmp_path / "notes.txt")
    with pytest.raises(UserError, match=r"holds no file that ends in \.jsonl or .*Not read in .*: notes\.txt"):
        find_files([str(tmp_path)], Reader(RECORD_KINDS))


POINTERS = {
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "annex": b"/annex/objects/SHA256E-s1048576--4d7a.parquet\n",
    "page": b"\n<!DOCTYPE html>\n<html><title>Sign in</title></html>",
}


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "parquet", "arrow", "json", "csv"])
@pytest.mark.parametrize("content", POINTERS.values(), ids=POINTERS)
def test_what_stands_where_the_data_should_be_stops_the_run_by_name(folder, ending, content):
    put(folder / f"shard.{ending}", content)
    with pytest.raises(UserError, match=rf"shard\.{ending} is a.* instead of the data"):
        find_files([str(folder)], Reader())


def test_a_text_may_be_a_web_page_but_no_pointer(tmp_path):
    put(tmp_path / "page.txt", POINTERS["page"])
    assert found_in(tmp_path)[0] == ["page.txt"]
    put(tmp_path / "lfs.txt", POINTERS["lfs"])
    with pytest.raises(UserError, match="git lfs pull"):
        found_in(tmp_path)


def save(folder, names=("data-00000-of-00002.arrow", "data-00001-of-00002.arrow"), **state):
    files = [{"filename": name} for name in names]
    put(folder / "state.json", json.dumps({"_data_files": files, "_fingerprint": "0a", **state}).encode())
    put(folder / "dataset_info.json", b'{"features": {}}')


def test_of_a_folder_saved_by_datasets_the_files_that_its_state_names_are_read(tmp_path):
    for split in ("train", "test"):
        save(tmp_path / split)
        for name in ("data-00000-of-00002.arrow", "data-00001-of-00002.arrow", "cache-1.arrow"):
            put(tmp_path / split / name)
    put(tmp_path / "dataset_dict.json", b'{"splits": ["train", "test"]}')
    names, notes = found_in(tmp_path)
    assert names == [f"{split}/data-0000{n}-of-00002.arrow" for split in ("test", "train") for n in range(2)]
    assert notes == []


def test_a_saved_folder_that_lacks_a_file_stops_the_run_by_name(tmp_path):
    save(tmp_path)
    put(tmp_path / "data-00000-of-00002.arrow")
    with pytest.raises(UserError, match=r"state\.json names data-00001-of-00002\.arrow, which is not there"):
        found_in(tmp_path)


def test_a_saved_selection_of_rows_is_refused(tmp_path):
    save(tmp_path, ["dataset.arrow"], _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(UserError, match="flatten_indices"):
        found_in(tmp_path)
