"""Files of claims in a folder: what is given of them as they come, change and go."""

import json
import logging
import os
import shutil
from pathlib import Path

import pytest

from coopera.accounting.claim_files import OPEN_MAX, ClaimFiles
from coopera.accounting.claims import ClaimTree
from coopera.errors import Inconsistent, Malformed, UnknownRecord, Unreadable
from coopera.protocol.claims import Claimable

OPEN = Path("/proc/self/fd")
ANN, BO = ("llm", "usd", "contributor:ann"), ("llm", "usd", "contributor:bo")


def tree(epoch, *amounts):
    """Grow a tree in which Ann has earned the first amount, and Bo the next."""
    places = (ANN, BO)[: len(amounts)]
    claims = (Claimable(*p, a) for p, a in zip(places, amounts, strict=True))
    return ClaimTree.of(claims, epoch)


@pytest.fixture
def folder(tmp_path):
    """Keep two epochs."""
    folder = tmp_path / "claims"
    folder.mkdir()
    tree(7, 100, 200).save(folder / "claims-7")
    tree(8, 150, 200).save(folder / "claims-8")
    return folder


@pytest.fixture
def files(folder):
    return ClaimFiles(folder, look_seconds=0)


def altered(path, before, after):
    content = path.read_bytes()
    assert content.count(before) == 1
    path.write_bytes(content.replace(before, after))


def given(files):
    return list(files.listing().epochs)


EARNED = {7: (100, 200), 8: (150, 200)}


def test_epochs_are_listed_the_latest_first(files, folder):
    trees = {epoch: tree(epoch, *earned) for epoch, earned in EARNED.items()}
    listing = files.listing()

    assert list(listing.epochs) == [8, 7]
    for epoch, told in listing.epochs.items():
        path = folder / f"claims-{epoch}"
        assert (told.epoch, told.root) == (epoch, trees[epoch].root)
        assert (told.claims, told.file) == (2, path.name)
        assert told.size == path.stat().st_size
    assert (listing.damaged, listing.clashing, listing.others) == ({}, {}, 0)


def test_proof_is_that_of_the_tree(files):
    for epoch, earned in EARNED.items():
        for place in (ANN, BO):
            expected = tree(epoch, *earned).proof(*place)
            assert files.proof(epoch, *place) == expected
    assert files.proof(None, *ANN) == files.proof(8, *ANN)


def test_what_is_not_there_is_refused(files):
    with pytest.raises(UnknownRecord, match="there are no claims of epoch 9 here; ask"):
        files.proof(9, *ANN)
    with pytest.raises(UnknownRecord, match="contributor:eve has no claim to usd of"):
        files.proof(None, "llm", "usd", "contributor:eve")
    with pytest.raises(Malformed, match="vault is ''"):
        files.proof(7, "", "usd", "contributor:ann")


def test_empty_folder_has_no_latest_epoch(tmp_path):
    files = ClaimFiles(tmp_path)

    assert given(files) == []
    with pytest.raises(UnknownRecord, match="no claims are published here so far"):
        files.proof(None, *ANN)


@pytest.mark.parametrize("name", ["nothing", "nothing/claims"])
def test_place_that_is_not_there_is_refused(tmp_path, name):
    with pytest.raises(Unreadable, match=r"nothing.* cannot be read: No such file"):
        ClaimFiles(tmp_path / name)


# One file


def test_single_file_is_given_alone(folder):
    files = ClaimFiles(folder / "claims-7", look_seconds=0)

    assert given(files) == [7]
    tree(9, 300).save(folder / "claims-7")
    assert given(files) == [9]
    assert files.proof(None, *ANN).claim.cumulative == 300


def test_single_file_that_is_damaged_is_refused(folder):
    path = folder / "claims-7"
    path.write_bytes(path.read_bytes()[:-1])

    with pytest.raises(Unreadable, match=r"claims-7 has .* bytes and must have"):
        ClaimFiles(path)


def test_single_file_that_is_taken_away_is_no_longer_given(folder):
    files = ClaimFiles(folder / "claims-7", look_seconds=0)
    (folder / "claims-7").unlink()

    assert given(files) == []
    with pytest.raises(UnknownRecord):
        files.proof(7, *ANN)


# Changes


def test_new_file_is_noticed(files, folder):
    assert given(files) == [8, 7]
    tree(9, 300).save(folder / "claims-9")

    assert given(files) == [9, 8, 7]
    assert files.proof(None, *ANN).claim.cumulative == 300


