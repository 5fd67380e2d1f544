"""Files into the history: what is settled between them, what is told, what is never lost."""

from __future__ import annotations

import gzip
import io
import json
import os
import tempfile
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.files.check import examine_one
from backtest.files.content import Source, sources_of
from backtest.files.forms import FORMS
from backtest.files.importer import import_files, looked_through
from backtest.files.judge import first_fault
from backtest.files.reading import Wishes, read
from backtest.files.settle import settle
from backtest.files.times import Zone
from backtest.files.writing import WRITERS, save
from backtest.history.candles import Candles, Stored
from backtest.history.store import Store
from backtest.problems import NothingThere, Unwritable
from backtest.units import UNITS, to_ms
from main import main
from tests.unit.forms_of_files import (
    COUNT,
    DAY,
    H4,
    HOUR,
    KST,
    NOW,
    OWN,
    OWN_CSV,
    ROWS,
    START,
    Row,
    frame,
    iso,
    official,
    rows,
    table,
    zipped,
)  # fmt: skip
from tests.unit.forms_refused import REFUSED
from tests.unit.forms_taken import TAKEN

if TYPE_CHECKING:
    from collections.abc import Sequence

REAL = Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "candles"
WISHES = Wishes(now=NOW)


def own(made: Sequence[Row]) -> str:
    """Return rows as our own CSV."""
    return table(OWN, lambda at: f"{iso(at)}Z", made)


def columns(made: Sequence[Row]) -> Candles:
    """Return rows as candles."""
    names = ("open", "high", "low", "close", "volume", "turnover")
    values = {name: np.array([row[index] for row in made]) for index, name in enumerate(names, start=1)}
    return Candles(opened_at_ms=np.array([to_ms(row[0]) for row in made]), **values)


def spoiled_time(text: str) -> str:
    """Return our own CSV with a first time that is none."""
    return OWN_CSV.replace(f"{iso(START)}Z", text)


