// An admin listener whose /status is what the test says, and whose page is the proxy's own with all its headers.

import { createServer } from "node:http";

/** Serves on an address of its own, so that it can go away and come back to the same port. */
export async function serve(pageUrl, status) {
  const page = await fetch(pageUrl);
  if (!page.ok) throw new Error(`${pageUrl} answers ${page.status}`);
  const document = Buffer.from(await page.arrayBuffer());
  const headers = Object.fromEntries(page.headers);
  delete headers["content-length"];
  delete headers.date;
  const stage = {
    status,
    /** Where it is not null, what is answered to /status instead: `{code, body}`. */
    answer: null,
    /** Questions for /status so far. */
    asked: 0,
    paths: [],
    url: null,
    leave: () => leave(server),
    comeBack: () => listen(server, host, port),
  };
  const server = createServer((request, response) => {
    stage.paths.push(request.url);
    if (request.url === "/") {
      response.writeHead(200, headers).end(document);
    } else if (request.url === "/status") {
      stage.asked += 1;
      const { code, body } = stage.answer ?? { code: 200, body: JSON.stringify(stage.status) };
      response.writeHead(code, { "content-type": "application/json" }).end(body);
    } else {
      response.writeHead(404).end();
    }
  });
  const host = `127.${100 + (process.pid >> 16) % 100}.${(process.pid >> 8) & 255}.${(process.pid & 255) || 1}`;
  await listen(server, host, 0);
  const { port } = server.address();
  stage.url = `http://${host}:${port}/`;
  return stage;
}

function listen(server, host, port) {
  return new Promise((done, failed) => {
    server.once("error", failed);
    server.listen(port, host, done);
  });
}

function leave(server) {
  return new Promise((done) => {
    server.close(done);
    server.closeAllConnections();
  });
}