def test_folder_is_looked_at_from_time_to_time(folder):
    files = ClaimFiles(folder, look_seconds=3600)
    tree(9, 300).save(folder / "claims-9")

    assert given(files) == [8, 7]


def test_listing_is_the_same_object_until_something_changes(files, folder):
    (folder / "claims-9").write_bytes(b"")
    (folder / "notes").write_text("foreign")
    first = files.listing()
    assert files.listing() is first
    files.proof(7, *ANN)
    assert files.listing() is first

    (folder / "claims-9").unlink()
    assert files.listing() is not first


def test_file_that_was_replaced_is_read_again(files, folder, caplog):
    assert files.proof(8, *ANN).claim.cumulative == 150
    tree(8, 151, 200).save(folder / "claims-8")

    assert files.proof(8, *ANN) == tree(8, 151, 200).proof(*ANN)
    assert "the root of epoch 8 is 0x" in caplog.text


def test_file_that_was_replaced_since_the_folder_was_looked_at(folder):
    files = ClaimFiles(folder, look_seconds=3600)
    tree(8, 151, 200).save(folder / "claims-8")
    (folder / "claims-7").unlink()

    with pytest.raises(
        Unreadable, match=r"^claims-8 was replaced just now; ask again$"
    ):
        files.proof(8, *ANN)
    assert files.proof(8, *ANN).claim.cumulative == 151
    with pytest.raises(UnknownRecord):
        files.proof(7, *ANN)


def test_file_that_is_taken_away_is_no_longer_given(files, folder):
    files.proof(8, *ANN)
    (folder / "claims-8").unlink()

    assert given(files) == [7]
    assert files.proof(None, *ANN).epoch == 7


def test_folder_that_is_taken_away_and_comes_back(files, folder, tmp_path, caplog):
    files.proof(8, *ANN)
    folder.rename(tmp_path / "elsewhere")
    for _ in range(3):
        with pytest.raises(Unreadable, match="of claims cannot be read: No such fi"):
            files.check()
    assert len(caplog.messages) == 1
    assert given(files) == [8, 7]
    assert files.proof(8, *ANN).holds
    with pytest.raises(Unreadable, match=r"^claims-7 cannot be read: No such file"):
        files.proof(7, *ANN)

    (tmp_path / "elsewhere").rename(folder)
    files.check()
    assert files.proof(7, *ANN).holds


# Damage


def test_damaged_file_is_told_of_once_and_the_others_are_given(files, folder, caplog):
    content = (folder / "claims-8").read_bytes()
    (folder / "claims-9").write_bytes(content[:-1])
    said = f"claims-9 has {len(content) - 1} bytes and must have {len(content)}; fetch"

    for _ in range(3):
        (refusal,) = files.listing().damaged.values()
        assert str(refusal).startswith(said)
    assert [each[: len(said)] for each in caplog.messages] == [said]
    assert given(files) == [8, 7]


def test_file_that_is_cut_while_it_is_open(files, folder):
    assert files.proof(8, *ANN).holds
    os.truncate(folder / "claims-8", 300)

    assert given(files) == [7]
    assert list(files.listing().damaged) == ["claims-8"]
    assert files.proof(7, *ANN).holds


@pytest.mark.parametrize("size", [0, 100, 300])
def test_file_that_is_cut_before_it_is_noticed(folder, size):
    """The process would end here if the file were mapped into memory."""
    files = ClaimFiles(folder, look_seconds=3600)
    assert files.proof(8, *ANN).holds
    os.truncate(folder / "claims-8", size)

    with pytest.raises(Unreadable, match=r"^claims-8 was cut while it was read, to \d"):
        files.proof(8, *ANN)
    assert files.proof(7, *ANN).holds


def test_file_that_is_mended_is_given_again(files, folder):
    content = (folder / "claims-8").read_bytes()
    (folder / "claims-8").write_bytes(content[:-1])
    assert given(files) == [7]
    (folder / "claims-8").write_bytes(content)

    assert given(files) == [8, 7]
    assert files.listing().damaged == {}


