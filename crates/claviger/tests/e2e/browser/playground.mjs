// The playground in a real browser, as its users have it.
//
// Standard input is {"api": "http://…", "key": "…", "profile": "a folder"}.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";

import { start } from "./chromium.mjs";

const { api, key, profile } = JSON.parse(await text(process.stdin));
const { page, close } = await start(profile);

const choose = async (operation) => {
  await page.value(`location.hash = ${JSON.stringify(operation)}`);
  await page.until(`!document.getElementById(${JSON.stringify(operation)}).hidden`);
};
const fill = async (id, value) => {
  await page.value(`document.getElementById(${JSON.stringify(id)}).focus()`);
  await page.value("document.activeElement.select()");
  await page.type(value);
};
/** Sends the request of an operation; the status that the page shows, and the body. */
const send = async (operation) => {
  const place = `document.querySelector("#${operation} .answer")`;
  await page.value(`${place}.replaceChildren()`);
  await page.click(`#${operation} .send`);
  const status = await page.until(`${place}.querySelector(".status strong")?.textContent`);
  const body = await page.value(`${place}.querySelector("pre").textContent`);
  return { status, body: body.startsWith("{") ? JSON.parse(body) : body };
};
const who = () => page.value("document.getElementById('who').textContent");

try {
  await page.window(1280, 900);
  await page.open(`${api}/playground`);
  assert.equal(await who(), "No key yet");

  // Without a key.
  await choose("list_keys");
  const refused = await send("list_keys");
  assert.match(refused.status, /^401/);
  assert.equal(refused.body.code, "credentials_required");
  assert.match(await page.value("document.getElementById('said').textContent"), /^401/);

  // A mistyped key is told at once, and not taken.
  await page.click("#authorize");
  await page.until("document.activeElement.id === 'key'");
  await page.type(`${key}x`);
  await page.press("Enter");
  await page.until("!document.getElementById('refused').hidden");
  assert.match(await page.value("document.getElementById('refused').textContent"), /not known here/);
  assert.equal(await who(), "No key yet");

  // The right one, by keyboard alone.
  await fill("key", key);
  await page.press("Enter");
  await page.until("!document.getElementById('dialog').open");
  assert.match(await who(), /operator/);

  // A query parameter.
  await fill("list_keys.limit", "1");
  const listed = await send("list_keys");
  assert.match(listed.status, /^200/);
  assert.equal(listed.body.items.length, 1);

  // A body from its example, and the identifier in the answer as a suggestion for the next request.
  await choose("create_account");
  const made = await send("create_account");
  assert.match(made.status, /^201/);
  await choose("read_account");
  await page.value("document.getElementById('read_account.id').focus()");
  const suggested = await page.value("[...document.querySelectorAll('#seen option')].map((one) => one.value)");
  assert.ok(suggested.includes(made.body.id), `${made.body.id} in ${suggested}`);
  await fill("read_account.id", made.body.id);
  const read = await send("read_account");
  assert.equal(read.body.external_id, "user-4711");

  // An example takes up what was seen.
  await choose("create_key");
  const created = await send("create_key");
  assert.match(created.status, /^201/);
  assert.equal(created.body.key.subject, `account:${made.body.id}`);

  // The line for a shell has everything but the key.
  await page.send("Browser.grantPermissions", { permissions: ["clipboardReadWrite", "clipboardSanitizedWrite"] });
  await page.click("#create_key .curl");
  await page.until("document.querySelector('#create_key .curl').textContent === 'Copied'");
  const line = await page.value("navigator.clipboard.readText()");
  assert.ok(line.startsWith(`curl -i -X POST -H "X-API-Key: $KEY" -H 'Content-Type: application/json' --data '{`), line);
  assert.ok(line.endsWith(`'${api}/v1/keys'`) && line.includes(made.body.id) && !line.includes(key), line);

  // A refusal is shown as the answer that it is; so are headers.
  await choose("read_key");
  await fill("read_key.id", "key_../../none?x=1");
  const missing = await send("read_key");
  assert.match(missing.status, /^404/);
  const headers = await page.value("document.querySelector('#read_key .answer dl').textContent");
  assert.match(headers, /x-request-id/);
  await page.value("document.getElementById('read_key.id').value = ''");

  // The list is filtered, and followed by keyboard.
  await page.click("#filter");
  await page.type("who");
  const links = "[...document.querySelectorAll('nav li a')].filter((link) => link.checkVisibility())";
  assert.equal(await page.value(`${links}.length`), 2);
  await page.press("Tab");
  await page.press("Enter");
  await page.until("!document.getElementById('whoami').hidden");
  assert.match((await send("whoami")).status, /^200/);

  // Every operation fits a phone, and its form is reached from the list.
  await page.window(360, 740, "dark");
  const operations = await page.value("[...document.querySelectorAll('article')].map((one) => one.id)");
  assert.ok(operations.length > 45);
  for (const operation of ["start", ...operations]) {
    await choose(operation);
    await page.value(`document.querySelectorAll("#${operation} details").forEach((one) => (one.open = true))`);
    const width = await page.value("document.documentElement.scrollWidth");
    assert.ok(width <= 360, `${operation} is ${width} wide`);
  }

  // The key is nowhere but in the memory of the page and in the header of its requests.
  const kept = await page.value("JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])");
  assert.ok(!kept.includes(key), kept);
  assert.equal(await page.value("localStorage.length + sessionStorage.length + document.cookie.length"), 0);
  assert.ok(!(await page.value("document.documentElement.outerHTML")).includes(key));
  let carried = 0;
  for (const { method, url, headers } of page.requests) {
    assert.ok(url.startsWith(`${api}/`) || url === "about:blank", `${method} ${url} left the origin`);
    assert.ok(!url.includes(key), "no address has the key");
    const names = Object.keys(headers).filter((name) => headers[name].includes(key.slice(0, -1)));
    assert.deepEqual(names.filter((name) => name.toLowerCase() !== "x-api-key"), []);
    // The browser writes down an empty one where it sends none.
    assert.equal(headers.Referer ?? headers.referer ?? "", "", url);
    carried += names.length;
  }
  assert.ok(carried >= 6, `${carried} requests carried the key`);
  await page.send("Page.reload");
  await page.until("document.readyState === 'complete' && document.getElementById('who').textContent === 'No key yet'");
  assert.deepEqual(page.complaints, []);
  console.log("all checks hold");
} finally {
  await close();
}
