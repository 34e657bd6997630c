// Guards an Express application with API keys, which Claviger verifies.

import { isIP } from "node:net";

// What each code means to your callers. Any other code is about the key itself: 401.
const STATUS = { forbidden: 403, restricted: 403, target_required: 403, not_found: 404, rate_limited: 429, quota_exceeded: 429 };
// The key of this service: an operator key whose only scope is `key:verify`.
const { CLAVIGER_URL = "http://127.0.0.1:8400", CLAVIGER_KEY } = process.env;

/** The key: in `X-API-Key`, or in `Authorization` as Bearer, ApiKey, or Basic with an empty password. */
function presented(request) {
  const [, scheme, token] = /^(bearer|apikey|basic) +(\S+)$/i.exec(request.get("Authorization") ?? "") ?? [];
  const basic = scheme?.toLowerCase() === "basic";
  const key = basic ? /^([^:]+):$/.exec(Buffer.from(token, "base64").toString())?.[1] : token;
  return request.get("X-API-Key") || key;
}

/** The caller's address. Where it is not known, keys that are restricted to addresses are refused. */
function address(request) {
  const [text] = (request.ip ?? "").split("%");
  return isIP(text) ? text : undefined;
}

/** Middleware that puts the verdict on the caller's key into `request.verdict`, or ends the request. */
export const allows = (action, target) => async (request, response, next) => {
  const refuse = (status, code, headers = {}) => response.status(status).set(headers).json({ code });
  const key = presented(request);
  if (!key) return refuse(401, "credentials_required", { "WWW-Authenticate": "Bearer" });
  const question = { key, action, ip: address(request), target: target?.replace(/\{(\w+)\}/g, (_, name) => request.params[name]) };
  let verdict;
  try {
    const headers = { "X-API-Key": CLAVIGER_KEY, "Content-Type": "application/json" };
    const body = JSON.stringify(question);
    const answer = await fetch(`${CLAVIGER_URL}/v1/verify`, { method: "POST", headers, body, redirect: "error", signal: AbortSignal.timeout(2000) });
    // The path names something that nothing can be called. Any other 400 is a fault of this guard.
    if (answer.status === 400 && (await answer.json()).detail.startsWith("`target`")) return refuse(404, "not_found");
    if (!answer.ok) throw new Error(`Claviger answered ${answer.status}`);
    verdict = await answer.json();
  } catch {
    return refuse(503, "unavailable", { "Retry-After": "1" }); // never let anyone in unverified
  }
  if (verdict?.valid !== true) {
    const wait = verdict?.retry_after_seconds;
    return refuse(STATUS[verdict?.code] ?? 401, verdict?.code, wait ? { "Retry-After": String(wait) } : {});
  }
  request.verdict = verdict;
  next();
};
