"""Faults over HTTP, for a test or a person that watches: only from this machine, and only where it was asked for.

POST /admin/faults        put a plan (the body) in force; its minutes count from now
GET /admin/faults         the plan in force, and how often each of its rules fitted and struck
DELETE /admin/faults      let everything be right again
GET /admin/violations     the rules clients broke, by error name
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from sandbox.faults.plan_file import LARGEST, PlanError, read_plan
from sandbox.rest.api import Response
from sandbox.wire import to_json

if TYPE_CHECKING:
    from collections import Counter

    from sandbox.faults.engine import Faults
    from sandbox.rest.call import Call

PREFIX = "/admin/"


class Admin:
    """Answers requests below `/admin/`."""

    def __init__(self, faults: Faults, violations: Counter[str]) -> None:
        self._faults = faults
        self._violations = violations

    def answer(self, call: Call) -> Response:
        """Answer one request."""
        if not is_ours(call):
            return told(403, "forbidden", "only programs on this machine, and no web page")
        match call.method, call.path:
            case "GET", "/admin/faults":
                return Response(200, to_json(self._faults.report()))
            case "POST", "/admin/faults":
                return self._start(call.body)
            case "DELETE", "/admin/faults":
                self._faults.stop()
                return Response(200, to_json(self._faults.report()))
            case "GET", "/admin/violations":
                return Response(200, to_json(self._violations))
            case _:
                return told(404, "not_found", "GET, POST, DELETE /admin/faults; GET /admin/violations")

    def _start(self, body: bytes) -> Response:
        if len(body) > LARGEST:
            return told(413, "too_large", f"a plan has at most {LARGEST} bytes")
        try:
            plan = read_plan(body, "POST /admin/faults")
        except PlanError as error:
            return told(400, "wrong_plan", error.en)
        self._faults.start(plan)
        return Response(200, to_json(self._faults.report()))


def is_ours(call: Call) -> bool:
    """Whether a request comes from this machine and from no web page (which would carry an Origin)."""
    try:
        local = ip_address(call.ip).is_loopback
    except ValueError:
        local = False
    return local and "Origin" not in call.headers


def told(status: int, name: str, message: str) -> Response:
    """Return an error in the shape all errors of the sandbox have."""
    return Response(status, to_json({"error": {"name": name, "message": message}}))
