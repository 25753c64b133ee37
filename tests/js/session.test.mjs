/** A visit whose browser has no WebRTC: what it tells the server, and when again. */
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Session } from "../../static/js/session/session.js";
import { Socket } from "./socket.mjs";

/** How often pictures were announced over a socket. */
const announced = ({ sent }) => sent.filter(({ type }) => type === "begin_jpeg").length;

const WELCOME = {
  type: "welcome", session_id: "s", resume_token: "ticket", next_seq: 0,
  deployment: "default", ice_servers: [], model: null, worker_alive: true,
};

/** All promises that are settled have been followed. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

/** A page that sends pictures one by one; gives its session and what it showed. */
async function sendPictures() {
  const shown = [];
  const session = new Session("ws://here", {
    onSituation: (name) => shown.push(name),
    onCamera: () => {},
    onMessage: () => {},
    onEncoded: () => {},
  });
  await welcome(Socket.all[0]);
  Socket.all[0].says({ type: "status", status: "live", sentence: "Live." });
  return { session, shown };
}

async function welcome(socket) {
  socket.onopen();
  socket.says(WELCOME);
  await settled();
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  Socket.all = [];
  const kept = new Map();
  const track = { getSettings: () => ({}), stop: () => {} };
  const stream = { getVideoTracks: () => [track], getTracks: () => [track] };
  const globals = {
    WebSocket: Socket,
    window: { isSecureContext: true },
    navigator: { mediaDevices: { getUserMedia: async () => stream } },
    document: {
      createElement: () => ({ play: async () => {}, requestVideoFrameCallback() {} }),
    },
    sessionStorage: {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
    },
  };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, configurable: true });
  }
});

test("a page that moves announces its pictures to the other process too", async () => {
  const { shown } = await sendPictures();
  assert.equal(announced(Socket.all[0]), 1);

  Socket.all[0].says({ type: "move", within_ms: 0 });
  mock.timers.tick(1);
  await welcome(Socket.all[1]);

  assert.equal(announced(Socket.all[1]), 1);
  assert.deepEqual(shown, ["acquiring", "connecting", "live_as_jpeg", "connecting"]);
});

test("pictures that the server gave up are announced again", async () => {
  const { shown } = await sendPictures();

  Socket.all[0].says({ type: "status", status: "reconnecting", sentence: "Stopped." });

  assert.equal(announced(Socket.all[0]), 2);
  assert.equal(shown.at(-1), "peer_lost");
});

test("who comes back after the end begins another session", async () => {
  const { session, shown } = await sendPictures();

  Socket.all[0].says({ type: "status", status: "ended", sentence: "Too long." });
  session.start();
  Socket.all[1].onopen();

  assert.deepEqual(Socket.all[1].sent[0], { type: "open", resume_token: "" });
  assert.deepEqual(shown.slice(-2), ["ended", "opening"]);
});
