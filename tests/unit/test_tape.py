"""A tape holds exactly what came, says what is missing, and names what is damaged."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from main import main
from tape.check import examine
from tape.form import Gap, Record, RecordKind, moment_of, pack_about
from tape.problems import TapeError, ZstandardMissing
from tape.reading import Damage, about, files_of, read, records
from tape.recorder import Recorder
from tape.redaction import redact, redact_path
from tape.writing import Writer
from tests.helpers.tapes import BEGIN, Hand

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("zstandard", reason="the extra of tapes is not installed")

LOSS = "A recorder that dies loses its last second at most."
SECONDS = ("21:03:05", "21:03:06", "21:03:07", "21:03:08")
ODD = b'{"a":1}\n\n\xff\x00 frame market 5\n'


def recorded(folder: Path, *, end: bool = True) -> Path:
    """Record three blocks, of 21:03:05, 21:03:06 and 21:03:07; return the file."""
    hand = Hand(folder)
    hand.open("KRW-BTC")
    for price in ("100", "101", "102"):
        hand.trade("KRW-BTC", price, "0.5")
        hand.write()
        hand.wait(1)
    if end:
        hand.end()
    else:
        os.close(hand.writer._file or -1)
    return files_of(folder)[0]


def write_at(path: Path, at: int, content: bytes) -> None:
    """Change some bytes of a file where they are: writing it anew waits for the disk."""
    if content:
        with path.open("r+b") as file:
            file.seek(at)
            file.write(content)


def faults(path: Path) -> list[str]:
    """Return what is wrong with a file."""
    return [fault.en for one in examine([path]) for fault in one.faults]


def whole(path: Path) -> list[Record]:
    """Return the records of a file."""
    return [one for one in read(path) if isinstance(one, Record)]


def test_what_came_is_read_again_byte_for_byte_with_the_time_it_arrived(tmp_path: Path) -> None:
    """Also what is no JSON, has line feeds, or looks like a record."""
    hand = Hand(tmp_path)
    hand.recorder.frame("ticker", ODD)
    hand.wait(0.25)
    hand.recorder.frame("candle", "{}")
    hand.write()
    hand.end()
    first, second, end = records(files_of(tmp_path))
    assert (first.channel, first.content, moment_of(first.at_us)) == ("ticker", ODD, BEGIN)
    assert (second.channel, second.content, second.at_us - first.at_us) == ("candle", b"{}", 250_000)
    assert (end.kind, end.content) == (RecordKind.END, b"stop")
    assert faults(files_of(tmp_path)[0]) == []


def test_a_flipped_byte_is_named_with_its_second_wherever_it_is(tmp_path: Path) -> None:
    """Each byte of a file in turn: nothing false is ever read, and it is always said that something is wrong."""
    path = recorded(tmp_path)
    good, content = whole(path), path.read_bytes()
    start_of_blocks = len(pack_about(about(path)))
    for at in range(len(content)):
        write_at(path, at - 1, content[max(0, at - 1) : at])  # the one before is as it was
        write_at(path, at, bytes([content[at] ^ 0x20]))
        if at < start_of_blocks:
            with pytest.raises(TapeError, match=r"there is no tape|this tape is of format"):
                whole(path)
            continue
        found = list(read(path))
        (damage,) = [one for one in found if isinstance(one, Damage)]
        assert f"{moment_of(damage.at_us or damage.after_us):%H:%M:%S}" in SECONDS
        kept = [one for one in found if isinstance(one, Record)]
        assert [record for record in good if record in kept] == kept
        assert len(good) - 2 <= len(kept) < len(good)


def test_the_second_that_is_named_is_that_of_the_block(tmp_path: Path) -> None:
    """And what follows it is read."""
    path = recorded(tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(b"\x28\xb5\x2f\xfd", content.index(b"\x28\xb5\x2f\xfd") + 1) + 8  # in the second zstd frame
    content[at] ^= 1
    path.write_bytes(content)
    assert faults(path) == [
        "Bytes of the half second from 2026-11-30 21:03:06.000 UTC were changed and cannot be read; the rest can."
    ]
    assert b"102" in whole(path)[-2].content
    assert [one.torn for one in read(path) if isinstance(one, Damage)] == [False]


@pytest.mark.parametrize("zeros", [False, True], ids=["cut", "zeros"])
def test_a_torn_end_costs_what_was_being_written(tmp_path: Path, zeros: bool) -> None:  # noqa: FBT001 - a parameter
    """Cut off anywhere, or zeros from there on as a loss of power leaves them: every block before it is there.

    And it is said until when.
    """
    path = recorded(tmp_path)
    good, content = whole(path), path.read_bytes()
    kept = []
    for end in range(len(content) - 1, len(pack_about(about(path))) - 1, -1):
        os.truncate(path, end)
        if zeros:
            os.truncate(path, len(content))
        found = whole(path)
        assert found == good[: len(found)]
        until = moment_of(found[-1].at_us if found else about(path).begun_us)
        assert faults(path) == [f"The end is torn: it is whole until {until:%Y-%m-%d %H:%M:%S}.000 UTC. {LOSS}"]
        kept.append(len(found))
    assert sorted(set(kept)) == [0, 2, 3, 4]  # by blocks; the first holds the connection, too


def test_a_recorder_that_died_leaves_a_torn_end_and_one_that_lives_does_not(tmp_path: Path) -> None:
    """Whole blocks without an end are as torn; while a recorder holds the file they are not."""
    assert faults(recorded(tmp_path / "died", end=False)) == [
        f"The end is torn: it is whole until 2026-11-30 21:03:07.000 UTC. {LOSS}"
    ]
    hand = Hand(tmp_path / "lives")
    hand.open()
    hand.write()
    (found,) = examine(files_of(tmp_path / "lives"))
    assert found.recording
    assert found.faults == []
    hand.end()


def test_each_hour_has_a_file_and_a_missing_one_is_named(tmp_path: Path) -> None:
    """Between others; whoever deletes the oldest misses nothing."""
    hand = Hand(tmp_path)
    for _ in range(3):
        hand.trade("KRW-BTC", "1", "1")
        hand.write()
        hand.wait(3600)
    hand.end()
    first, second, third = files_of(tmp_path)
    assert [path.name for path in (first, second, third)] == [f"20261130T{hour}Z-000.tape" for hour in (21, 22, 23)]
    assert whole(first)[-1].content == b"next"
    second.unlink()
    assert faults(third) == [
        "The file before it, 20261130T22Z-000.tape, is missing: what was recorded then is not here."
    ]
    first.unlink()
    assert faults(third) == []


def test_files_that_are_older_than_is_kept_are_deleted_as_the_next_hour_begins(tmp_path: Path) -> None:
    """Whole hours; what else lies there stays, and what is left misses nothing."""
    hand = Hand(tmp_path)
    hand.writer = Writer(tmp_path, "http://127.0.0.1:1", keep=timedelta(hours=2))
    (tmp_path / "20200101T00Z-notes.txt").touch()
    for _ in range(5):
        hand.trade("KRW-BTC", "1", "1")
        hand.write()
        hand.wait(3600)
    hand.end()
    assert [path.name[:12] for path in files_of(tmp_path)] == ["20261130T23Z", "20261201T00Z", "20261201T01Z"]
    assert [fault for one in examine(files_of(tmp_path)) for fault in one.faults] == []
    assert (tmp_path / "20200101T00Z-notes.txt").exists()


def test_recording_again_in_the_same_hour_begins_another_file(tmp_path: Path) -> None:
    """Nothing that was kept is written over."""
    for _ in range(2):
        recorded(tmp_path)
    assert [path.name for path in files_of(tmp_path)] == ["20261130T21Z-000.tape", "20261130T21Z-001.tape"]
    assert about(files_of(tmp_path)[1]).follows == "20261130T21Z-000.tape"


def test_another_format_is_told_in_one_sentence(tmp_path: Path) -> None:
    """With which one is read here, and exit code 1."""
    path = tmp_path / "old.tape"
    path.write_bytes(pack_about(msgspec.structs.replace(about(recorded(tmp_path)), format=0)))
    assert faults(path) == [
        f"{path}: this tape is of format 0, and format 1 is read here. Open it with the version that recorded it."
    ]


def test_the_verb_says_everything_and_exits_with_the_right_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 for a whole tape, 1 for one with a fault or none at all; as JSON too."""
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    path = recorded(tmp_path)
    assert main(["tape", "check", str(path)]) == 0
    told = capsys.readouterr().out
    assert told == ("20261130T21Z-000.tape: 2026-11-30 21:03:05.000 to 2026-11-30 21:03:08.000 UTC, 3 frames, 0 gaps\n")
    path.write_bytes(path.read_bytes()[:-5])
    assert main(["tape", "check", "--json", str(tmp_path)]) == 1
    (shown,) = json.loads(capsys.readouterr().out)
    assert shown["faults"] == faults(path)
    assert main(["tape", "check", str(tmp_path / "nowhere")]) == 1
    assert "there is no tape" in capsys.readouterr().err


