"""Guards a FastAPI application with API keys, which Claviger verifies."""

import base64
import ipaddress
import os

import httpx
from fastapi import HTTPException, Request

# What each code means to your callers. Any other code is about the key itself: 401.
STATUS = {"forbidden": 403, "restricted": 403, "target_required": 403, "not_found": 404,
          "rate_limited": 429, "quota_exceeded": 429}
# The key of this service: an operator key whose only scope is `key:verify`.
claviger = httpx.AsyncClient(base_url=os.environ.get("CLAVIGER_URL", "http://127.0.0.1:8400"), timeout=2,
                             headers={"X-API-Key": os.environ["CLAVIGER_KEY"]}, trust_env=False)


def presented(request: Request) -> str:
    """The key: in `X-API-Key`, or in `Authorization` as Bearer, ApiKey, or Basic with an empty password."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    scheme, token = scheme.lower(), token.strip()
    if scheme == "basic":
        try:
            token, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except ValueError:
            token = password = ""
        token = "" if password else token
    return request.headers.get("X-API-Key") or (token if scheme in ("bearer", "apikey", "basic") else "")


def address(request: Request) -> str | None:
    """The caller's address. Where it is not known, keys that are restricted to addresses are refused."""
    try:
        return str(ipaddress.ip_address(request.client.host.partition("%")[0]))
    except (AttributeError, ValueError):
        return None


def allows(action: str, target: str | None = None):
    """A dependency that returns the verdict on the caller's key, or ends the request."""
    async def guard(request: Request) -> dict:
        key = presented(request)
        if not key:
            raise HTTPException(401, "credentials_required", {"WWW-Authenticate": "Bearer"})
        question = {"key": key, "action": action, "ip": address(request),
                    "target": target and target.format(**request.path_params)}
        try:
            answer = await claviger.post("/v1/verify", json=question)
            # The path names something that nothing can be called. Any other 400 is a fault of this guard.
            if answer.status_code == 400 and answer.json()["detail"].startswith("`target`"):
                raise HTTPException(404, "not_found")
            verdict = answer.raise_for_status().json()
            valid, code = verdict["valid"] is True, verdict["code"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError):  # never let anyone in unverified
            raise HTTPException(503, "unavailable", {"Retry-After": "1"})
        if not valid:
            status, wait = STATUS.get(code, 401), verdict.get("retry_after_seconds")
            raise HTTPException(status, code, {"Retry-After": str(wait)} if wait else None)
        return verdict
    return guard
