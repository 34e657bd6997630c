// A real Chromium, driven by its DevTools protocol over two pipes: no port is opened, and nothing has to be
// installed besides the browser.

import { spawn } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";

const FLAGS = [
  "--headless",
  "--remote-debugging-pipe",
  // Tests may run as root, where the sandbox does not; the pages are our own.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--no-proxy-server",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-extensions",
];
/** How long a page may take for what is waited for, in milliseconds. */
const PATIENCE = 20_000;
const POLL = 50;

/** Starts the browser with a profile in this folder. */
export async function start(folder) {
  const child = spawn("chromium", [...FLAGS, `--user-data-dir=${folder}`, "about:blank"], {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const failed = new Promise((_, reject) => child.once("error", reject));
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const waiting = new Map();
  const listeners = [];
  let last = 0;
  let text = "";
  child.stdio[4].setEncoding("utf8").on("data", (chunk) => {
    const messages = (text + chunk).split("\0");
    text = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      const { id, method, params, error, result } = message;
      if (method) listeners.forEach((listener) => listener(method, params));
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error.message));
      else resolve?.(result);
    }
  });
  const send = (method, params = {}, sessionId = undefined) => {
    const id = (last += 1);
    child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  };
  await Promise.race([send("Browser.getVersion"), failed]);
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const page = new Page((method, params) => send(method, params, sessionId));
  listeners.push((method, params) => page.hear(method, params));
  for (const domain of ["Page", "Runtime", "Network", "Log"]) await page.send(`${domain}.enable`);
  const close = async () => {
    send("Browser.close").catch(() => {});
    // It must not keep the script alive once the browser is gone.
    const late = pause(PATIENCE, undefined, { ref: false }).then(() => child.kill("SIGKILL"));
    await Promise.race([ended, late]);
  };
  return { page, close };
}

/** The one page. */
class Page {
  /** Every request that the page sent: address, headers. */
  requests = [];
  /** What the browser complained of: exceptions, and what the policy stopped. */
  complaints = [];

  constructor(send) {
    this.send = send;
  }

  hear(method, params) {
    if (method === "Network.requestWillBeSent") {
      const { url, headers, method } = params.request;
      this.requests.push({ id: params.requestId, method, url, headers });
    } else if (method === "Runtime.exceptionThrown") {
      this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
    } else if (method === "Log.entryAdded" && params.entry.source !== "network") {
      this.complaints.push(params.entry.text);
    }
  }

  async open(url) {
    await this.send("Page.navigate", { url });
    await this.until(`document.readyState === "complete" && location.href === ${JSON.stringify(url)}`);
  }

  /** The value of an expression in the page. */
  async value(expression) {
    const { result, exceptionDetails } = await this.send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description}`);
    return result.value;
  }

  /** Waits until an expression holds; returns its value. */
  async until(expression) {
    const end = Date.now() + PATIENCE;
    for (;;) {
      const value = await this.value(expression).catch(() => undefined);
      if (value) return value;
      if (Date.now() > end) throw new Error(`this never came: ${expression}`);
      await pause(POLL);
    }
  }

  /** Clicks into the middle of an element, as a hand would: it has to be seen, and nothing may lie above it. */
  async click(selector) {
    const place = await this.until(`(() => {
      const element = document.querySelector(${JSON.stringify(selector)});
      if (!element || element.disabled) return null;
      element.scrollIntoView({ block: "center" });
      const { left, top, width, height } = element.getBoundingClientRect();
      const [x, y] = [left + width / 2, top + height / 2];
      const above = document.elementFromPoint(x, y);
      return element.contains(above) || above?.contains(element) ? { x, y } : null;
    })()`);
    for (const type of ["mousePressed", "mouseReleased"]) {
      await this.send("Input.dispatchMouseEvent", { type, ...place, button: "left", clickCount: 1 });
    }
  }

  /** Types into what has the focus. */
  type(text) {
    return this.send("Input.insertText", { text });
  }

  async press(key) {
    const codes = { Enter: 13, Tab: 9, Escape: 27 };
    const event = { key, code: key, windowsVirtualKeyCode: codes[key], text: key === "Enter" ? "\r" : undefined };
    await this.send("Input.dispatchKeyEvent", { type: "keyDown", ...event });
    await this.send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  }

  /** The window: its size, and what its owner likes. */
  async window(width, height, scheme = "light") {
    const mobile = width < 600;
    await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile });
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.send("Emulation.setEmulatedMedia", { features });
  }

  /** What is seen, as a PNG. */
  async picture() {
    const { data } = await this.send("Page.captureScreenshot", { format: "png" });
    return Buffer.from(data, "base64");
  }
}
