// The playground: shows one operation at a time, sends its request, shows the answer.
//
// The key is a variable of this script and nothing else: no storage, no cookie, no address has it. All text
// goes into the page as text, never as markup.
"use strict";

(() => {
  // The API is where the page is, also below a path of somebody's proxy.
  const BASE = new URL(".", document.baseURI);
  // What is coloured at most, in characters; a longer body is shown as it is.
  const COLOURED_MAX = 200_000;
  // How many identifiers are remembered of each kind.
  const SEEN_MAX = 50;

  let key = null;

  const by = (id) => document.getElementById(id);
  const articles = [...document.querySelectorAll("article")];
  const dialog = by("dialog");

  function element(name, text, properties = {}) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    return Object.assign(made, properties);
  }

  // ---- Which operation is shown: the fragment of the address says it, so that going back works. ----

  function show() {
    const id = decodeURIComponent(location.hash.slice(1));
    const chosen = articles.find((article) => article.id === id);
    for (const article of articles) article.hidden = article !== chosen;
    by("start").hidden = Boolean(chosen);
    document.body.classList.toggle("chosen", Boolean(chosen));
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === location.hash) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    if (chosen) {
      adapt(chosen.querySelector("textarea"));
      chosen.querySelector("h2").focus({ preventScroll: true });
    }
    window.scrollTo(0, 0);
  }

  function filter() {
    const words = by("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const section of document.querySelectorAll("nav section")) {
      let any = false;
      for (const item of section.querySelectorAll("li")) {
        const link = item.firstElementChild;
        const text = `${link.textContent} ${link.title}`.toLowerCase();
        item.hidden = !words.every((word) => text.includes(word));
        any ||= !item.hidden;
      }
      section.hidden = !any;
      shown += any;
    }
    by("none").hidden = shown > 0;
  }

  // ---- The request of a form. ----

  // The whole request: a method, an address, the headers but for the key, and the body.
  function request(article) {
    let path = article.dataset.path;
    const query = new URLSearchParams();
    const headers = {};
    for (const field of article.querySelectorAll("[data-in]")) {
      if (field.value === "") continue;
      if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
      else if (field.dataset.in === "query") query.append(field.name, field.value);
      else headers[field.name] = field.value;
    }
    const url = new URL(path.slice(1), BASE);
    url.search = query.toString();
    const area = article.querySelector("textarea");
    if (area) headers["Content-Type"] = "application/json";
    return { method: article.dataset.method, url, headers, body: area ? area.value : undefined };
  }

  function ask({ method, url, headers, body }, secret) {
    return fetch(url, {
      method,
      headers: secret === null ? headers : { ...headers, "X-API-Key": secret },
      body,
      // `omit` also keeps the browser from asking for a password when the answer is 401.
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      redirect: "error",
    });
  }

  async function send(article) {
    const button = article.querySelector(".send");
    const place = article.querySelector(".answer");
    button.disabled = true;
    place.setAttribute("aria-busy", "true");
    const began = performance.now();
    try {
      const response = await ask(request(article), key);
      const text = await response.text();
      answered(place, response, text, performance.now() - began);
    } catch (error) {
      place.replaceChildren(
        element("p", "No answer", { className: "status failed" }),
        element("p", `The server could not be reached, or the request cannot be sent: ${error.message}`),
      );
    }
    place.hidden = false;
    // Whoever listens to the page hears the status; the rest is there to be read.
    by("said").textContent = place.querySelector(".status").textContent;
    place.removeAttribute("aria-busy");
    button.disabled = false;
    place.scrollIntoView({ block: "nearest" });
  }

  // ---- The answer. ----

  function answered(place, response, text, took) {
    const { status, statusText } = response;
    const good = response.ok;
    const line = element("p", undefined, { className: `status ${good ? "good" : "failed"}` });
    const size = new Blob([text]).size;
    line.append(
      element("strong", `${status} ${statusText}`.trim()),
      element("span", ` ${took.toFixed(took < 10 ? 1 : 0)} ms · ${size.toLocaleString("en")} bytes`),
    );
    const parts = [line];
    if (status === 401 && key === null) {
      const hint = element("p", "This needs a key. ");
      hint.append(element("button", "Authorize", { type: "button", onclick: open }));
      parts.push(hint);
    }
    const headers = element("details");
    const list = element("dl");
    for (const [name, value] of response.headers) {
      const row = element("div");
      row.append(element("dt", name), element("dd", value));
      list.append(row);
    }
    headers.append(element("summary", `Headers (${list.children.length})`), list);
    parts.push(body(response, text), headers);
    place.replaceChildren(...parts);
  }

  function body(response, text) {
    const frame = element("div", undefined, { className: "result" });
    let pretty = text;
    if ((response.headers.get("content-type") ?? "").includes("json")) {
      try {
        const value = JSON.parse(text);
        remember(value);
        pretty = JSON.stringify(value, null, 2);
      } catch {
        // Not JSON after all: it is shown as it came.
      }
    }
    const shown = element("pre", undefined, { tabIndex: 0 });
    shown.setAttribute("aria-label", "Body of the answer");
    if (pretty === "") shown.append(element("i", "no body"));
    else if (pretty === text || pretty.length > COLOURED_MAX) shown.textContent = pretty;
    else colour(shown, pretty);
    const copy = element("button", "Copy", { type: "button", className: "copy" });
    copy.addEventListener("click", () => copied(copy, pretty));
    frame.append(copy, shown);
    return frame;
  }

  // Names, texts and the rest in colours of their own.
  function colour(shown, json) {
    const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;
    let end = 0;
    for (const found of json.matchAll(tokens)) {
      shown.append(json.slice(end, found.index));
      const [whole, text, colon] = found;
      const className = text === undefined ? "value" : colon === undefined ? "text" : "name";
      shown.append(element("span", text ?? whole, { className }), colon ?? "");
      end = found.index + whole.length;
    }
    shown.append(json.slice(end));
  }

  async function copied(button, text) {
    const before = button.textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed here";
    }
    setTimeout(() => (button.textContent = before), 1500);
  }

  // The line for a shell. The key is not in it, as it would end up in a history.
  function curl(article) {
    const { method, url, headers, body } = request(article);
    const quote = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
    const parts = ["curl", "-i"];
    if (method !== "GET") parts.push("-X", method);
    if (!article.hasAttribute("data-open")) parts.push("-H", '"X-API-Key: $KEY"');
    for (const [name, value] of Object.entries(headers)) parts.push("-H", quote(`${name}: ${value}`));
    if (body !== undefined) parts.push("--data", quote(body));
    return [...parts, quote(url.href)].join(" ");
  }

  // ---- Identifiers that answers have shown, as suggestions for the next request. ----

  const SORTS = { id: /./, key: /^key_/, account: /^acct_/, change: /^chg_/, reference: /^[a-z]+:/ };
  const PREFIXES = { keys: /^key_/, accounts: /^acct_/, teams: /^team_/, projects: /^proj_/ };
  const WHOLE = /^(?:(?:key|acct|team|proj|chg|imp)_[a-z0-9]+|[a-z]+:[A-Za-z0-9_-]+)$/;
  const seen = [];

  function remember(value) {
    if (typeof value === "string") {
      if (value.length > 160 || !WHOLE.test(value)) return;
      // A reference to an account names it, too.
      const [, named] = value.split(":");
      for (const text of [value, named]) {
        if (text !== undefined && WHOLE.test(text) && !seen.includes(text)) seen.unshift(text);
      }
    } else if (value && typeof value === "object") {
      Object.values(value).forEach(remember);
    }
    const counts = {};
    for (let n = 0; n < seen.length; n += 1) {
      const sort = seen[n].split(/[_:]/)[0];
      counts[sort] = (counts[sort] ?? 0) + 1;
      if (counts[sort] > SEEN_MAX) seen.splice(n--, 1);
    }
  }

  // Puts accounts, teams and projects that were seen in the place of those in an example that nobody has touched.
  // Never keys: what is done to a key shall be done to one that somebody chose.
  function adapt(area) {
    if (!area || area.value !== (area.dataset.adapted ?? area.defaultValue)) return;
    const known = (whole, sort) => seen.find((text) => text.startsWith(sort)) ?? whole;
    area.value = area.defaultValue.replace(/\b(acct_|team_|proj_)[a-z0-9]+/g, known);
    area.dataset.adapted = area.value;
  }

  function suggest(field) {
    const collection = field.closest("article").dataset.path.split("/")[2];
    const sort = field.name === "id" ? PREFIXES[collection] : SORTS[field.name] ?? /^[a-z]+:/;
    const list = by("seen");
    const fitting = seen.filter((text) => sort === undefined || sort.test(text));
    list.replaceChildren(...fitting.map((value) => element("option", undefined, { value })));
    field.setAttribute("list", "seen");
  }

  // ---- The key. ----

  function open() {
    by("refused").hidden = true;
    by("key").value = "";
    by("forget").hidden = key === null;
    dialog.showModal();
    by("key").focus();
  }

  function forget() {
    key = null;
    by("who").textContent = "No key yet";
    by("who").title = "";
    document.body.classList.remove("authorized");
    by("authorize").textContent = "Authorize";
    dialog.close();
  }

  // Asks what the key is before taking it, so that a mistyped one is told at once.
  async function authorize() {
    const given = by("key").value.trim();
    const refuse = (text) => {
      by("refused").textContent = text;
      by("refused").hidden = false;
    };
    let response, answer;
    try {
      response = await ask({ method: "GET", url: new URL("v1/whoami", BASE), headers: {} }, given);
      answer = await response.json();
    } catch (error) {
      return refuse(`The key cannot be sent, or nobody answers: ${error.message}`);
    }
    if (!response.ok) return refuse(answer.detail ?? `The answer was ${response.status}.`);
    key = given;
    by("key").value = "";
    remember(answer);
    const { name, kind, preview } = answer.key ?? {};
    by("who").textContent = name ? `${name} · ${kind}` : "Authorized";
    by("who").title = preview ?? "";
    document.body.classList.add("authorized");
    by("authorize").textContent = "Change the key";
    dialog.close();
  }

  // ---- Everything together. ----

  function check(area) {
    const hint = area.nextElementSibling;
    try {
      JSON.parse(area.value);
      hint.textContent = "";
      area.removeAttribute("aria-invalid");
    } catch (error) {
      hint.textContent = `Not JSON yet: ${error.message}`;
      area.setAttribute("aria-invalid", "true");
    }
  }

  document.body.append(element("datalist", undefined, { id: "seen" }));
  document.body.append(element("p", "", { id: "said", role: "status" }));
  document.body.classList.add("scripted");
  for (const control of document.querySelectorAll("[disabled]")) control.disabled = false;

  for (const article of articles) {
    const form = article.querySelector("form");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(article);
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
    });
    const area = form.querySelector("textarea");
    if (area) area.addEventListener("input", () => check(area));
    form.addEventListener("reset", () => setTimeout(() => area && check(area)));
    for (const field of form.querySelectorAll("input")) field.addEventListener("focus", () => suggest(field));
    const line = form.querySelector(".curl");
    line.addEventListener("click", () => copied(line, curl(article)));
  }

  by("filter").addEventListener("input", filter);
  by("authorize").addEventListener("click", open);
  by("cancel").addEventListener("click", () => dialog.close());
  by("forget").addEventListener("click", forget);
  dialog.addEventListener("close", () => (by("key").value = ""));
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    authorize();
  });
  // A page that is left, and perhaps kept for going back to it, has no key any more.
  window.addEventListener("pagehide", forget);
  window.addEventListener("hashchange", show);
  show();
})();