def put(folder: Path, name: str, text: str | bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return path


# --- what is settled -------------------------------------------------------------------------------------------------


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    """Every candle of it is a repetition, and the store is what it was."""
    store, path = Store(tmp_path / "store"), put(tmp_path, "KRW-BTC.csv", OWN_CSV)
    import_files(store, [path], WISHES)
    before = store.path(H4, "KRW-BTC").read_bytes()
    (again,) = import_files(store, [path], WISHES)
    assert (again.came, again.repeated, again.conflicts) == (COUNT, COUNT, 0)
    assert again.clean
    assert store.path(H4, "KRW-BTC").read_bytes() == before


def test_of_equal_files_all_but_the_first_are_repetitions(tmp_path: Path) -> None:
    """Each says how many candles it brought and how many of them were known."""
    for number in range(3):
        put(tmp_path, f"KRW-BTC ({number}).csv", OWN_CSV)
    outcomes = import_files(Store(tmp_path / "store"), [tmp_path], WISHES)
    assert [(one.came, one.repeated, one.conflicts) for one in outcomes] == [(12, 0, 0), (12, 12, 0), (12, 12, 0)]


@pytest.mark.parametrize("whole_first", [True, False])
def test_of_two_files_the_more_complete_candle_stays_and_it_is_told(tmp_path: Path, *, whole_first: bool) -> None:
    """A candle that was saved while it formed never replaces the whole one, whichever comes first."""
    half = (*ROWS[-1][:4], ROWS[-1][4] - 100, ROWS[-1][5] / 3, ROWS[-1][6] / 3)
    put(tmp_path, f"KRW-BTC_{1 if whole_first else 2}.csv", OWN_CSV)
    put(tmp_path, f"KRW-BTC_{2 if whole_first else 1}.csv", own([*ROWS[:-1], half]))
    store = Store(tmp_path / "store")
    outcomes = import_files(store, [tmp_path], WISHES)
    assert [one.conflicts for one in outcomes] == [0, 1]
    assert outcomes[1].first_conflict == ROWS[-1][0]
    read_back = store.read(H4, "KRW-BTC").candles
    assert (read_back.close[-1], read_back.volume[-1]) == (ROWS[-1][4], ROWS[-1][5])


def test_a_turnover_that_is_known_stays(tmp_path: Path) -> None:
    """The same candle without a turnover says nothing else, and takes nothing away."""
    store = Store(tmp_path / "store")
    import_files(store, [put(tmp_path, "KRW-BTC.csv", OWN_CSV)], WISHES)
    bare = table(OWN.removesuffix(",value"), lambda at: f"{iso(at)}Z", width=5)
    (outcome,) = import_files(store, [put(tmp_path, "KRW-BTC.csv", bare)], WISHES)
    assert (outcome.conflicts, outcome.repeated) == (0, COUNT)
    assert store.read(H4, "KRW-BTC").candles.turnover.tolist() == [row[6] for row in ROWS]


def test_what_was_downloaded_from_upbit_stands(tmp_path: Path) -> None:
    """Neither another value nor a candle in a gap that Upbit itself had comes in, and both are told."""
    store = Store(tmp_path / "store")
    fetched = columns([row for at, row in enumerate(ROWS) if at != 5])
    span = (to_ms(ROWS[0][0]), to_ms(ROWS[9][0]))
    store.write(H4, "KRW-BTC", Stored(candles=fetched, asked=(span,)))
    more = (*ROWS[3][:5], ROWS[3][5] * 2, ROWS[3][6] * 2)
    newer = rows(start=ROWS[-1][0] + H4, count=2)
    path = put(tmp_path, "KRW-BTC.csv", own([*ROWS[:3], more, *ROWS[4:], *newer]))
    (outcome,) = import_files(store, [path], WISHES)
    assert (outcome.conflicts, outcome.without, outcome.clean) == (1, 1, False)
    stored = store.read(H4, "KRW-BTC")
    assert stored.asked == (span,)
    assert len(stored.candles) == COUNT - 1 + 2
    assert stored.candles.volume[3] == ROWS[3][5]


def test_a_file_of_another_zone_or_exchange_is_refused_when_the_history_knows_better(tmp_path: Path) -> None:
    """Hours fit every zone; that most prices differ from what is there says that this one is wrong."""
    made = rows(HOUR, count=60)
    store = Store(tmp_path / "store")
    store.write(HOUR, "KRW-BTC", Stored(candles=columns(made)))
    path = put(tmp_path, "KRW-BTC.csv", frame(made).to_csv())
    (wrong,) = import_files(store, [path], replace(WISHES, zone=Zone.UTC))
    assert wrong.refused is not None
    assert "differ from most of the candles that are there" in wrong.refused.en
    assert len(store.read(HOUR, "KRW-BTC").candles) == 60
    (right,) = import_files(store, [path], replace(WISHES, zone=Zone.KST))
    assert (right.refused, right.repeated, right.conflicts) == (None, 60, 0)


moments = st.integers(0, 6)
known = st.tuples(moments, st.integers(1, 3), st.sampled_from([np.nan, 1.0, 2.0]), st.integers(1, 3))
Stretch = list[tuple[int, int, float, int]]


@given(st.lists(st.lists(known, max_size=6), min_size=2, max_size=4))
def test_each_moment_keeps_one_candle_and_it_is_the_most_complete(
    stretches: list[Stretch],
) -> None:
    """Largest volume, then a known turnover, whatever the order of the files; and every row is accounted for."""

    def made(stretch: Stretch) -> Candles:
        at, volume, turnover, price = (np.array([row[i] for row in stretch], dtype=float) for i in range(4))
        prices = dict.fromkeys(("open", "high", "low", "close"), price)
        return Candles(opened_at_ms=at.astype(np.int64), volume=volume, turnover=turnover, **prices)

    settled = settle([made(one) for one in stretches])
    everything = [row for stretch in stretches for row in stretch]
    assert settled.candles.opened_at_ms.tolist() == sorted({row[0] for row in everything})
    for index, moment in enumerate(settled.candles.opened_at_ms.tolist()):
        of_it = [(row[1], -1.0 if np.isnan(row[2]) else row[2]) for row in everything if row[0] == moment]
        turnover = settled.candles.turnover[index]
        assert (settled.candles.volume[index], -1.0 if np.isnan(turnover) else turnover) == max(of_it)
    told = len(settled.candles) + sum(settled.repeated) + sum(settled.conflicts)
    assert told <= len(everything)  # two conflicts of one moment in one file are told as one


# --- what is looked at -----------------------------------------------------------------------------------------------


def test_a_folder_is_opened_at_any_depth_and_only_candles_are_looked_at(tmp_path: Path) -> None:
    """Notes, pictures, checksums, hidden files and the store itself stay where they are."""
    store = Store(tmp_path / "candles")
    import_files(store, [put(tmp_path / "old", "KRW-XRP.csv", OWN_CSV)], WISHES)
    (tmp_path / "old" / "KRW-XRP.csv").unlink()
    name = "KRW-BTC_candle-240m_202401"
    archive = zipped(**{f"{name}.csv": official(), f"{name}.csv.checksum": b"x"})
    put(tmp_path, f"KRW-BTC/monthly/240m/2024/{name}.zip", archive)
    put(tmp_path, f"KRW-BTC/monthly/240m/2024/{name}.zip.checksum", "abc")
    put(tmp_path, "readme.md", "notes")
    put(tmp_path, ".git/KRW-ETH.csv", OWN_CSV)
    (outcome,) = import_files(store, [tmp_path], WISHES)
    assert outcome.markets == ("KRW-BTC",)
    assert outcome.clean


def test_a_workbook_in_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    """Whoever keeps candles in one would miss them, and nobody else would be told why."""
    put(tmp_path, "KRW-BTC.csv", OWN_CSV)
    put(tmp_path, "old/KRW-ETH.xls", b"\xd0\xcf\x11\xe0")
    put(tmp_path, "old/KRW-XRP.h5", b"\x89HDF\r\n")
    put(tmp_path, "old/~$KRW-ETH.xlsx", b"what Excel leaves beside a workbook it has open")
    good, *bad = import_files(Store(tmp_path / "store"), [tmp_path], WISHES)
    assert good.markets == ("KRW-BTC",)
    whys = [outcome.refused.en.partition(".")[0] for outcome in bad if outcome.refused]
    assert whys == ["this is an Excel workbook", "this is an HDF5 file"]


def test_an_archive_of_several_files_tells_of_each(tmp_path: Path) -> None:
    """One of them is bad; the others come in."""
    path = put(tmp_path, "all.zip", zipped(**{"a/KRW-BTC.csv": OWN_CSV.encode(), "KRW-ETH.csv": b"x"}))
    good, bad = import_files(Store(tmp_path / "store"), [path], WISHES)
    assert (good.file, good.came) == (f"{path}:a/KRW-BTC.csv", COUNT)
    assert (bad.file, bad.refused is not None) == (f"{path}:KRW-ETH.csv", True)


def test_a_path_that_is_not_there_is_refused_beside_one_that_is(tmp_path: Path) -> None:
    """And alone it is an error, as an empty folder is."""
    store = Store(tmp_path / "store")
    missing, there = import_files(store, [tmp_path / "x.csv", put(tmp_path, "KRW-BTC.csv", OWN_CSV)], WISHES)
    assert missing.refused is not None
    assert missing.refused.en == "there is no such file"
    assert there.clean
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "x.csv", tmp_path / "empty"):
        with pytest.raises(NothingThere, match="nothing to import"):
            import_files(store, [path], WISHES)


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packed or not."""
    monkeypatch.setattr("backtest.files.content.LARGEST", 300)
    packed = gzip.compress(OWN_CSV.encode())
    paths = [put(tmp_path, "KRW-BTC.csv", OWN_CSV), put(tmp_path, "KRW-ETH.csv.gz", gzip.compress(bytes(1000)))]
    assert len(packed) > 300 > len(gzip.compress(bytes(1000)))
    for outcome in import_files(Store(tmp_path / "store"), paths, WISHES):
        assert outcome.refused is not None
        assert "it is more than 2 GiB" in outcome.refused.en


def test_without_unit_each_file_goes_where_it_belongs(tmp_path: Path) -> None:
    """By what it says of itself, else by the distances of its candles."""
    store = Store(tmp_path / "store")
    for name, unit in UNITS.items():
        put(tmp_path, f"in/KRW-BTC {name}.csv", own(rows(unit)))
    outcomes = import_files(store, [tmp_path / "in"], WISHES)
    assert all(one.clean for one in outcomes)
    assert store.units() == list(UNITS.values())


def test_a_file_saved_while_its_last_candle_formed_loses_that_candle(tmp_path: Path) -> None:
    """Long after, only the time of saving tells."""
    saved_at = ROWS[-1][0] + timedelta(hours=1)
    source = Source(label="x", name="KRW-BTC.csv", folder="", content=OWN_CSV.encode(), saved_at=saved_at)
    reading = read(source, WISHES)
    assert (reading.forming, len(reading.candles["KRW-BTC"])) == (1, COUNT - 1)
    assert read(replace(source, saved_at=saved_at + H4), WISHES).forming == 0


def test_a_broken_file_of_the_store_is_told_and_the_others_come_in(tmp_path: Path) -> None:
    """Nobody's work is lost for it."""
    store = Store(tmp_path / "store")
    store.path(H4, "KRW-BTC").parent.mkdir(parents=True)
    store.path(H4, "KRW-BTC").write_bytes(b"x")
    paths = [put(tmp_path, "KRW-BTC.csv", OWN_CSV), put(tmp_path, "KRW-ETH.csv", OWN_CSV)]
    bad, good = import_files(store, paths, WISHES)
    assert bad.refused is not None
    assert "is damaged" in bad.refused.en
    assert (bad.came, good.came) == (0, COUNT)


