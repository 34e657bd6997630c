// An application behind the gateway: JSON, an event stream, a WebSocket, and bodies of any size.

import { createHash } from "node:crypto";
import { createServer } from "node:http";

const server = createServer((request, response) => {
  const path = request.url.split("?")[0];
  if (path === "/events") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let n = 0;
    const timer = setInterval(() => response.write(`id: ${n}\ndata: ${n++}\n\n`), 100);
    response.on("close", () => clearInterval(timer));
    return;
  }
  if (path === "/broken") {
    response.writeHead(200, { "content-type": "text/plain" });
    response.write("the beginning");
    setTimeout(() => response.destroy(), 100);
    return;
  }
  if (path.startsWith("/big/") || path.startsWith("/stream/")) {
    let left = Number(path.split("/")[2]);
    const piece = Buffer.alloc(64 * 1024);
    // Without a length the answer goes in chunks.
    response.writeHead(200, path.startsWith("/big/") ? { "content-length": left } : {});
    const more = () => {
      while (left > 0) {
        const part = left < piece.length ? piece.subarray(0, left) : piece;
        left -= part.length;
        if (!response.write(part)) return response.once("drain", more);
      }
      response.end();
    };
    return more();
  }
  let bytes = 0;
  request.on("data", (part) => (bytes += part.length));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    // What an application says about origins is not for it to say.
    response.setHeader("access-control-allow-origin", "https://upstream.example");
    response.setHeader("access-control-allow-credentials", "true");
    // Nor is it who speaks for Claviger.
    for (const name of ["version", "status", "account"]) response.setHeader(`x-claviger-${name}`, "999");
    const { method, url, headers, trailers } = request;
    response.end(JSON.stringify({ method, url, headers, bytes, trailers }));
  });
});

// A WebSocket that sends back what it is sent (RFC 6455), in frames of less than 126 bytes.
server.on("upgrade", (request, socket) => {
  const accept = createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  const say = (kind, text) => socket.write(Buffer.concat([Buffer.from([0x80 | kind, text.length]), text]));
  say(1, Buffer.from(request.headers["x-claviger-subject"]));
  let buffer = Buffer.alloc(0);
  socket.on("data", (part) => {
    buffer = Buffer.concat([buffer, part]);
    while (buffer.length >= 6 && buffer.length >= 6 + (buffer[1] & 127)) {
      const [kind, length] = [buffer[0] & 15, buffer[1] & 127];
      const mask = buffer.subarray(2, 6);
      const text = Buffer.from(buffer.subarray(6, 6 + length).map((byte, n) => byte ^ mask[n % 4]));
      buffer = buffer.subarray(6 + length);
      say(kind, text);
      if (kind === 8) socket.end();
    }
  });
  socket.on("error", () => socket.destroy());
});

server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
