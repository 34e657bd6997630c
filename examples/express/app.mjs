// An API that was there before; only `allows` is new.
import express from "express";
import { allows } from "./guard.mjs";

const app = express();
const INVOICES = { "2026-001": { id: "2026-001", total: "1250.00" }, "2026-002": { id: "2026-002", total: "80.00" } };

app.get("/invoices/:invoice", allows("invoice:read", "invoice:{invoice}"), (request, response) => {
  response.json(INVOICES[request.params.invoice]);
});

app.post("/reports", allows("report:create"), (request, response) => {
  response.status(202).json({ requested_by: request.verdict.key_id });
});

const server = app.listen(process.env.PORT ?? 8000, "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}`);
});
