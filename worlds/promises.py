"""What simulated worlds are held to: the code of each promise and its sentence, for reports and docs/worlds.md.

A broken promise is written down by whoever sees it as its code and what was seen (`Story.breach`); the letter F, B or
another one before a number is a failure of docs/failures.md. `python -m worlds.promises` prints the page.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROMISES: Mapping[str, str] = {
    "I1": "One decision is executed once: no second order of the same decision while another is open or has executed.",
    "I2": "An order is written down durably before it reaches the exchange, and bears an identifier of ours.",
    "I5": "A market in which something is held or being bought is not bought again.",
    "I6": "Fills and fees in the journal are the exchange's, to the last decimal: none missing, none invented.",
    "I7": "What the journal holds of each market is what the bot's fills left at the exchange, and never negative.",
    "I8": "Never more is sold than the bot bought and still has: not what was there before, nor what its owner took.",
    "I9": "No buy spends more than an order, a market and a day may, and no more trades are open than allowed.",
    "I10": "What was given up never executes.",
    "I12": "Whatever was bought is known, has a stop, is sold below it, a minute at most after answers are true again.",
    "I14": "Nothing is bought while a person must resume.",
    "I15": "A buy is decided on a candle that is over, and sent, also again, only while that is news.",
    "I16": "No limit of the exchange is broken.",
    "I17": "The journal knows every order of ours that the exchange knows.",
    "I18": "Every message arrives, and once: once more at most for each crash and each answer that was lost.",
    "I19": "Once faults have ended trading goes on, no order stays in doubt, and every trade comes to its end.",
    "I20": "No more is written off than the owner took.",
    "I21": "Whatever goes wrong is expected: nothing is logged as an error with a traceback.",
    "I22": "No failure ends a daemon that trades; a start ends only over what a person must mend.",
    "I23": "The simulated exchange works: what is blamed on it is its own mistake.",
    "I24": "Trading is halted for a cause that exists, and for no other.",
    "I26": "Nothing waits for a person over an answer that was wrong once, and no exit over any that are true again.",
    "I27": "Beyond the loss of a day or the fall from a peak that is allowed nothing is bought before a resume.",
    "I28": "What is called dust cannot be sold, and none of it is forgotten.",
    "I29": "A command is one effect and one story, however often and however late it comes, whoever dies meanwhile.",
    "I25": "Backup, recover and resume, killed at any point, leave nothing half done, and succeed when asked again.",
    "F3": "A second daemon on one folder is refused, and the first goes on.",
    "F4": "Two daemons on one account notice each other, buy nothing until a person resumes, and say so.",
    "B1": "What the owner takes of the bot's coins is written off within minutes, exactly that, and told.",
}
"""By code. Whoever adds a check adds its sentence here: a test compares."""


def code_of(broken: str) -> str:
    """Return the code of a promise in what was written down when it was broken."""
    return broken.partition(" ")[0].rstrip(":")


def table(broken: Iterable[str]) -> list[str]:
    """Return a line for every promise that was broken: its code, how often, and its sentence."""
    counts = Counter(code_of(one) for one in broken)
    return [f"{code:<4}{counts[code]:>6}  {PROMISES.get(code, 'no promise of this code')}" for code in sorted(counts)]


def page() -> str:
    """Return docs/worlds.md."""
    rows = "\n".join(f"| {code} | {sentence} |" for code, sentence in PROMISES.items())
    return (
        "# What simulated worlds are held to\n\n"
        "Made from `worlds/promises.py` by `make docs`. `make simulate`, `make kill`, `make sigkill`, `make soak`,\n"
        "`make mutants` and `python main.py replay SEED` judge a daemon from outside: by what the exchange heard\n"
        "and did, by the journal's file, read without the journal's code (`worlds/judges/`), and by what arrived at\n"
        "the webhook. They name a broken promise by its code; F and B are failures of [failures](failures.md).\n\n"
        f"| code | promise |\n| --- | --- |\n{rows}\n"
    )


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - the page
