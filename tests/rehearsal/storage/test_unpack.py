"""Bundles are hostile input: what is unpacked, and what is refused with which sentence."""

import gzip
import os
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rehearsal.storage.manifest import BundleRefusedError
from rehearsal.storage.unpack import DEFAULT_LIMITS, MIB, Limits, unpack
from tests.rehearsal.bundles import FILES, bundle_of, member, tar_of


def unpacked(tmp_path: Path, bundle: bytes, limits: Limits = DEFAULT_LIMITS) -> Path:
    (tmp_path / "bundle.tar.gz").write_bytes(bundle)
    unpack(tmp_path / "bundle.tar.gz", tmp_path / "target", limits)
    return tmp_path / "target"


def refusal(tmp_path: Path, bundle: bytes, limits: Limits = DEFAULT_LIMITS) -> str:
    """The sentence with which it is refused; nothing may be left of it."""
    with pytest.raises(BundleRefusedError) as caught:
        unpacked(tmp_path, bundle, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle.tar.gz"]
    return str(caught.value)


def test_a_bundle_is_unpacked_as_it_was_packed(tmp_path: Path) -> None:
    target = unpacked(tmp_path, bundle_of())
    for name, content in FILES.items():
        assert (target / name).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tar"] == []


def test_the_manifest_says_how_to_run_it(tmp_path: Path) -> None:
    (tmp_path / "bundle.tar.gz").write_bytes(bundle_of())
    manifest = unpack(tmp_path / "bundle.tar.gz", tmp_path / "target", Limits())
    assert manifest.entrypoint == "main:app"
    assert manifest.python_version == "3.11.7"
    assert manifest.python_requires == ">=3.11"
    assert manifest.requirements == "requirements.txt"


def test_modes_are_ours_not_the_archives(tmp_path: Path) -> None:
    setuid = member("tool", mode=0o6777, size=1)
    unreadable = member("secret", mode=0o000, size=1)
    target = unpacked(tmp_path, bundle_of(FILES, setuid, unreadable))
    umask = os.umask(0)
    os.umask(umask)
    assert (target / "tool").stat().st_mode & 0o7777 == 0o755 & ~umask
    assert (target / "secret").stat().st_mode & 0o7777 == 0o644 & ~umask


def test_folders_and_a_leading_dot_are_accepted(tmp_path: Path) -> None:
    members = [member("./"), member("./sub", tarfile.DIRTYPE), member("./sub/file", size=3)]
    members[0][0].type = tarfile.DIRTYPE
    assert (unpacked(tmp_path, bundle_of(FILES, *members)) / "sub/file").read_bytes() == b"xxx"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../outside",
        "sub/../../outside",
        "./../outside",
        "..",
        "C:\\windows",
        "C:/windows",
        "..\\outside",
        "sub\\..\\outside",
    ],
)
def test_paths_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    assert "leads out" in refusal(tmp_path, bundle_of(FILES, member(name)))


@pytest.mark.parametrize(
    "name", ["a\nb", "a\x7f", "a//b", "a/./b", "x" * 256, "d/" * 600 + "f", "d/" * 32 + "f"]
)
def test_paths_that_cannot_be_unpacked_are_refused(tmp_path: Path, name: str) -> None:
    assert "cannot be unpacked" in refusal(tmp_path, bundle_of(FILES, member(name)))


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "pipe"),
        (b"Z", "something odd"),
    ],
)
def test_everything_but_files_and_folders_is_refused(
    tmp_path: Path, kind: bytes, word: str
) -> None:
    odd = member("odd", kind, linkname="main.py")
    assert word in refusal(tmp_path, bundle_of(FILES, odd))


def test_a_link_followed_by_a_file_below_it_writes_nowhere_else(tmp_path: Path) -> None:
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    link = member("way", tarfile.SYMTYPE, linkname=str(outside))
    assert "symbolic link" in refusal(tmp_path, bundle_of(FILES, link, member("way/file", size=1)))
    assert list(outside.iterdir()) == []


def test_a_path_that_comes_twice_is_refused(tmp_path: Path) -> None:
    assert "main.py twice" in refusal(tmp_path, bundle_of(FILES, member("./main.py", size=1)))


def test_a_path_that_is_file_and_folder_is_refused(tmp_path: Path) -> None:
    assert "both file and folder" in refusal(tmp_path, bundle_of(FILES, member("main.py/x")))


def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(64 * MIB))
    limits = Limits(unpacked_bytes=8 * MIB, files=10)
    assert refusal(tmp_path, bomb, limits) == "The bundle unpacks to more than 8 MiB."


def test_more_than_the_limit_of_bytes_or_files_is_refused(tmp_path: Path) -> None:
    large = bundle_of(FILES | {"large": bytes(2 * MIB)})
    assert "more than 1 MiB" in refusal(tmp_path, large, Limits(unpacked_bytes=MIB))
    many = bundle_of(FILES | {f"{n}": b"" for n in range(20)})
    sentence = "The bundle has more than 20 files and folders."
    assert refusal(tmp_path, many, Limits(files=20)) == sentence