def test_damage_deep_in_a_file_is_found_by_who_needs_that_part(files, folder, caplog):
    altered(folder / "claims-8", b"bo\t200\n", b"bo\t201\n")
    for _ in range(3):
        with pytest.raises(Unreadable, match=r"^claims-8 was altered: no path lea"):
            files.proof(8, *BO)
        assert files.proof(8, *ANN).holds

    assert len(caplog.messages) == 1
    assert list(files.listing().damaged) == ["claims-8"]
    assert given(files) == [8, 7]
    altered(folder / "claims-8", b"bo\t201\n", b"bo\t200\n")
    os.utime(folder / "claims-8", ns=(0, 0))  # clocks of files are slow
    assert files.proof(8, *BO).holds
    assert files.listing().damaged == {}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_that_may_not_be_read_is_told_of(files, folder):
    (folder / "claims-8").chmod(0)

    assert given(files) == [7]
    assert "Permission denied" in str(files.listing().damaged["claims-8"])


# Other files


def test_other_files_are_counted_and_named_in_the_log_alone(folder, caplog):
    (folder / "books.db").write_bytes(b"SQLite format 3\0")
    (folder / "ann.salts").write_text(json.dumps({"format": "coopera salts"}))
    (folder / ".claims-9.17.part").write_bytes(b"half")
    (folder / "older").mkdir()
    tree(6, 1).save(folder / "older" / "claims-6")
    os.mkfifo(folder / "pipe")
    files = ClaimFiles(folder, look_seconds=0)

    for _ in range(2):
        listing = files.listing()
        assert (listing.others, listing.damaged) == (2, {})
        assert list(listing.epochs) == [8, 7]
    assert sorted(each.partition(" ")[0] for each in caplog.messages) == [
        "ann.salts",
        "books.db",
    ]


def test_file_that_is_named_twice_is_one(files, folder):
    (folder / "latest").symlink_to("claims-8")
    shutil.copy(folder / "claims-7", folder / "copy")

    assert given(files) == [8, 7]
    assert files.listing().damaged == {}


def test_link_that_leads_nowhere_is_not_there(files, folder):
    (folder / "latest").symlink_to("claims-9")

    assert files.listing().damaged == {}
    tree(9, 300).save(folder / "claims-9")
    assert given(files) == [9, 8, 7]


def test_link_that_leads_to_itself_is_told_of_and_the_others_are_given(files, folder):
    (folder / "claims-9").symlink_to("claims-9")

    assert given(files) == [8, 7]
    assert "Too many levels" in str(files.listing().damaged["claims-9"])
    files.check()


def test_epoch_with_two_roots_is_not_given(files, folder, caplog):
    tree(8, 151, 200).save(folder / "again-8")
    said = "again-8 and claims-8 are both of epoch 8 and have different roots; leave"

    for _ in range(2):
        assert given(files) == [7]
        with pytest.raises(Inconsistent, match=said):
            files.proof(8, *ANN)
    assert list(files.listing().damaged) == ["again-8", "claims-8"]
    assert files.proof(None, *ANN).epoch == 7
    assert len([each for each in caplog.messages if each.startswith(said)]) == 1

    (folder / "again-8").unlink()
    assert files.proof(8, *ANN).claim.cumulative == 150


# Many


@pytest.mark.skipif(not OPEN.exists(), reason="needs Linux")
def test_few_files_stay_open_however_many_there_are(folder):
    count = 2 * OPEN_MAX
    for epoch in range(100, 100 + count):
        tree(epoch, epoch).save(folder / f"claims-{epoch}")
    files = ClaimFiles(folder, look_seconds=0)
    before = len([*OPEN.iterdir()])
    for _ in range(2):
        for epoch in range(100, 100 + count):
            assert files.proof(epoch, *ANN).claim.cumulative == epoch

    assert len([*OPEN.iterdir()]) <= before + OPEN_MAX


@pytest.mark.skipif(not OPEN.exists(), reason="needs Linux")
def test_files_that_are_gone_do_not_stay_open(files, folder):
    before = len([*OPEN.iterdir()])
    for amount in range(1, 10):
        tree(8, amount).save(folder / "claims-8")
        assert files.proof(8, *ANN).claim.cumulative == amount

    assert len([*OPEN.iterdir()]) <= before + 1


def test_file_that_is_read_while_it_is_no_longer_kept_open(folder):
    files = ClaimFiles(folder, look_seconds=0)
    known, opened = files.opened(7)
    content = (folder / "claims-7").read_bytes()
    (folder / "claims-7").unlink()
    for epoch in range(100, 101 + OPEN_MAX):
        tree(epoch, epoch).save(folder / f"claims-{epoch}")
        files.opened(epoch)

    assert opened.content(0, known.size) == content


def test_nothing_is_said_of_files_that_are_good(folder, caplog):
    caplog.set_level(logging.DEBUG)
    ClaimFiles(folder).proof(7, *ANN)

    assert caplog.messages == []
