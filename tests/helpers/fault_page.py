"""The page about faults, written from the plans and the rules themselves, so that it cannot drift.

python tests/helpers/fault_page.py > docs/faults.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

if __name__ == "__main__":  # as a script it is not started from where the packages are found
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from sandbox.faults import plan as plans
from sandbox.faults.engine import tag_of
from sandbox.faults.plan import CallRule, FrameRule, Occasional, OrderRule, Rule, StateRule
from sandbox.faults.plan_file import find_plan, ready_plans
from sandbox.keys import PERMISSIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = """\
# When things go wrong

<!-- Written by `make docs` from the plans and the rules. -->

Upbit fails: answers get lost, orders arrive late, gateways answer instead of the exchange, sockets fall silent,
keys expire, people act on the account beside their bot. The sandbox does all of that on demand, after a plan.

    python main.py demo --faults late-orders
    python main.py sandbox --port 18090 --faults my-plan.json
    python main.py sandbox --port 18090 --admin

A plan is named by its file, or by the name of a ready one (below). A wrong plan ends the start with exit code 4 and
one sentence that names the place in the document. `demo --json` tells how often which fault struck (`faults`), and
compares the bot's journal with the exchange to the last decimal, with what the person of the plan did taken into
account (`ledger_equal`). `make plans` does that under every ready plan.

## A plan

```json
{
  "description": "A third of all buys is taken and never answered, from the second market minute on.",
  "seed": 7,
  "rules": [
    {"fault": "lost", "accepted": true, "how": "silence", "probability": 0.33, "minutes": [2, null],
     "on": {"methods": ["POST"], "paths": ["/v1/orders"], "sides": ["bid"]}}
  ]
}
```

- **Time** is market time: `minutes` are [from, until) since the plan began (null: for ever), durations are seconds.
  What is written as `Span` is a number of seconds or a range `[least, most]` of which one is drawn each time.
- **Occasional** is seeded: each rule has a random stream of its own, named after the seed of the market, the seed of
  the plan and the place of the rule. The same seeds strike the same requests, and a plan never shifts what the
  market or the exchange draws.
- **Order** counts: of the rules about requests (and of those about frames, and about orders) the first that strikes
  decides.
- **Markets** may be patterns (`KRW-*`). `"held"` stands for the coins the account holds; for a rule about the state
  of the exchange and for the person, for the one it holds most of, and the rule waits until there is one.
- Answers that a plan invents are not counted among the rules that clients broke.

Whatever happens to single events may also say `probability` (1), `nth` (which of the fitting events, from 1) and
`count` (at most so often).
"""

FILTERS = """
## Which events

`on` says which events a rule is about. Every list that is given must fit; without `on` all events fit. `groups` are
those of the rate limits (`order`, `default`, `candle`, ...), `websocket` for handshakes and `webhook` for messages to
Discord; `types` are those of frames (`ticker`, `myOrder`, ...).
"""

TAIL = """
## While it runs

With `--admin` programs on this machine can change what goes wrong; requests from elsewhere, or from a web page, are
refused.

| request | what it does |
|---|---|
| `POST /admin/faults` | puts the plan in the body in force; its minutes count from now |
| `GET /admin/faults` | the plan in force, and how often each rule fitted and struck |
| `DELETE /admin/faults` | lets everything be right again; what the person did stays done |
| `GET /admin/violations` | the rules that clients broke, by error name |

    curl -X POST http://127.0.0.1:18090/admin/faults -d @sandbox/plans/maintenance.json

## What a client cannot do

Nothing a client sends can crash the sandbox: `make fuzz` tries 20,000 cases of requests, WebSocket
frames and broken bytes, and demands that every error has Upbit's shape, that the sandbox itself never failed, that the
books balance, and that the next client is served. Limits: 8 KiB for a line or a header, 128 headers, 1 MiB for a
body (unpacked), 4 MiB for a WebSocket message, and one minute for the first request of a connection and for each
body.
"""

GROUPS = (
    ("Requests", CallRule),
    ("Orders", OrderRule),
    ("WebSocket frames", FrameRule),
    ("The exchange and the person", StateRule),
)


def terms(kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the terms of a rule that are its own, as `name: type = default`."""
    common = {field.name for field in (*msgspec.structs.fields(Occasional), *msgspec.structs.fields(Rule))}
    for base in kind.__mro__:
        for name, kind_of in vars(base).get("__annotations__", {}).items():
            field = next(field for field in msgspec.structs.fields(kind) if field.name == name)
            if name in common:
                continue
            default = "" if field.default is msgspec.NODEFAULT else f" = {said(field.default)}"
            words = re.sub(r"Annotated\[(.+), Meta\((.+?)\)\]", r"\1 (\2)", str(kind_of))
            yield f"`{name}`: {words.replace('|', 'or')}{default}"


def said(value: object) -> str:
    """Return a default as a plan would write it."""
    if isinstance(value, msgspec.Struct):
        given = {name: found for name, found in msgspec.to_builtins(value).items() if found}
        return msgspec.json.encode(given).decode() if given else "all"
    return msgspec.json.encode(value).decode()


def faults() -> Iterator[str]:
    """Yield the tables of all faults."""
    for title, union in GROUPS:
        yield f"\n### {title}\n\n| fault | what happens | terms |\n|---|---|---|"
        for kind in get_args(union):
            sentence = " ".join((kind.__doc__ or "").split())
            yield f"| `{kind.__struct_config__.tag}` | {sentence} | {'<br>'.join(terms(kind)) or '-'} |"


def filters() -> Iterator[str]:
    """Yield the table of what `on` may say."""
    yield "| of | lists |\n|---|---|"
    for title, kind in (("requests", plans.Calls), ("frames", plans.Frames), ("orders", plans.Orders)):
        names = ", ".join(f"`{field.name}`" for field in msgspec.structs.fields(kind))
        yield f"| {title} | {names} |"


def glossary() -> Iterator[str]:
    """Yield what the words of the terms stand for."""
    yield "\n### Words\n"
    for name in ("How", "Body", "Act", "Flag", "State"):
        yield f"- {name}: {', '.join(f'`{word}`' for word in get_args(getattr(plans, name)))}"
    yield f"- `permissions`: {', '.join(f'`{word}`' for word in sorted(PERMISSIONS))}"
    yield "- `error`: any name of the exchange's errors, such as `too_many_requests` or `market_offline`"
    yield "- Span: seconds, or `[least, most]`; Share: above 0, at most 1; Words: a list of texts"


def catalogue() -> Iterator[str]:
    """Yield the table of the ready plans."""
    yield "\n## Ready plans\n\n| plan | what happens | faults |\n|---|---|---|"
    for name in ready_plans():
        plan = find_plan(name)
        used = ", ".join(f"`{tag}`" for tag in dict.fromkeys(tag_of(rule) for rule in plan.rules))
        yield f"| `{name}` | {plan.description} | {used} |"


def document() -> str:
    """Return the whole page."""
    parts = [HEAD.rstrip(), *catalogue(), "\n## Faults", *faults(), *glossary(), FILTERS, *filters(), TAIL]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
