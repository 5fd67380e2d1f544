"""The markets of the generated exchange. Names are those of real coins; prices and habits are drawn by the seed."""

from __future__ import annotations

import random

from sandbox.feed import Listing

KNOWN = (
    ("BTC", "비트코인", "Bitcoin"),
    ("ETH", "이더리움", "Ethereum"),
    ("XRP", "엑스알피", "XRP"),
    ("SOL", "솔라나", "Solana"),
    ("DOGE", "도지코인", "Dogecoin"),
    ("ADA", "에이다", "Cardano"),
    ("TRX", "트론", "TRON"),
    ("SUI", "수이", "Sui"),
    ("LINK", "체인링크", "Chainlink"),
    ("AVAX", "아발란체", "Avalanche"),
    ("XLM", "스텔라루멘", "Stellar"),
    ("BCH", "비트코인캐시", "Bitcoin Cash"),
    ("HBAR", "헤데라", "Hedera"),
    ("DOT", "폴카닷", "Polkadot"),
    ("SHIB", "시바이누", "Shiba Inu"),
    ("UNI", "유니스왑", "Uniswap"),
    ("AAVE", "에이브", "Aave"),
    ("NEAR", "니어프로토콜", "NEAR Protocol"),
    ("APT", "앱토스", "Aptos"),
    ("ETC", "이더리움클래식", "Ethereum Classic"),
    ("ICP", "인터넷컴퓨터", "Internet Computer"),
    ("ATOM", "코스모스", "Cosmos"),
    ("ALGO", "알고랜드", "Algorand"),
    ("POL", "폴리곤에코시스템토큰", "POL"),
    ("ARB", "아비트럼", "Arbitrum"),
    ("SEI", "세이", "Sei"),
    ("STX", "스택스", "Stacks"),
    ("INJ", "인젝티브", "Injective"),
    ("SAND", "샌드박스", "The Sandbox"),
    ("MANA", "디센트럴랜드", "Decentraland"),
    ("AXS", "엑시인피니티", "Axie Infinity"),
    ("CHZ", "칠리즈", "Chiliz"),
    ("GRT", "더그래프", "The Graph"),
    ("VET", "비체인", "VeChain"),
    ("THETA", "쎄타토큰", "Theta Network"),
    ("EGLD", "멀티버스엑스", "MultiversX"),
    ("NEO", "네오", "NEO"),
    ("QTUM", "퀀텀", "Qtum"),
    ("WAVES", "웨이브", "Waves"),
    ("ZIL", "질리카", "Zilliqa"),
    ("XTZ", "테조스", "Tezos"),
    ("IOTA", "아이오타", "IOTA"),
    ("BAT", "베이직어텐션토큰", "Basic Attention Token"),
    ("STORJ", "스토리지", "Storj"),
    ("SNT", "스테이터스네트워크토큰", "Status"),
    ("ONT", "온톨로지", "Ontology"),
    ("GAS", "가스", "Gas"),
    ("STEEM", "스팀", "Steem"),
    ("HIVE", "하이브", "Hive"),
    ("KAVA", "카바", "Kava"),
)
MAJORS = frozenset({"BTC", "ETH", "XRP", "SOL"})
MOST_MARKETS = 289
WARNING_SHARE, CAUTION_SHARE = 0.02, 0.27
CAUTIONS = (
    "PRICE_FLUCTUATIONS",
    "TRADING_VOLUME_SOARING",
    "DEPOSIT_AMOUNT_SOARING",
    "GLOBAL_PRICE_DIFFERENCES",
    "CONCENTRATION_OF_SMALL_ACCOUNTS",
)


def make_listings(seed: int, count: int) -> tuple[Listing, ...]:
    """Return `count` KRW markets, the most traded first. Beyond the known coins their names are numbered."""
    if not 1 <= count <= MOST_MARKETS:
        raise ValueError(f"between 1 and {MOST_MARKETS} markets, not {count}")
    return tuple(make_listing(seed, index) for index in range(count))


def make_listing(seed: int, index: int) -> Listing:
    """Return one market with its protection flags."""
    code, korean, english = KNOWN[index] if index < len(KNOWN) else numbered(index)
    rng = random.Random(f"{seed}:{code}:flags")
    safe = code in MAJORS
    return Listing(
        market=f"KRW-{code}",
        korean_name=korean,
        english_name=english,
        warning=not safe and rng.random() < WARNING_SHARE,
        caution=frozenset() if safe or rng.random() > CAUTION_SHARE else frozenset({rng.choice(CAUTIONS)}),
    )


def numbered(index: int) -> tuple[str, str, str]:
    """Return an invented coin."""
    return f"SB{index:03}", f"샌드박스코인{index:03}", f"Sandbox Coin {index:03}"