def test_what_comes_faster_than_it_is_written_is_a_gap(tmp_path: Path) -> None:
    """Memory is bounded: the rest is counted, with its time, and what comes later is kept again."""
    hand = Hand(tmp_path)
    hand.recorder = Recorder(lambda: hand.now, most=1000)
    for _ in range(30):
        hand.recorder.frame("market", b"x" * 100)
        hand.wait(0.01)
    hand.write()
    hand.recorder.frame("market", b"y")
    hand.write()
    hand.end()
    frames = [one for one in records(files_of(tmp_path)) if one.kind == RecordKind.FRAME]
    (gap,) = [one for one in records(files_of(tmp_path)) if one.kind == RecordKind.GAP]
    told = msgspec.json.decode(gap.content, type=Gap)
    assert told.why == "slow"
    assert told.records == 31 - len(frames) == hand.recorder.lost
    assert moment_of(told.from_us) == moment_of(frames[-2].at_us).replace(microsecond=len(frames[:-1]) * 10_000)
    assert frames[-1].content == b"y"


def test_a_reconnection_is_a_gap_since_the_last_frame(tmp_path: Path) -> None:
    """From the last frame that was heard to the new connection."""
    hand = Hand(tmp_path)
    hand.open("KRW-BTC")
    hand.trade("KRW-BTC", "1", "1")
    hand.wait(5)
    hand.recorder.state("market", "closed")
    hand.wait(2)
    hand.open("KRW-BTC")
    hand.write()
    hand.end()
    (found,) = examine(files_of(tmp_path))
    assert [(gap.why, gap.to_us - gap.from_us) for gap in found.gaps] == [("closed", 7_000_000)]


