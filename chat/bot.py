"""The bot itself: logged in with a token, obeying one person in one channel, and answering nobody else.

It stands on discord.py alone, makes outgoing connections only, and comes back by itself: the library resumes a gateway
that was cut, and `stay_connected` begins anew, ever more rarely, whatever else has failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import discord
from discord import app_commands

from chat.answers import VERBS, Reply, answer_of, text_of
from chat.buttons import LONGEST_LABEL, fitting, time_of
from chat.presses import press
from config.redaction import Redaction
from dashboard.desk import Desk
from dashboard.passes import Role
from journal.errors import JournalError
from journal.records import Order
from notifier.words import Words
from trader.loops import pause
from trader.network import network_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping

    from chat.answers import Verb
    from trader.app import App

log = logging.getLogger("chat")

LONGEST_REST_S, STEADY_S, GOODBYE_S = 600.0, 60.0, 2.0
"""Between two tries at most; a connection that held so long was none that failed; a farewell takes no longer."""
STRANGER = Words("이 봇은 정해진 사용자와 채널에서만 명령을 받습니다.", "This bot obeys its owner in its channel only.")
NOT_READ = Words("거래 기록을 읽을 수 없습니다. 잠시 뒤 다시 하세요.", "The journal cannot be read. Try again soon.")
FAILED = Words(
    "봇에 오류가 있어 답하지 못했습니다. 거래는 계속됩니다. 로그를 확인하세요.",
    "The bot failed to answer. Trading goes on. See the log.",
)
REFUSED = Words(
    "디스코드가 봇 토큰을 거절했습니다. Discord Developer Portal의 Bot에서 토큰을 다시 복사해 DISCORD_BOT_TOKEN에 넣고 "
    "다시 시작하세요. 거래는 계속됩니다.",
    "Discord refuses the bot's token. Copy it again from Bot in the Discord Developer Portal into DISCORD_BOT_TOKEN, "
    "and restart. Trading goes on.",
)


def chat_of(app: App) -> Coroutine[None, None, None]:
    """Return what runs the bot beside a daemon, until cancelled."""
    return Bot(Desk.of(app, 1.0)).run()


class Bot:
    """One person's bot."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._config = desk.app.config
        self._language = self._config.language
        self._told = False  # that the token is refused

    async def run(self) -> None:
        """Be there until cancelled."""
        try:
            await stay_connected(self.connect)
        finally:
            self._desk.close()

    async def connect(self) -> None:
        """Log in, say which commands there are, and listen until the connection is gone for good.

        Raises:
            Exception: whatever the network, Discord or the library comes up with.
        """
        token = self._config.discord_bot_token
        assert token is not None, "a bot needs a token"
        network = network_of(self._config)
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # what is missing is the voice
        async with aiohttp.TCPConnector(ssl=network.tls()) as connector:
            client = discord.Client(
                intents=discord.Intents(guilds=True),  # commands need none; the library wants this one
                max_messages=None,
                allowed_mentions=discord.AllowedMentions.none(),
                connector=connector,
                proxy=network.proxy_for(discord.http.Route.BASE),
            )
            tree = app_commands.CommandTree(client)
            for verb in VERBS:
                tree.add_command(self._command(verb))

            async def on_interaction(interaction: discord.Interaction) -> None:
                if interaction.type is discord.InteractionType.component:
                    await self._press(interaction)

            client.event(on_interaction)
            try:
                await self._log_in(client, token.reveal())
                await tree.sync()
                log.info("the bot is logged in commands=%d", len(VERBS))
                await client.connect(reconnect=False)  # what cannot be resumed is begun anew, by `stay_connected`
            finally:
                with contextlib.suppress(TimeoutError):  # a gateway that is dead must not hold a stop up
                    async with asyncio.timeout(GOODBYE_S):
                        await client.close()

    async def _log_in(self, client: discord.Client, token: str) -> None:
        """Log in; that Discord does not take the token is told a person once."""
        try:
            await client.login(token)
        except discord.LoginFailure:
            if not self._told:
                app = self._desk.app
                app.inform(app.messages.problem("chat", REFUSED.say(self._language), at=app.clock()))
            self._told = True
            raise

    # --- commands

    def _command(self, verb: Verb) -> app_commands.Command[Any, ..., Any]:
        """Return a command as Discord is told of it."""
        what = verb.what.say(self._language)

        async def alone(interaction: discord.Interaction) -> None:
            await self._answer(interaction, verb)

        async def with_market(interaction: discord.Interaction, market: str = "") -> None:
            await self._answer(interaction, verb, market=market)

        if verb.market is None:
            return app_commands.Command(name=verb.name, description=what, callback=alone)
        described = app_commands.describe(market=verb.market.say(self._language))
        return app_commands.Command(name=verb.name, description=what, callback=described(with_market))

    async def _answer(self, interaction: discord.Interaction, verb: Verb, **asked: str) -> None:
        """Answer a command of the owner: first that it is heard, for which there are three seconds."""
        if not self._is_owner(interaction):
            await self._send_away(interaction)
            return
        await interaction.response.defer(thinking=True, ephemeral=verb.private)
        try:
            sight = await self._desk.sight(Role.OWNER, asked)
            answer = await self._desk.read(lambda journal: answer_of(verb, journal, sight))
        except JournalError:
            log.warning("the journal cannot be read for the chat", exc_info=True)
            answer = Reply([NOT_READ.say(self._language)])
        except Exception:  # whatever it is, the person who asks does not wait for ever
            log.exception("a command of the chat has failed verb=%s", verb.name)
            answer = Reply([FAILED.say(self._language)])
        await interaction.edit_original_response(
            embed=self._embed(text_of(answer, self._language)), view=self._view(answer, interaction.id)
        )

    def _view(self, answer: Reply, question: int) -> discord.ui.View | None:
        """Return the buttons of an answer; nobody keeps them: a press bears all it means."""
        buttons = fitting(answer.buttons, question)
        if not buttons:
            return None
        view = discord.ui.View(timeout=None)
        for one in buttons:
            sells = one.order in {Order.SELL, Order.SELL_ALL}
            style = discord.ButtonStyle.danger if sells else discord.ButtonStyle.primary
            view.add_item(discord.ui.Button(label=one.label[:LONGEST_LABEL], custom_id=one.name(question), style=style))
        view.stop()
        return view

    # --- buttons

    async def _press(self, interaction: discord.Interaction) -> None:
        """Do what a button of ours says, once, and tell what came of it."""
        if not self._is_owner(interaction):
            await self._send_away(interaction)
            return
        told = cast("Mapping[str, object]", interaction.data or {})
        said = press(self._desk.app, str(told.get("custom_id", "")), time_of(interaction.id))
        if said is not None:
            await self._say_in_place(interaction, said)

    async def _say_in_place(self, interaction: discord.Interaction, said: Words) -> None:
        """Put a sentence in the place of a message and its buttons; where it is too late for that, below it."""
        embed = self._embed(said.say(self._language))
        try:
            await interaction.response.edit_message(embed=embed, view=None)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.info("an answer came too late error=%s", type(error).__name__)
            await interaction.client.get_partial_messageable(self._config.chat.channel or 0).send(embed=embed)

    # --- who, and how

    def _is_owner(self, interaction: discord.Interaction) -> bool:
        chat = self._config.chat
        return (interaction.user.id, interaction.channel_id) == (chat.owner, chat.channel)

    async def _send_away(self, interaction: discord.Interaction) -> None:
        with contextlib.suppress(discord.HTTPException):  # nobody waits for it
            await interaction.response.send_message(STRANGER.say(self._language), ephemeral=True)

    def _embed(self, text: str) -> discord.Embed:
        return discord.Embed(description=Redaction.of(self._config)(text))


async def stay_connected(connect: Callable[[], Awaitable[None]]) -> None:
    """Connect again whenever that ends, however it ends, ever more rarely while it does not hold."""
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        began = loop.time()
        try:
            await connect()
        except Exception as error:  # whatever the network, Discord or the library comes up with: it is tried again
            log.warning("the bot is not connected error=%s", type(error).__name__, exc_info=failures == 0)
        failures = 0 if loop.time() - began > STEADY_S else failures + 1
        await pause(min(LONGEST_REST_S, 2.0 ** min(failures, 10)))