CONTENTS = sorted(
    {(Path(name).name, body) for one in (TAKEN | REFUSED).values() for name, body in one.files.items()}
    | {("x.json", b"[" * 100_000), ("x.json", b'[{"market": "\\ud800", "time": 1, "open": 1}]'), ("x.json", b"[1, 2]")}
)
WORDS = (b"inf", b"nan", b"-1", b"1e400", b"\x00", b'"', b",", b"\n", b"9" * 30, b"null", b"{}", b"\xed\xa0\x80")


@st.composite
def spoiled_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """Return a file of the forms, cut off, with bytes changed or words put in."""
    name, content = draw(st.sampled_from(CONTENTS))
    spoiled = bytearray(content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(spoiled)))
        spoiled[at : at + draw(st.integers(0, 5))] = draw(st.one_of(st.sampled_from(WORDS), st.binary(max_size=3)))
    return name, bytes(spoiled)


@settings(max_examples=150)
@given(spoiled_files())
def test_a_file_that_was_spoiled_is_taken_whole_or_refused_in_words(file: tuple[str, bytes]) -> None:
    """Archives, tables and text: never a traceback, never a candle that cannot be one."""
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder), *file)
        wishes = replace(WISHES, zone=Zone.KST, unit=H4, market="KRW-BTC")
        for outcome, found in looked_through([path], wishes):
            assert (outcome.refused is None) is bool(found)
            for (unit, _), candles in found.items():
                assert first_fault(candles, unit, to_ms(NOW)) is None


