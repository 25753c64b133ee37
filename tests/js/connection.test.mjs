/** What keeps a page connected, with a browser's objects played by these. */
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { Pulse } from "../../static/js/session/pulse.js";
import { Signalling } from "../../static/js/session/signalling.js";
import { Socket } from "./socket.mjs";

const WELCOME = {
  type: "welcome", session_id: "s", resume_token: "ticket", next_seq: 0,
  deployment: "default", ice_servers: [], model: null, worker_alive: true,
};

/** A page's signalling, and what it was told. */
function connect(url = "ws://here") {
  const told = [];
  const signalling = new Signalling(url, {
    onMessage: () => {},
    onLost: () => told.push("lost"),
    onTakenOver: () => told.push("taken over"),
  });
  signalling.open();
  Socket.all.at(-1).onopen();
  return { told };
}

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(Math, "random", () => 0.5);
  Socket.all = [];
  globalThis.WebSocket = Socket;
  const kept = new Map();
  globalThis.sessionStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
  };
});

test("a page speaks first, and comes back with the ticket it was given", () => {
  connect();
  assert.deepEqual(Socket.all[0].sent[0], { type: "open", resume_token: "" });
  Socket.all[0].says(WELCOME);
  Socket.all[0].onclose({ code: 1006 });
  mock.timers.tick(500);
  Socket.all[1].onopen();
  assert.deepEqual(Socket.all[1].sent[0], { type: "open", resume_token: "ticket" });
});

test("each deployment's page has a ticket of its own", () => {
  connect("ws://here/ws/session/");
  Socket.all[0].says(WELCOME);
  connect("ws://here/ws/session/fruit/");
  assert.equal(Socket.all[1].sent[0].resume_token, "");
  connect("ws://here/ws/session/");
  assert.equal(Socket.all[2].sent[0].resume_token, "ticket");
});

test("a browser that keeps nothing has no ticket, and no trouble", () => {
  globalThis.sessionStorage = undefined;
  connect();
  assert.equal(Socket.all[0].sent[0].resume_token, "");
  Socket.all[0].says(WELCOME);
});

test("a server that is silent for four seconds is lost", () => {
  const { told } = connect();
  Socket.all[0].says(WELCOME);
  for (let second = 0; second < 4; second += 1) mock.timers.tick(1000);
  assert.deepEqual(told, ["lost"]);
});

test("a page whose session goes on elsewhere lets it, and drops its ticket", () => {
  const { told } = connect();
  Socket.all[0].says(WELCOME);
  Socket.all[0].onclose({ code: 4014 });
  mock.timers.tick(60_000);
  assert.deepEqual(told, ["taken over"]);
  assert.equal(Socket.all.length, 1);
  connect();
  assert.equal(Socket.all[1].sent[0].resume_token, "");
});

test("a page that is told to move does so within the time, by chance", () => {
  const { told } = connect();
  Socket.all[0].says(WELCOME);
  Socket.all[0].says({ type: "move", within_ms: 800 });
  mock.timers.tick(399);
  assert.equal(Socket.all.length, 1);
  mock.timers.tick(1);
  assert.equal(Socket.all.length, 2);
  assert.deepEqual(told, []);
});

test("a connection that receives nothing more is noticed, once", async () => {
  let now = 0;
  mock.method(performance, "now", () => now);
  const stats = [{ type: "transport", bytesReceived: 1 }, { type: "codec" }];
  let silences = 0;
  const pulse = new Pulse(
    { getStats: async () => new Map(Object.entries(stats)) }, () => (silences += 1),
  );
  pulse.start();
  for (now = 0; now <= 10_000; now += 500) {
    stats[0].bytesReceived += now < 4000 ? 1 : 0;
    await pulse.check();
    assert.equal(silences, now > 3500 + 3000 ? 1 : 0, `${now} ms`);
  }
});
