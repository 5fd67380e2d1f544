"""What it means for a person that a part of the daemon has stopped, and what to do: a sentence for each of them."""

from __future__ import annotations

from notifier.words import Words

NETWORK = Words(
    "인터넷 연결과 업비트 점검 공지를 확인하세요. 계속되면 데몬을 다시 시작하세요.",
    "Look at the network and at Upbit's maintenance notices. If it goes on, restart the daemon.",
)
RESTART = Words(
    "로그의 마지막 오류를 확인하고 데몬을 다시 시작하세요. 보유분은 다시 시작하면 이어서 관리합니다.",
    "Look at the last error in the log, and restart the daemon. What is held is managed again after it.",
)
WATCHERS: dict[str, tuple[Words, Words, Words]] = {
    "update_indicators_periodically": (
        Words("지표 계산", "indicators"),
        Words("새 매수와 지표로 정하는 매도를", "nothing is bought, and no exit that rests on indicators is decided"),
        NETWORK,
    ),
    "update_trading_dict": (
        Words("매수 후보 선정", "drawing of targets"),
        Words("새 매수를", "nothing new is bought"),
        RESTART,
    ),
    "update_prices": (
        Words("실시간 시세", "live prices"),
        Words("매수와 손절을", "nothing is bought, and stops are not watched"),
        NETWORK,
    ),
    "update_wallet_realtime": (Words("잔고 조회", "wallet"), Words("매수를", "nothing is bought"), NETWORK),
    "execute_trades": (Words("주문 실행", "orders"), Words("매수와 매도를", "nothing is bought or sold"), RESTART),
    "reconcile": (Words("업비트와의 대조", "comparison with Upbit"), Words("매수를", "nothing is bought"), NETWORK),
}
"""Of each part: its name, what does not happen meanwhile, and what a person can do."""
SOMETHING = Words("데몬의 한 부분", "a part of the daemon")


def name_of(watcher: str, language: str) -> str:
    """Return what a part is called."""
    return (WATCHERS[watcher][0] if watcher in WATCHERS else SOMETHING).say(language)


def needs_network(watcher: str) -> bool:
    """Return whether a part stops when Upbit cannot be reached, or refuses."""
    return watcher in WATCHERS and WATCHERS[watcher][2] is NETWORK


def sentence(watcher: str, language: str) -> str:
    """Return what it means that a part has stopped, and what to do."""
    name = name_of(watcher, language)
    if watcher not in WATCHERS:
        return Words(f"{name}이 멈췄습니다. {RESTART.ko}", f"A part of the daemon has stopped. {RESTART.en}").say(
            language
        )
    _, meanwhile, advice = WATCHERS[watcher]
    ko = f"{name}이(가) 멈춰 {meanwhile.ko} 하지 못합니다. {advice.ko}"
    en = f"The {name} part has stopped: {meanwhile.en}. {advice.en}"
    return Words(ko, en).say(language)