# --- written back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [H4, DAY, UNITS["10m"]])
@pytest.mark.parametrize("code", WRITERS)
def test_what_is_written_in_a_form_comes_back_from_it(tmp_path: Path, code: str, unit: timedelta) -> None:
    """To the last digit, taken for that form, with its unit and its market; a turnover where the form has one."""
    made = columns(rows(unit, count=3 * COUNT))
    made.turnover[4] = np.nan
    for name, content in WRITERS[code]("KRW-BTC", unit, made):
        save(tmp_path / "out", name, content, replace=False)
    store = Store(tmp_path / "store")
    zone = Zone.KST if code == "pyupbit" else None
    outcomes = import_files(store, [tmp_path / "out"], replace(WISHES, zone=zone))
    assert {(one.reading.form.code, one.clean) for one in outcomes if one.reading} == {(code, True)}
    back = store.read(unit, "KRW-BTC").candles
    for name in ("opened_at_ms", "open", "high", "low", "close", "volume"):
        assert getattr(back, name).tolist() == getattr(made, name).tolist()
    carried = not code.startswith(("ccxt", "freqtrade"))
    assert np.array_equal(back.turnover, made.turnover if carried else np.full(len(made), np.nan), equal_nan=True)


def test_every_form_of_a_program_is_written_too() -> None:
    """What is read is written, except tables that are nobody's own."""
    assert {form.code for form in FORMS if not form.code.startswith("table-")} == set(WRITERS)


