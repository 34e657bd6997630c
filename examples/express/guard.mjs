// Guards an Express application with API keys, which Claviger verifies.

// What each code means to your callers. Any other code is about the key itself: 401.
const STATUS = { forbidden: 403, restricted: 403, target_required: 403, not_found: 404, rate_limited: 429, quota_exceeded: 429 };
// The key of this service: an operator key whose only scope is `key:verify`.
const { CLAVIGER_URL = "http://127.0.0.1:8400", CLAVIGER_KEY } = process.env;

/** Middleware that puts the verdict on the caller's key into `request.verdict`, or ends the request. */
export const allows = (action, target) => async (request, response, next) => {
  const refuse = (status, code, headers = {}) => response.status(status).set(headers).json({ code });
  const bearer = /^bearer +(\S+)$/i.exec(request.get("Authorization") ?? "")?.[1];
  const key = request.get("X-API-Key") || bearer;
  if (!key) return refuse(401, "credentials_required", { "WWW-Authenticate": "Bearer" });
  const question = { key, action, ip: request.ip, target: target?.replace(/\{(\w+)\}/g, (_, name) => request.params[name]) };
  let verdict;
  try {
    const headers = { "X-API-Key": CLAVIGER_KEY, "Content-Type": "application/json" };
    const body = JSON.stringify(question);
    const answer = await fetch(`${CLAVIGER_URL}/v1/verify`, { method: "POST", headers, body, redirect: "error", signal: AbortSignal.timeout(2000) });
    if (answer.status === 400) return refuse(404, "not_found"); // the path names something that nothing can be called
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
