"""What the exchange says when it says no: one exception, and the catalogue of names and messages.

Trading errors carry a string name and a Korean message, quotation errors their HTTP status as an integer name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

BAD_PARAMETER = "Invalid parameter. Check the given value!"
TYPE_MISMATCH = "Type mismatch error. Check the parameters type!"
MISSING_PARAMETER = "Missing request parameter error. Check the required parameters!"
CODE_NOT_FOUND = "Code not found"

_WRONG_ORDER = "주문 요청 정보가 올바르지 않습니다."
_WRONG_VOLUME = "주문수량 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요."
_WRONG_PRICE = "주문가격 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요."
_UNDER_MIN = "주문 가능한 최소금액은 5000KRW 입니다. 시장가 매도 시 주문금액은 주문 수량 * 매수 1호가로 계산합니다."
_OVER_MAX = "최대 주문 가능 금액 1000000000 KRW 보다 작은 주문을 입력해 주세요."
_TOO_LARGE = "주문 가능한 호가 잔량을 초과하였습니다. 확인 후 시도해주세요."

CATALOGUE: Mapping[str, tuple[int, str]] = {
    "invalid_parameter": (400, "잘못된 파라미터"),
    "validation_error": (400, "잘못된 파라미터"),
    "bad_request": (400, "잘못된 요청"),
    "QUERY_PARAMETER_NOT_SUPPORTED": (
        400,
        "이 API는 쿼리 파라미터 형식의 요청만 지원합니다. 요청 본문에 값을 포함할 수 없습니다.",
    ),
    "create_bid_error": (400, _WRONG_ORDER),
    "create_ask_error": (400, _WRONG_ORDER),
    "insufficient_funds_bid": (400, "주문 가능한 금액(KRW)이 부족합니다."),
    "insufficient_funds_ask": (400, "주문 가능한 수량이 부족합니다."),
    "under_min_total_bid": (400, _UNDER_MIN),
    "under_min_total_ask": (400, _UNDER_MIN),
    "under_min_total_market_bid": (400, _UNDER_MIN),
    "under_min_total_market_ask": (400, _UNDER_MIN),
    "over_krw_funds_bid": (400, _OVER_MAX),
    "over_krw_funds_ask": (400, _OVER_MAX),
    "over_max_total_price_bid": (400, _TOO_LARGE),
    "volume_too_large": (400, _TOO_LARGE),
    "invalid_price_bid": (400, _WRONG_PRICE),
    "invalid_price_ask": (400, _WRONG_PRICE),
    "invalid_volume_bid": (400, _WRONG_VOLUME),
    "invalid_volume_ask": (400, _WRONG_VOLUME),
    "invalid_time_in_force": (400, "주문조건을 다시 확인해 주세요."),
    "invalid_post_only": (400, "주문조건을 다시 확인해 주세요."),
    "duplicated_identifier": (400, "이미 등록된 identifier입니다."),
    "order_disabled_member": (
        400,
        "Your account has been suspended from ordering. Please contact our customer center for details.",
    ),
    "notfoundmarket": (400, "다음 마켓에 없는 종목입니다"),
    "no_authorization_token": (401, "인증 토큰이 필요합니다."),
    "invalid_access_key": (401, "잘못된 엑세스 키입니다."),
    "jwt_verification": (401, "Jwt 토큰 검증에 실패했습니다."),
    "invalid_query_payload": (401, "Failed to verify the query of Jwt."),
    "nonce_used": (401, "이미 요청한 nonce값이 다시 사용되었습니다."),
    "expired_access_key": (401, "This key has expired."),
    "no_authorization_ip": (401, "This is not a verified IP."),
    "out_of_scope": (401, "권한이 부족합니다."),
    "thirdparty_agreement_required": (403, "개인정보 제 3자 제공 동의가 필요합니다."),
    "market_offline": (403, "시스템 점검 중입니다. 점검이 완료된 후에 다시 시도해주세요."),
    "open_api_withdraw_locked": (403, "출금이 잠겨 있습니다. 앱에서 잠금을 해제한 후 다시 시도해주세요."),
    "pocket_not_found": (404, "포켓을 찾지 못했습니다."),
    "not_found": (404, "no Route matched with those values"),
    "order_not_found": (404, "주문을 찾지 못했습니다."),
    "request_timeout": (408, "Request Timeout"),
    "request_entity_too_large": (413, "Request Entity Too Large"),
    "too_many_requests": (429, "Too many API requests."),
    "rate_limit_exceeded_penalty": (418, "You have been temporarily blocked"),
    "internal_server_error": (500, "Internal Server Error"),
}


class ApiError(Exception):
    """An answer that is an error: its HTTP `status`, its `name` (integer on the quotation side) and its message."""

    def __init__(self, status: int, name: str | int, message: str) -> None:
        super().__init__(f"{status} {name}: {message}")
        self.status = status
        self.name = name
        self.message = message

    def body(self) -> dict[str, dict[str, str | int]]:
        """Return the wire form."""
        return {"error": {"name": self.name, "message": self.message}}


def refuse(name: str, detail: str = "") -> ApiError:
    """Return the exchange's error of this name; `detail` is appended to the message after a colon."""
    status, message = CATALOGUE[name]
    return ApiError(status, name, f"{message}: {detail}" if detail else message)


def out_of_scope(path: str) -> ApiError:
    """Return the refusal of a key without the permission: 403 about pockets, 401 everywhere else."""
    error = refuse("out_of_scope")
    return ApiError(403, error.name, error.message) if path.startswith("/v1/pockets") else error


def quotation_error(status: int, message: str) -> ApiError:
    """Return an error of the quotation side, whose name is its status."""
    return ApiError(status, status, message)