def test_a_file_that_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    """It may be somebody's own."""
    path = put(tmp_path, "KRW-BTC.csv", "mine")
    with pytest.raises(Unwritable, match="Add --force"):
        save(tmp_path, "KRW-BTC.csv", b"new", replace=False)
    assert path.read_bytes() == b"mine"
    save(tmp_path, "KRW-BTC.csv", b"new", replace=True)
    assert [one.name for one in tmp_path.iterdir()] == ["KRW-BTC.csv"]
    assert path.read_bytes() == b"new"


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    """Where the folder should be lies a file."""
    put(tmp_path, "out", "x")
    with pytest.raises(Unwritable, match="cannot be written"):
        save(tmp_path / "out", "KRW-BTC.csv", b"new", replace=True)


# --- checked ---------------------------------------------------------------------------------------------------------


def test_check_knows_what_an_import_refuses(tmp_path: Path) -> None:
    """A store that somebody else filled: each fault is named with its candle."""
    store = Store(tmp_path)
    good = columns(ROWS)
    spoiled = {
        "KRW-INF": (replace(good, turnover=np.full(COUNT, np.inf)), "an infinite turnover"),
        "KRW-NEG": (replace(good, turnover=-good.turnover), "a turnover below 0"),
        "KRW-OLD": (columns(rows(DAY)), "these are not 240m candles: they lie day apart"),
        "KRW-LATE": (columns(rows(start=NOW - timedelta(hours=2))), "a candle of the future"),
        "KRW-NOW": (columns(rows(start=NOW - timedelta(hours=2), count=1)), "a candle that is still forming"),
        "KRW-IDLE": (columns([*ROWS[:-1], (ROWS[-1][0], 5, 5, 5, 5, 0, 0)]), "a candle without a trade"),
        "KRW-SWAP": (replace(good, volume=good.turnover, turnover=good.volume), "in each other's columns"),
        "KRW-foo bar": (good, "this is not the name of a won market"),
    }
    for market, (candles, words) in spoiled.items():
        store.write(H4, market, Stored(candles=candles))
        found = examine_one(store, H4, market, NOW)
        assert found.fault is not None, market
        assert words in found.fault.en
        assert found.fault.ko != found.fault.en
    store.write(H4, "KRW-BTC", Stored(candles=good))
    assert examine_one(store, H4, "KRW-BTC", NOW).fault is None


