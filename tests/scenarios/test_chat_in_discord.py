"""The bot in a Discord, with discord.py as it is: what its owner presses is done once, and what others press never."""

from __future__ import annotations

import asyncio
import sqlite3
from itertools import pairwise
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest

from chat.answers import VERBS
from dashboard.desk import Desk
from journal.records import Order
from sandbox.discord_shapes import CHANNEL
from simulation.loop import PacedLoop
from tests.helpers.journals import buy
from trader.control import SELL_ALL, STOPPED

discord = pytest.importorskip("discord", reason="pip install --require-hashes -r requirements/chat.txt")

from chat import bot  # noqa: E402 - needs it
from tests.helpers.guild import OWNER, STRANGER, in_discord  # noqa: E402 - same

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from discord import Client

    from tests.helpers.guild import Place


@pytest.fixture
async def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """Lend a channel whose bot is there."""
    async with in_discord(tmp_path, monkeypatch) as made:
        await made.until(lambda: made.guild.connected == 1)
        yield made


def commands(place: Place) -> list[tuple[str, str]]:
    """Return what the journal tells of commands: each with who gave it, and again with what came of it."""
    told = [event[2] for event in place.book.events() if event[0] == "command"]
    return [(one["command"], one.get("outcome") or one["by"]) for one in told]


async def test_a_bot_logs_in_and_says_which_commands_there_are(place: Place) -> None:
    """Each with its sentence; `why` and `sell` take a market."""
    assert [(one["name"], one["description"]) for one in place.guild.commands] == [
        (verb.name, verb.what.en) for verb in VERBS
    ]
    of_a_market = [one for one in place.guild.commands if one.get("options")]
    assert [one["name"] for one in of_a_market] == ["why", "sell"]
    assert [(one["name"], one["required"]) for of in of_a_market for one in of["options"]] == [("market", False)] * 2
    assert place.guild.identified == 1


async def test_every_command_is_answered_in_the_channel(place: Place) -> None:
    """The link alone is seen by nobody but who asked."""
    buy(place.book)
    answers = {verb.name: await place.ask(verb.name) for verb in VERBS}
    assert {name for name, answer in answers.items() if answer.private} == {"link"}
    assert all(answer.text for answer in answers.values())
    assert {name: len(answer.buttons) for name, answer in answers.items() if answer.buttons} == {
        "halt": 1,
        "sell": 1,
        "sell-all": 1,
    }
    assert commands(place) == []


