"""The table of mutants counts each once, and hides none that nobody noticed."""

from __future__ import annotations

from bench.mutation_table import read, table

RESULTS = """
    trader.orders.risk.x_walk__mutmut_1: killed
    trader.orders.risk.x_walk__mutmut_2: caught by type check
    trader.orders.risk.x_walk__mutmut_3: survived
    trader.orders.risk.x_walk__mutmut_4: timeout
    trader.orders.sale.x_judge_sale__mutmut_1: no tests
    trader.orders.sale.x_judge_sale__mutmut_2: segfault
    trader.orders.sale.x_judge_sale__mutmut_3: not checked
"""


def test_a_score_is_what_was_noticed_of_what_was_run() -> None:
    """What was not run counts for nothing, what no test reaches counts against us, and so does any odd end."""
    lines = table(read(RESULTS.splitlines()))
    assert lines[:5] == [
        "| module | mutants | types | killed | timeout | survived | no tests | not run | score | by tests |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| `trader/orders/risk.py` | 4 | 1 | 1 | 1 | 1 | 0 | 0 | 75.0 % | 66.7 % |",
        "| `trader/orders/sale.py` | 3 | 0 | 0 | 0 | 1 | 1 | 1 | 0.0 % | 0.0 % |",
        "| all | 7 | 1 | 1 | 1 | 2 | 1 | 1 | 50.0 % | 40.0 % |",
    ]
    assert lines[5:] == [
        "",
        "trader.orders.risk",
        "    trader.orders.risk.x_walk__mutmut_3: survived",
        "",
        "trader.orders.sale",
        "    trader.orders.sale.x_judge_sale__mutmut_1: no tests",
        "    trader.orders.sale.x_judge_sale__mutmut_2: segfault",
    ]


def test_a_run_of_nothing_has_no_score() -> None:
    """A dash, and no division by zero."""
    assert table(read([]))[2] == "| all | 0 | 0 | 0 | 0 | 0 | 0 | 0 | - | - |"