# --- as a person types it --------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty data folder that the environment names."""
    monkeypatch.setenv("BOT_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("BOT_LANGUAGE", "en")
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    """Run a verb; return its exit code and its JSON."""
    code = main([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_summary_says_what_came_and_what_did_not(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a file: what it was taken for, how many candles, or why not; the exit code says that one was refused."""
    put(home, "in/KRW-BTC.csv", OWN_CSV)
    put(home, "in/KRW-ETH.csv", "x")
    assert main(["data", "import", "in", "--unit", "240m"]) == 1
    shown = capsys.readouterr().out
    assert "this program's CSV 240m" in " ".join(shown.split())
    assert "no header names" in shown
    assert "Imported 12 candles of 1 files (0 repeated). Files refused: 1." in shown
    code, told = said(capsys, "data", "import", "in/KRW-BTC.csv")
    assert (code, told["came"], told["files"][0]["form"], told["refused"]) == (0, 12, "csv", 0)


def test_a_narrow_terminal_shows_every_letter_of_a_name_and_of_a_reason(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long path goes on in the next line: its end is what tells files apart."""
    name = "candles-of-a-market-with-a-long-name-0123456789.csv"
    put(home, f"in/{name}", "x")
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["data", "import", "in"]) == 1
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert f"in/{name}" in "".join(line.split(" ", 1)[0] for line in shown.splitlines())


def test_check_says_what_an_import_would_do_and_keeps_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same line a file and the same exit code."""
    put(home, "in/KRW-BTC.csv", OWN_CSV)
    assert main(["data", "check", "in"]) == 0
    assert "12 candles of 1 files can be imported (0 repeated)." in capsys.readouterr().out
    put(home, "in/bitcoin.csv", OWN_CSV)
    assert main(["data", "check", "in"]) == 1
    assert main(["data", "check", "in/bitcoin.csv", "--market", "btc"]) == 0
    assert main(["data", "check"]) == 2
    assert "Say what to check" in capsys.readouterr().err
    assert Store(home / "data" / "candles").units() == []


def test_what_a_terminal_has_no_letters_for_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Korean terminal of old shows the sentence, and no traceback."""
    put(home, "in/KRW-BTC.csv", spoiled_time("\N{GRINNING FACE}"))
    written = io.BytesIO()
    monkeypatch.setenv("BOT_LANGUAGE", "ko")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="cp949", write_through=True))
    assert main(["data", "import", "in"]) == 1
    assert "'?'은 시각이 아닙니다" in written.getvalue().decode("cp949")


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_summary_is_in_one_language(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    """Korean by default."""
    monkeypatch.setenv("BOT_LANGUAGE", language)
    half = (*ROWS[3][:4], ROWS[3][4] - 100, 0.0001, 5000.0)
    put(home, "in/KRW-BTC.csv", own([*ROWS, half]))
    put(home, "in/KRW-ETH.csv", "x")
    main(["data", "import", "in"])
    shown = capsys.readouterr().out
    korean = {"값이 다른 캔들 1개: 더 온전한 쪽을 남김 (처음: 2024-01-01 21:00 KST)", "거절한 파일: 1개", "머리글에서"}
    english = {"1 candles said twice and differently: the more complete one stays", "Files refused: 1", "no header"}
    assert all((words in shown) is (language == "ko") for words in korean)
    assert all((words in shown) is (language == "en") for words in english)


def test_the_zone_is_asked_for_once_and_never_guessed(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal the command to type is said once; at one, a single question settles all files."""
    for market in ("KRW-BTC", "KRW-ETH"):
        put(home, f"in/{market}.csv", frame().to_csv())
    assert main(["data", "import", "in"]) == 1
    assert capsys.readouterr().out.count("The times of 2 files name no zone. Add --zone kst") == 1
    assert Store(home / "data" / "candles").units() == []
    questions: list[str] = []

    def answer(question: str) -> str:
        questions.append(question)
        return "KST"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", answer)
    assert main(["data", "import", "in"]) == 0
    assert len(questions) == 1
    stored = Store(home / "data" / "candles").read(H4, "KRW-ETH").candles
    assert stored.opened_at_ms[0] == to_ms(START)


def test_convert_writes_files_and_says_where(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written is what pyupbit would have; an unknown form is named with those there are."""
    said(capsys, "data", "import", str(put(home, "KRW-BTC.csv", OWN_CSV)))
    words = ("data", "convert", "--unit", "240m", "--out", "out", "--to")
    code, told = said(capsys, *words, "pyupbit")
    assert (code, told["candles"], told["files"]) == (0, 12, ["out/KRW-BTC.csv"])
    lines = (home / "out" / "KRW-BTC.csv").read_text().splitlines()
    assert lines[0] == ",open,high,low,close,volume,value"
    assert datetime.fromisoformat(lines[1].split(",")[0]) == (START + KST).replace(tzinfo=None)
    assert main([*words, "pyupbit"]) == 1
    assert "Add --force" in capsys.readouterr().err
    assert main([*words, "pyupbit", "--force"]) == 0
    assert "Wrote 12 candles to 1 files in out (pyupbit)." in capsys.readouterr().out
    assert main([*words, "excel"]) == 2
    assert "there is no such form. Possible: csv, pyupbit" in capsys.readouterr().err


def test_a_market_that_is_none_is_refused_at_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With an example."""
    assert main(["data", "import", str(put(home, "x.csv", OWN_CSV)), "--market", "비트"]) == 2
    assert "Example: KRW-BTC" in capsys.readouterr().err


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_dir(), reason=f"real candles are not at {REAL}")
@pytest.mark.parametrize("code", WRITERS)
def test_real_candles_go_through_every_form_and_back(tmp_path: Path, code: str) -> None:
    """KRW-BTC, four hours: thousands of candles, turnovers that are known and not, gaps; every digit comes back."""
    (source,) = sources_of(REAL / "240m" / "KRW-BTC.csv.gz")
    made = read(source, WISHES).candles["KRW-BTC"]
    for name, content in WRITERS[code]("KRW-BTC", H4, made):
        save(tmp_path / "out", name, content, replace=False)
    store = Store(tmp_path / "store")
    outcomes = import_files(store, [tmp_path / "out"], replace(WISHES, zone=Zone.KST))
    assert all(one.clean for one in outcomes)
    back = store.read(H4, "KRW-BTC").candles
    for name in ("opened_at_ms", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(back, name), getattr(made, name))