def test_folders_count_whether_named_or_not_and_however_often(tmp_path: Path) -> None:
    deep = member("/".join("abcdefghijklmnopqrstu"))
    again = [member("same", tarfile.DIRTYPE)] * 20
    for members in ([deep], again):
        bundle = bundle_of(FILES, *members)
        assert "more than 20 files and folders" in refusal(tmp_path, bundle, Limits(files=20))


@pytest.mark.parametrize(
    "records",
    [
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"},
        {"GNU.sparse.map": "x"},
        {"GNU.sparse.size": "x"},
        {"size": "-512"},
    ],
    ids=str,
)
def test_pax_records_that_make_no_sense_are_refused(
    tmp_path: Path, records: dict[str, str]
) -> None:
    assert refusal(tmp_path, bundle_of(FILES, member("odd", pax_headers=records)))


def test_a_pax_record_of_any_length_names_no_file(tmp_path: Path) -> None:
    """Python 3.11 overflows at the length. For Python 3.13 the archive ends in front of it."""
    record = b"9" * 400 + b" path=x\n"
    header, _ = member("header", tarfile.XHDTYPE, size=len(record))
    bundle = bundle_of(FILES, (header, record), member("file"))
    with suppress(BundleRefusedError):
        assert not (unpacked(tmp_path, bundle) / "x").exists()


def test_a_chain_of_headers_is_refused(tmp_path: Path) -> None:
    chain = [member("header", tarfile.XHDTYPE, size=0)] * 2000
    assert refusal(tmp_path, bundle_of(FILES, *chain))


def test_a_tar_header_that_announces_gigabytes_is_refused(tmp_path: Path) -> None:
    with_long_name, _ = member("x" * 2 * MIB)
    assert "too large" in refusal(tmp_path, bundle_of(FILES, (with_long_name, b"")))


NO_ARCHIVES = {
    "nothing": b"",
    "no gzip": b"not gzip",
    "cut short": bundle_of()[:-20],
    "no tar": gzip.compress(b"not tar" * 200),
    "an empty file": gzip.compress(b""),
}


@pytest.mark.parametrize("bundle", NO_ARCHIVES.values(), ids=list(NO_ARCHIVES))
def test_what_is_no_archive_is_refused(tmp_path: Path, bundle: bytes) -> None:
    assert refusal(tmp_path, bundle)


def test_a_bundle_without_a_manifest_is_refused(tmp_path: Path) -> None:
    assert "no manifest.json" in refusal(tmp_path, gzip.compress(tar_of(FILES)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda m: m["metadata"].update(appmode="python-dash"),
            "of the kind Dash Application (python-dash), but the rehearsal does not",
        ),
        (lambda m: m["metadata"].update(appmode="new" * 99), "of the kind 'newnew"),
        (lambda m: m.pop("python"), "has no `python`"),
        (lambda m: m["metadata"].pop("appmode"), "`appmode`"),
        (lambda m: m["metadata"].update(entrypoint=None), "`$.metadata.entrypoint`"),
        *(
            (lambda m, text=text: m["metadata"].update(entrypoint=text), "entry point")
            for text in ("", "main:app\0", "a b", "-c:x", "x:y:z", "x" * 300)
        ),
        (lambda m: m["files"].update({"x" * 5000: {"checksum": ""}}), "which is not in"),
        (lambda m: m["files"].update({"x\0": {"checksum": ""}}), "which is not in"),
        (lambda m: m["python"].update(version="\ud800"), "is not"),
        (lambda m: m.update(files=[]), "`$.files`"),
        (lambda m: m.pop("python"), "`python`"),
        (lambda m: m["files"].update({"gone.py": {"checksum": ""}}), "'gone.py', which is not in"),
        (lambda m: m["files"].update({"../../etc/passwd": {"checksum": ""}}), "which is not in"),
        (lambda m: m["files"].update({"/etc/passwd": {"checksum": ""}}), "which is not in"),
        (lambda m: m["files"]["main.py"].update(checksum="0" * 32), "The checksum of 'main.py'"),
        (lambda m: m["files"].update({"main.py": None}), "`$.files[...]`"),
        (
            lambda m: m["python"]["package_manager"].update(package_file="../requirements.txt"),
            "no requirements file",
        ),
        *(
            (
                lambda m, name=name: m["python"]["package_manager"].update(package_file=name),
                "must be a path in the bundle",
            )
            for name in ("http://127.0.0.1:8123/r.txt", "file:r.txt", "-", "-r", "", "/etc/passwd")
        ),
    ],
)
def test_a_manifest_that_is_not_right_is_refused_with_the_reason(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    assert sentence in refusal(tmp_path, bundle_of(change=change))


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b"[" * 100_000, b"null"])
def test_a_manifest_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    bundle = gzip.compress(tar_of({**FILES, "manifest.json": content}))
    assert "manifest.json" in refusal(tmp_path, bundle)
