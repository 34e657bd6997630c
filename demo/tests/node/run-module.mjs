// Runs a notebook in the real Observable runtime and prints its cells' values as one JSON object.
//
//   node run-module.mjs URL [HEADER...]     fetches the module (HEADER as in "Authorization: ApiKey KEY")
//   node run-module.mjs FILE                takes it from a file, such as an installed package's index.js
//
// Exit codes: 0 every cell has a value, 1 a cell failed or did not settle, 2 the module could not be had; then
// the status and the body of the answer are on standard error.

import {mkdtemp, rm, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join, resolve} from "node:path";
import {pathToFileURL} from "node:url";
import {Runtime} from "@observablehq/runtime";

// A cell that waits for something that is not defined never settles.
const PATIENCE_MILLISECONDS = 10_000;

const [source, ...headers] = process.argv.slice(2);
if (source === undefined) {
  console.error("usage: node run-module.mjs URL|FILE [HEADER...]");
  process.exit(2);
}

const define = /^https?:/.test(source) ? await download(source) : await load(resolve(source));
process.exitCode = await run(define);

async function load(file) {
  return (await import(pathToFileURL(file))).default;
}

async function download(url) {
  const fields = headers.map((header) => {
    const colon = header.indexOf(":");
    return [header.slice(0, colon).trim(), header.slice(colon + 1).trim()];
  });
  const response = await fetch(url, {headers: fields});
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  if (!response.ok || !type.startsWith("text/javascript")) {
    console.error(`${response.status} ${type}\n${text}`);
    process.exit(2);
  }
  const folder = await mkdtemp(join(tmpdir(), "run-module-"));
  try {
    const file = join(folder, "module.mjs");
    await writeFile(file, text);
    return await load(file);
  } finally {
    await rm(folder, {recursive: true});
  }
}

async function run(define) {
  const settled = [];
  const runtime = new Runtime();
  runtime.module(define, (name) => {
    const observer = {};
    settled.push(new Promise((fulfilled, rejected) => {
      observer.fulfilled = (value) => fulfilled([name, value]);
      observer.rejected = (error) => rejected(new Error(`${name}: ${error.message ?? error}`));
    }));
    return observer;
  });
  const late = new Promise((_, rejected) => {
    setTimeout(() => rejected(new Error("a cell did not settle")), PATIENCE_MILLISECONDS).unref();
  });
  try {
    const values = await Promise.race([Promise.all(settled), late]);
    console.log(JSON.stringify(Object.fromEntries(values)));
    return 0;
  } catch (error) {
    console.error(error.message);
    return 1;
  } finally {
    runtime.dispose();
  }
}
