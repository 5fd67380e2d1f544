"""289 coins of the KRW market, the most traded of the generated market first: code, a price in KRW, two names.

Codes and prices are those of 2026-03 and 2026-05 (a few of coins listed later or elsewhere are rounded guesses).
"""

from __future__ import annotations

from typing import NamedTuple

TABLE = """
BTC 103458000 비트코인 Bitcoin
ETH 3025000 이더리움 Ethereum
XRP 2045 엑스알피 XRP
SOL 127000 솔라나 Solana
DOGE 138 도지코인 Dogecoin
ADA 389 에이다 Cardano
USDT 1463 테더 Tether
TRX 425 트론 TRON
SUI 1436 수이 Sui
LINK 13350 체인링크 Chainlink
AVAX 14280 아발란체 Avalanche
XLM 236 스텔라루멘 Stellar
BCH 667000 비트코인캐시 Bitcoin Cash
HBAR 140 헤데라 Hedera
DOT 2253 폴카닷 Polkadot
SHIB 0.00854 시바이누 Shiba Inu
UNI 5775 유니스왑 Uniswap
AAVE 166000 에이브 Aave
NEAR 1920 니어프로토콜 NEAR Protocol
APT 1414 앱토스 Aptos
ETC 12270 이더리움클래식 Ethereum Classic
ICP 3998 인터넷컴퓨터 Internet Computer
ATOM 2675 코스모스 Cosmos
ALGO 127 알고랜드 Algorand
POL 143 폴리곤에코시스템토큰 POL
ARB 149 아비트럼 Arbitrum
SEI 92.8 세이 Sei
STX 380 스택스 Stacks
INJ 4397 인젝티브 Injective
SAND 122 샌드박스 The Sandbox
MANA 136 디센트럴랜드 Decentraland
AXS 1708 엑시인피니티 Axie Infinity
CHZ 56.5 칠리즈 Chiliz
GRT 38.1 더그래프 The Graph
VET 10.5 비체인 VeChain
THETA 271 쎄타토큰 Theta Network
EGLD 6130 멀티버스엑스 MultiversX
NEO 3777 네오 NEO
QTUM 1313 퀀텀 Qtum
WAVES 675 웨이브 Waves
ZIL 6.14 질리카 Zilliqa
XTZ 537 테조스 Tezos
IOTA 94.4 아이오타 IOTA
BAT 144 베이직어텐션토큰 Basic Attention Token
STORJ 139 스토리지 Storj
SNT 14.3 스테이터스네트워크토큰 Status
ONT 60.3 온톨로지 Ontology
GAS 2274 가스 Gas
STEEM 85 스팀 Steem
HIVE 93.7 하이브 Hive
KAVA 95.4 카바 Kava
FLOW 86 플로우 Flow
ICX 58.3 아이콘 ICON
BSV 22680 비트코인에스브이 Bitcoin SV
COMP 27620 컴파운드 Compound
ARDR 70.6 아더 Ardor
CHIP 91.3 칩 Chip
SIGN 74.9 사인 Sign
KITE 397 카이트 Kite
AKT 650 아카시네트워크 Akash Network
SXP 32.3 솔라 Solar
VVV 24070 베니스토큰 Venice Token
LA 360 라그랑주 Lagrange
SAHARA 35 사하라에이아이 Sahara AI
ONG 90.8 온톨로지가스 Ontology Gas
VTHO 0.878 비토르토큰 VeThor Token
B3 1.85 비쓰리 B3
VIRTUAL 1043 버추얼프로토콜 Virtuals Protocol
ENSO 1629 엔소 Enso
IP 1141 스토리 Story
FIL 1316 파일코인 Filecoin
EDGE 209 엣지 Edge
PROS 1102 프로스퍼 Prosper
MANTRA 24.9 만트라 MANTRA
BARD 1617 롬바드 Lombard
KERNEL 140 커널다오 KernelDAO
RENDER 2273 렌더토큰 Render
SPK 50.1 스파크 Spark
XPL 150 플라즈마 Plasma
ONDO 382 온도파이낸스 Ondo Finance
PEPE 0.00493 페페 Pepe
NOM 6.1 노미나 Nomina
PIEVERSE 1357 파이버스 Pieverse
PENGU 10.6 펏지펭귄 Pudgy Penguins
BERA 851 베라체인 Berachain
AVNT 220 아반티스 Avantis
AWE 74.7 에이더블유이 AWE Network
WLD 531 월드코인 Worldcoin
KAT 14.5 카타나 Katana
ESP 147 에스프레소 Espresso
SENT 33.6 센티언트 Sentient
TRUMP 4318 오피셜트럼프 Official Trump
PLUME 18 플룸 Plume
XCN 7.57 오닉스코인 Onyxcoin
CFG 193 센트리퓨즈 Centrifuge
AERGO 80.4 아르고 Aergo
CVC 43.5 시빅 Civic
BIGTIME 20.2 빅타임 Big Time
CC 226 칸톤네트워크 Canton Network
T 9.73 쓰레스홀드 Threshold
ATH 8.68 에이셔 Aethir
POKT 21.5 포켓네트워크 Pocket Network
ARK 258 아크 Ark
SOON 270 순 SOON
ORBS 14.2 오브스 Orbs
TAO 291700 비트텐서 Bittensor
SKR 34 시커 Seeker
BREV 192 브레비스 Brevis
ENS 8930 이더리움네임서비스 Ethereum Name Service
ETHFI 650 이더파이 ether.fi
AGLD 348 어드벤처골드 Adventure Gold
DEEP 45.4 딥북 DeepBook
WET 157 휴미디파이 HumidiFi
XEC 0.0104 이캐시 eCash
BLEND 176 블렌드 Blend
ZK 27.9 지케이싱크 ZKsync
BEAM 3.08 빔 Beam
ALT 11.5 알트레이어 AltLayer
ZRO 3063 레이어제로 LayerZero
WIF 319 도그위프햇 dogwifhat
BOUNTY 31 체인바운티 ChainBounty
AZTEC 31.9 아즈텍 Aztec
ANKR 6.43 앵커 Ankr
ELF 114 엘프 aelf
0G 822 제로지 0G
MEGA 162 메가이더 MegaETH
ELSA 105 헤이엘사 HeyElsa
ENA 156 에테나 Ethena
JUP 244 주피터 Jupiter
TREE 98 트리하우스 Treehouse
PRL 368 펄 Perle
CPOOL 29.9 클리어풀 Clearpool
WAXP 9.59 왁스 WAX
YGG 58 일드길드게임즈 Yield Guild Games
XAUT 7524000 테더골드 Tether Gold
ZAMA 42 자마 Zama
MIRA 119 미라네트워크 Mira Network
ZKP 124 지케이패스 zkPass
IN 98.3 인피닛 INFINIT
PUMP 3 펌프펀 Pump.fun
USDS 1482 스카이달러 USDS
LAYER 122 솔레이어 Solayer
TOSHI 0.308 토시 Toshi
USDC 1464 유에스디코인 USD Coin
MOVE 30.8 무브먼트 Movement
KAITO 516 카이토 Kaito
SKY 112 스카이프로토콜 Sky Protocol
BONK 0.00887 봉크 Bonk
WLFI 150 월드리버티파이낸셜 World Liberty Financial
A 113 볼타 Vaulta
PROVE 382 석싱트 Succinct
UP2 61.2 슈퍼폼 Superform
JST 76.9 저스트 JUST
ORCA 1362 오르카 Orca
BIRB 222 문버드 Moonbirds
LINEA 4.76 리네아 Linea
FET 331 인공초지능연합 Artificial Superintelligence Alliance
HOLO 85.5 홀로월드에이아이 Holoworld AI
ME 168 매직에덴 Magic Eden
MEW 0.881 캣인어독스월드 cat in a dogs world
FCT2 18.2 피르마체인 FirmaChain
BIO 30.8 바이오프로토콜 Bio Protocol
RSR 4.42 리저브라이트 Reserve Rights
MOODENG 72.8 무뎅 Moo Deng
ZORA 25.4 조라 Zora
FLOCK 81 플록 FLock.io
BTT 0.000482 비트토렌트 BitTorrent
KSM 7180 쿠사마 Kusama
OP 178 옵티미즘 Optimism
MON 31.5 모나드 Monad
POWR 94 파워렛저 Powerledger
DOOD 4.25 두들즈 Doodles
CTSI 47.3 카르테시 Cartesi
BLAST 0.719 블라스트 Blast
PENDLE 1874 펜들 Pendle
GLM 187 골렘 Golem
ASTR 11.3 아스타 Astar
LRC 51.8 루프링 Loopring
SONIC 63.3 소닉에스브이엠 Sonic SVM
ZETA 74.4 제타체인 ZetaChain
2Z 115 더블제로 DoubleZero
RED 190 레드스톤 RedStone
CARV 83.3 카브 CARV
ENJ 32.6 엔진코인 Enjin Coin
SOPH 12.4 소폰 Sophon
NEWT 97.1 뉴턴프로토콜 Newton Protocol
AUCTION 6940 바운스토큰 Bounce Token
TIA 497 셀레스티아 Celestia
RLC 742 아이젝 iExec
CELO 111 셀로 Celo
TRUST 99.9 인튜이션 Intuition
ZBT 111 제로베이스 ZEROBASE
PYTH 68.3 피스네트워크 Pyth Network
CHR 48.9 크로미아 Chromia
ERA 200 칼데라 Caldera
ANIME 6.68 애니메코인 Animecoin
AERO 504 에어로드롬파이낸스 Aerodrome Finance
FF 109 팔콘파이낸스 Falcon Finance
STRAX 20.5 스트라티스 Stratis
DENT 0.287 덴트 Dent
SOMI 269 솜니아 Somnia
MOCA 21.2 모카네트워크 Moca Network
IQ 1.67 아이큐 IQ
TAIKO 174 타이코 Taiko
OGN 42.4 오리진프로토콜 Origin Protocol
LPT 3340 라이브피어 Livepeer
DRIFT 120 드리프트 Drift
TFUEL 19.2 쎄타퓨엘 Theta Fuel
VANA 2084 바나 Vana
SKL 14.7 스케일네트워크 SKALE
GMT 16.2 스테픈 STEPN
AXL 78.6 액셀라 Axelar
IMX 242 이뮤터블엑스 Immutable
POLYX 59.7 폴리매쉬 Polymesh
BNT 521 뱅코르 Bancor
W 27 웜홀 Wormhole
CYBER 793 사이버 Cyber
BORA 54.5 보라 BORA
LSK 191 리스크 Lisk
DKA 6.63 디카르고 dKargo
DGB 7.21 디지바이트 DigiByte
CKB 2.24 너보스 Nervos Network
MNT 1025 맨틀 Mantle
WCT 83.1 월렛커넥트 WalletConnect
ZRX 155 제로엑스 0x Protocol
RIF 55.3 루트스탁인프라 Rootstock Infrastructure
ID 61.2 스페이스아이디 SPACE ID
MMT 174 모멘텀 Momentum
MLK 77.1 밀크 MiL.k
CTC 228 크레딧코인 Creditcoin
AUDIO 34.8 오디우스 Audius
F 7.76 신퓨처스 SynFutures
JTO 391 지토 Jito
MINA 81.6 미나 Mina
CRO 111 크로노스 Cronos
HYPER 130 하이퍼레인 Hyperlane
NKN 16.9 엔케이엔 NKN
SAFE 153 세이프 Safe
KNC 195 카이버네트워크 Kyber Network
AQT 743 알파쿼크 Alpha Quark
STG 275 스타게이트파이낸스 Stargate Finance
HOT 0.712 홀로 Holo
1INCH 140 1인치네트워크 1inch Network
RVN 8.05 레이븐코인 Ravencoin
ZKC 124 바운드리스 Boundless
ARKM 155 아캄 Arkham
REQ 139 리퀘스트 Request
BLUR 28.6 블러 Blur
MASK 648 마스크네트워크 Mask Network
API3 420 에이피아이쓰리 API3
MOC 40.3 모스코인 Mossland
COTI 22.7 코티 COTI
SC 1.53 시아코인 Siacoin
PUNDIX 221 펀디엑스 Pundi X
SUPER 168 슈퍼버스 SuperVerse
OPEN 221 오픈렛저 OpenLedger
RAY 881 레이디움 Raydium
SPELL 0.318 스펠토큰 Spell Token
FLUID 3240 플루이드 Fluid
MTL 399 메탈 Metal DAO
COW 349 카우프로토콜 CoW Protocol
MED 3.3 메디블록 MediBloc
LUNC 0.0571 테라클래식 Terra Classic
IOST 1.7 아이오에스티 IOST
META 14.1 메타디움 Metadium
WAL 115 월러스 Walrus
CBK 369 코박토큰 Cobak Token
NFT 0.000512 에이피이엔에프티 APENFT
TOKAMAK 720 토카막네트워크 Tokamak Network
NXPC 406 넥스페이스 NEXPACE
QKC 4.61 쿼크체인 QuarkChain
HUNT 143 헌트 Hunt Town
G 4.86 그래비티 Gravity
CELR 8.13 셀러네트워크 Celer Network
ORDER 78.9 오덜리 Orderly
MBL 1.34 무비블록 MovieBloc
SYRUP 334 메이플파이낸스 Maple Finance
MET2 235 메테오라 Meteora
JASMY 11.9 재스미코인 JasmyCoin
AHT 2.23 아하토큰 AhaToken
MVL 1.96 엠블 MVL
HP 24.5 히포프로토콜 Hippo Protocol
TT 1.29 썬더코어 ThunderCore
APE 274 에이프코인 ApeCoin
SUN 23.3 썬 Sun Token
USD1 1462 월드리버티파이낸셜유에스디 World Liberty Financial USD
GAME2 2.02 게임빌드 GameBuild
USDE 1466 에테나유에스디이 Ethena USDe
GALA 9.2 갈라 Gala
"""


class Coin(NamedTuple):
    """A coin as it is listed, with about what it costs."""

    code: str
    price: float  # KRW
    korean_name: str
    english_name: str


def read_table() -> tuple[Coin, ...]:
    """Return the coins in the order of the table."""
    rows = (line.split(" ", 3) for line in TABLE.strip().splitlines())
    return tuple(Coin(code, float(price), korean, english) for code, price, korean, english in rows)


COINS = read_table()