def test_a_disk_that_takes_nothing_costs_what_it_did_not_take(tmp_path: Path) -> None:
    """The file ends where it did, goes on when there is room, and holds the gap."""
    hand = Hand(tmp_path)
    hand.trade("KRW-BTC", "1", "1")
    hand.write()
    hand.writer._least_free = 2**62
    hand.wait(1)
    hand.trade("KRW-BTC", "2", "1")
    batch = hand.recorder.take()
    assert batch is not None
    with pytest.raises(OSError, match="less than a gigabyte"):
        hand.writer.write(batch)
    hand.recorder.failed(batch)
    hand.writer._least_free = 0
    hand.wait(1)
    hand.write()
    hand.end()
    (found,) = examine(files_of(tmp_path))
    assert [(gap.why, gap.records) for gap in found.gaps] == [("disk", 1)]
    assert found.faults == []
    assert found.records[RecordKind.FRAME] == 1


def test_half_a_write_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full in the middle of a block leaves no broken one before those that follow."""
    hand = Hand(tmp_path)
    hand.trade("KRW-BTC", "1", "1")
    hand.write()
    write = os.write

    def half(file: int, content: bytes) -> int:
        if len(content) < 20:
            raise OSError(28, "No space left on device")
        return write(file, bytes(content)[:20])

    hand.trade("KRW-BTC", "2", "1")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            hand.write()
    hand.trade("KRW-BTC", "3", "1")
    hand.write()
    hand.end()
    (path,) = files_of(tmp_path)
    assert faults(path) == []
    assert [b'"trade_price":3' in one.content for one in whole(path) if one.kind == RecordKind.FRAME] == [False, True]


def test_a_folder_that_takes_no_file_is_told_before_anything_is_heard(tmp_path: Path) -> None:
    """With what the machine says."""
    (tmp_path / "file").touch()
    with pytest.raises(TapeError, match="nothing can be written there"):
        Writer(tmp_path / "file", "http://127.0.0.1:1")


def test_without_the_library_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one sentence."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ZstandardMissing, match=r"pip install --require-hashes -r requirements/tape\.txt"):
        Writer(tmp_path, "http://127.0.0.1:1")
    with pytest.raises(ZstandardMissing):
        examine([tmp_path])


def test_an_answer_about_the_account_keeps_its_shape_and_no_value(tmp_path: Path) -> None:
    """Amounts, names of orders and times are hidden; market, side and state are not, and public answers are whole."""
    order = {
        "uuid": "9ca0",
        "market": "KRW-BTC",
        "side": "bid",
        "state": "done",
        "price": "100",
        "trades": [{"uuid": 1}],
    }
    hand = Hand(tmp_path)
    hand.recorder.answer("GET", "/v1/order?uuid=9ca0&x=1", 200, json.dumps(order).encode(), signed=True)
    hand.recorder.answer("GET", "/v1/market/all?is_details=true", 200, b"[ ]", signed=False)
    hand.write()
    hand.end()
    private, public, _ = records(files_of(tmp_path))
    head, _, body = private.content.partition(b"\n")
    assert head == b"200 GET /v1/order?uuid=***&x=***"
    assert json.loads(body) == {
        "uuid": "***", "market": "KRW-BTC", "side": "bid", "state": "done", "price": "***", "trades": [{"uuid": "***"}]
    }  # fmt: skip
    assert public.content == b"200 GET /v1/market/all?is_details=true\n[ ]"
    assert redact(b"<html>") == b'"***"'
    assert redact_path("/v1/accounts") == "/v1/accounts"


def test_the_time_of_a_record_is_that_of_the_clock_to_the_microsecond() -> None:
    """Also where floats would round."""
    moment = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    recorder = Recorder(lambda: moment)
    recorder.frame("market", b"")
    batch = recorder.take()
    assert batch is not None
    assert moment_of(batch.last_us) == moment
    assert recorder.take() is None