async def test_a_fault_of_ours_is_answered_as_well(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks does not wait for ever, and the next command is answered."""
    with monkeypatch.context() as patched:
        patched.setattr(bot, "answer_of", Mock(side_effect=KeyError("x")))
        assert (await place.ask("status")).text == bot.FAILED.en
    assert (await place.ask("status")).text != bot.FAILED.en


async def test_a_command_alone_does_nothing_and_its_button_does_it(place: Place) -> None:
    """The outcome stands where the button stood."""
    question = await place.ask("halt")
    assert not place.app.control.stands(STOPPED)
    told = await place.press(question)
    assert (told.id, told.text, told.buttons) == (question.id, "stop buying: done", [])
    assert place.app.control.stands(STOPPED)
    question = await place.ask("sell-all")
    assert (await place.press(question)).text == "sell all: taken, it is being sold"
    resume = await place.ask("resume")
    assert [button.split(":")[-1] for button in resume.buttons] == [STOPPED, SELL_ALL]
    assert (await place.press(resume)).text == "resume: done"
    assert [halt.code for halt in place.app.control.reasons] == [SELL_ALL]  # no resume ends it by the way
    orders = (Order.HALT_BUYS, Order.SELL_ALL, Order.RESUME)
    assert commands(place) == [(order, said) for order in orders for said in ("discord", "done")]


async def test_a_trade_is_sold_by_its_button_and_a_later_one_is_not(place: Place) -> None:
    """The market may be typed in haste; a press of yesterday's trade sells nothing of today's."""
    buy(place.book, market="KRW-XRP")
    question = await place.ask("sell", market="xrp")
    assert (await place.press(question)).text == "sell KRW-XRP: taken, it is being sold"
    assert place.book.journal.ordered_sales() == {"t1"}
    assert place.app.control.may_buy()
    again = await place.ask("sell")
    assert (await place.press(again)).text == "sell KRW-XRP: nothing was to be changed"


async def test_a_press_that_is_delivered_often_is_done_once(place: Place) -> None:
    """Also when the button is pressed twice, or a press comes again after a resume."""
    question = await place.ask("halt")
    button = question.buttons[0]
    first, second = [await place.guild.press(question, button, user=OWNER) for _ in range(2)]
    for _ in range(5):
        await place.guild.deliver(first)
        await place.guild.deliver(second)
    await place.until(lambda: place.guild.interactions[second["token"]].answer is not None)
    place.app.control.resume()
    await place.guild.deliver(first)
    late = await place.guild.press(question, button, user=OWNER)
    await place.until(lambda: place.guild.interactions[late["token"]].answer is not None)
    assert place.app.control.reasons == []
    assert commands(place) == [(Order.HALT_BUYS, "discord"), (Order.HALT_BUYS, "done")]


async def test_a_press_that_comes_too_late_to_be_answered_is_told_below(place: Place) -> None:
    """Discord takes no answer any more; what came of it is said all the same."""
    question = await place.ask("halt")
    await place.guild.press(question, question.buttons[0], user=OWNER, over=True)
    await place.until(lambda: place.guild.told[-1].text == "stop buying: done")
    assert place.guild.told[-1].interaction is None
    assert place.app.control.stands(STOPPED)


async def test_a_button_of_an_old_question_does_nothing(place: Place) -> None:
    """What was asked for ten minutes ago may not be meant any more."""
    question = await place.ask("sell-all")
    place.book.at(601_000)
    assert "Nothing was done" in (await place.press(question)).text
    assert commands(place) == []


async def test_a_stranger_and_another_channel_are_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence that nobody else sees; the journal is not even read."""
    question = await place.ask("halt")
    asked: list[object] = []

    async def noted(_: Desk, question: object) -> None:
        asked.append(question)

    monkeypatch.setattr(Desk, "read", noted)
    tokens = [(await place.guild.command(verb.name, user=STRANGER))["token"] for verb in VERBS]
    tokens.append((await place.guild.command("status", user=OWNER, channel=CHANNEL + 1))["token"])
    tokens.append((await place.guild.press(question, question.buttons[0], user=STRANGER))["token"])
    tokens.append((await place.guild.press(question, question.buttons[0], user=OWNER, channel=CHANNEL + 1))["token"])
    await place.until(lambda: all(place.guild.interactions[token].answer is not None for token in tokens))
    refusals = [one for one in place.guild.told if one.id != question.id]
    assert [(one.text, one.private) for one in refusals] == [
        ("This bot obeys its owner in its channel only.", True)
    ] * len(tokens)
    assert (asked, commands(place), len(question.buttons)) == ([], [], 1)


async def test_a_gateway_that_is_cut_is_resumed_and_misses_nothing(place: Place) -> None:
    """What is pressed meanwhile is done once, however often the gateway tells it."""
    for cuts in range(1, 6):
        question = await place.ask("halt")
        await place.guild.cut()
        told = await place.press(question)
        assert told.text == ("stop buying: done" if cuts == 1 else "stop buying: nothing was to be changed")
        assert (place.guild.identified, place.guild.resumed) == (1, cuts)
    assert [halt.code for halt in place.app.control.reasons] == [STOPPED]


async def test_what_discord_puts_off_is_answered_later(place: Place) -> None:
    """429 with a time, to the first answer of a command, to its text, and to a press."""
    question = await place.ask("halt")
    for many in (1, 2, 3):
        place.guild.limited.extend([0.001] * many)
        assert (await place.ask("status")).text.startswith("0 places")
    place.guild.limited.append(0.001)
    assert (await place.press(question)).text == "stop buying: done"
    assert not place.guild.limited


async def test_a_start_that_is_put_off_is_a_late_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The login, and the list of commands."""
    async with in_discord(tmp_path, monkeypatch, delayed=(0.001, 0.001, 0.001)) as place:
        await place.until(lambda: place.guild.connected == 1)
        assert len(place.guild.commands) == len(VERBS)


async def test_a_token_that_discord_refuses_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the webhook, with what to do; it bears no token."""
    monkeypatch.setattr(bot, "LONGEST_REST_S", 0.001)
    async with in_discord(tmp_path, monkeypatch, token="canary-token") as place:
        await place.until(lambda: place.guild.requests.count(("GET", "users/@me")) >= 4)
        notes = place.book.rows("outbox")
        assert len(notes) == 1
        assert "DISCORD_BOT_TOKEN" in notes[0]["body"].replace("\\", "")
        assert "canary-token" not in notes[0]["body"]


async def test_a_disk_that_takes_nothing_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A resume that cannot be written down is not done."""
    place.app.control.stop_buying()
    question = await place.ask("resume")

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(place.app.journal, "begin_command", full)
    assert "the disk takes nothing" in (await place.press(question)).text
    assert place.app.control.stands(STOPPED)


def test_whatever_goes_wrong_it_comes_back_ever_more_rarely() -> None:
    """Errors of the network, of Discord, of the library and of our own; none of them reaches anybody else."""
    ours, theirs = (OSError, TypeError, AssertionError), (discord.ClientException, discord.LoginFailure)
    errors = [kind() for kind in (*ours, *theirs, discord.GatewayNotFound)]
    times: list[float] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()

        async def connect() -> None:
            times.append(loop.time())
            if len(times) == 14:
                await asyncio.sleep(3600)  # it holds for an hour
            raise errors[len(times) % len(errors)]

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(10_000):
                await bot.stay_connected(connect)

    with asyncio.Runner(loop_factory=lambda: PacedLoop(speed=float("inf"))) as runner:
        runner.run(story())
    waits = [round(after - before) for before, after in pairwise(times)]
    assert waits[:13] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600, 600]
    assert waits[13:15] == [3601, 2]  # what held so long begins anew


async def test_a_gateway_that_does_not_say_goodbye_holds_no_stop_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A farewell is given two seconds at most, here less."""
    monkeypatch.setattr(bot, "GOODBYE_S", 0.001)
    held: list[Client] = []
    close = discord.Client.close

    async def hold(client: Client) -> None:
        held.append(client)
        await asyncio.Event().wait()

    async with in_discord(tmp_path, monkeypatch) as place:
        await place.until(lambda: place.guild.connected == 1)
        monkeypatch.setattr(discord.Client, "close", hold)
    assert len(held) == 1
    await close(held[0])
