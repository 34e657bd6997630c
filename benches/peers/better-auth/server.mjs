// better-auth's `verifyApiKey` behind Node's own HTTP server, on PostgreSQL.
//
//   DATABASE_URL=postgres://… node server.mjs PORT
//
// Prints its address and a key that it accepts.

import { createServer } from "node:http";
import { apiKey } from "@better-auth/api-key";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import pg from "pg";

const auth = betterAuth({
  baseURL: "http://127.0.0.1",
  secret: "measured on loopback, nothing to protect here",
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 16 }),
  emailAndPassword: { enabled: true },
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  plugins: [apiKey({ rateLimit: { enabled: false } })],
});

const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
const email = `bench-${Date.now()}@example.org`;
const { user } = await auth.api.signUpEmail({ body: { email, password: "correct horse battery", name: "Bench" } });
const { key } = await auth.api.createApiKey({ body: { userId: user.id, name: "bench" } });

const server = createServer(async (request, response) => {
  const presented = request.headers.authorization?.replace(/^Bearer /, "");
  const { valid } = await auth.api.verifyApiKey({ body: { key: presented } });
  response.writeHead(valid ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify({ valid }));
});
server.keepAliveTimeout = 60_000;
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  console.log(`http://127.0.0.1:${server.address().port} ${key}`);
});
