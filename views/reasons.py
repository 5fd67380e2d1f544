"""Why a market is not bought besides its strategy, in words: every code that the journal may keep of it."""

from __future__ import annotations

from notifier.words import Words

HALTED = Words("거래가 멈춰 있음", "trading is halted")
HELD = Words("이미 거래 중", "already being traded")
COOLDOWN = Words("마지막 매도 뒤 쉬는 중", "rests after its last sale")
NO_PLACE = Words("빈자리 없음", "no place is free")
NO_WON = Words("쓸 수 있는 원화 부족", "too little free won")
NOT_DRAWN = Words("추첨에서 뽑히지 않음", "not drawn")

RESTS: dict[str, Words] = {
    "price_stale": Words("가격이 오래됨", "the price is stale"),
    "wallet_stale": Words("잔고가 오래됨", "the wallet is stale"),
    "book_stale": Words("호가가 오래됨", "the order book is stale"),
    "market_inactive": Words("마켓이 거래 중이 아님", "the market is not active"),
    "book_empty": Words("호가가 비어 있음", "the order book is empty"),
    "book_crossed": Words("매수호가가 매도호가보다 높음", "bids stand above asks"),
    "spread": Words("호가 차이가 너무 큼", "the spread is too wide"),
    "price_gap": Words("체결가와 호가의 차이가 너무 큼", "the last trade and the book disagree"),
    "no_money": NO_WON,
    "cannot_leave": Words("손절가에서는 팔 수 없을 만큼 작은 금액", "too small to be sold at its stop"),
    "slippage": Words("예상 슬리피지가 너무 큼", "too much slippage is expected"),
    "bids_thin": Words("되팔 매수호가가 부족함", "too few bids to sell it again"),
    "coins_unexplained": Words(
        "계정에 이미 있는 코인이 누구의 것인지 아직 모름", "the account holds coins of it, not known yet to be whose"
    ),
    "cap_order": Words("주문 한도 초과", "over the cap per order"),
    "cap_market": Words("마켓 한도 초과", "over the cap per market"),
    "cap_day": Words("하루 매수 한도 초과", "over the cap per day"),
    "cap_trades": Words("동시 거래 수 초과", "over the number of open trades"),
    "already_decided": Words("이 캔들에서 이미 결정함", "decided on this candle already"),
    "unclear_order": Words("업비트의 주문 정보를 읽을 수 없음", "an order of the bot there is unreadable at Upbit"),
    "rejected": Words("업비트가 주문을 거절함", "Upbit refused the order"),
    "not_bought": Words("주문이 체결되지 않음", "the order bought nothing"),
    "closing": Words("거래 지원 시작 또는 종료 예정", "the market opens or ends"),
}
UNKNOWN = Words("업비트에 물어볼 수 없었음", "Upbit could not be asked")
"""Any other code is the kind of an error that an answer of the exchange was."""


def why_it_rests(code: str) -> Words:
    """Return why a market is left alone."""
    return RESTS.get(code, UNKNOWN)
