/** The doctor's words: a cause for everything, and a cure for all that isn't well. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { familiesByType, parseCandidate } from "../../static/js/doctor/candidates.js";
import { reportText } from "../../static/js/doctor/report.js";
import * as words from "../../static/js/doctor/words.js";
import { CAMERA_FAILURES } from "../../static/js/session/protocol.js";

const HOST = "candidate:1 1 udp 2122260223 192.168.1.7 50000 typ host generation 0";
const HIDDEN = "candidate:2 1 udp 2122260223 1f4712db.local 50001 typ host";
const SEEN =
  "candidate:3 1 udp 1686052607 2001:db8::7 50002 typ srflx raddr :: rport 0";
const LENT = "candidate:4 1 UDP 41885439 203.0.113.9 49170 typ relay raddr 0.0.0.0";
const OVER_TCP = "candidate:5 1 tcp 1518280447 192.168.1.7 9 typ host tcptype active";
const WAYS = ["direct", "udp", "tcp", "tls"];

function expect(finding, outcome, cause, cure = "") {
  assert.equal(finding.outcome, outcome, finding.cause);
  assert.ok(finding.cause.includes(cause), finding.cause);
  assert.ok(finding.cure.includes(cure), finding.cure);
  assert.equal(finding.cure !== "", outcome !== "ok");
  for (const sentence of [finding.cause, finding.cure].filter(Boolean)) {
    assert.match(sentence, /^[^a-z].*\.$/u);
    assert.ok(!/\.\.|,,| {2}|undefined|null|NaN/.test(sentence), sentence);
  }
}

test("a candidate tells its type, its family and whether it hides", () => {
  assert.deepEqual(parseCandidate(HOST),
    { type: "host", protocol: "udp", family: "IPv4", address: "192.168.1.7" });
  assert.equal(parseCandidate(HIDDEN).family, "hidden");
  assert.equal(parseCandidate(SEEN).family, "IPv6");
  assert.equal(parseCandidate(LENT).protocol, "udp");
  for (const line of ["", "mustard", "candidate:1 1 udp 1 192.168.1.7 9"]) {
    assert.equal(parseCandidate(line), null, line);
  }
});

test("what counts is what can carry a picture, once each", () => {
  const candidates = [HOST, HOST, HIDDEN, SEEN, LENT, OVER_TCP].map(parseCandidate);
  assert.deepEqual(familiesByType(candidates),
    { host: ["IPv4", "hidden"], srflx: ["IPv6"], relay: ["IPv4"] });
  assert.deepEqual(familiesByType([parseCandidate(OVER_TCP)]),
    { host: [], srflx: [], relay: [] });
});

test("a browser's addresses are told in words", () => {
  const all = [HOST, HIDDEN, SEEN, LENT].map(parseCandidate);
  const finding = words.candidatesFinding(all, true);
  expect(finding, "ok", "addresses of its own (IPv4, hidden by the browser), as its network");
  expect(finding, "ok", "and lent by the TURN server (IPv4).");
  const without = words.candidatesFinding([parseCandidate(HOST)], true);
  expect(without, "warning", "lends none", "below");
  expect(words.candidatesFinding([parseCandidate(HOST)], false), "ok", "own (IPv4).");
  expect(words.candidatesFinding([], true), "failed", "no address", "WebRTC");
});

test("a page that is not secure is told", () => {
  const address = "http://emporium.example.org";
  expect(words.secureFinding({ isSecure: true, address }), "ok", "give the camera");
  expect(words.secureFinding({ isSecure: false, address }), "failed", address, "https");
});

test("a camera that opens is named, and every failure has a cause and a cure", () => {
  const picture = { label: "Front camera", width: 640, height: 480 };
  expect(words.cameraFinding(picture), "ok", "Front camera gives 640 × 480.");
  expect(words.cameraFinding({ label: "" }), "ok", "The camera works.");
  for (const reason of CAMERA_FAILURES) {
    expect(words.cameraFailure(reason), "failed", "");
  }
});

test("the WebSocket is judged by what comes back, and by what else does", () => {
  const socket = { isOpen: true, roundTripMs: 12.4, busy: "", httpAnswers: true };
  expect(words.socketFinding(socket), "ok", "in 12\u00a0ms");
  expect(words.socketFinding({ ...socket, roundTripMs: 2.34 }), "ok", "in 2.3\u00a0ms");
  expect(words.socketFinding({ ...socket, roundTripMs: null }), "failed", "nothing");
  const closed = { ...socket, isOpen: false, roundTripMs: null };
  expect(words.socketFinding(closed), "failed", "no WebSocket opens", "ALLOWED_HOSTS");
  const away = { ...closed, httpAnswers: false };
  expect(words.socketFinding(away), "failed", "server doesn’t answer", "in a minute");
  const busy = { ...closed, busy: "Others are here." };
  expect(words.socketFinding(busy), "warning", "not examined", "Others are here.");
});

test("a way that leads there says where and how fast", () => {
  const trial = { ending: "ok", roundTripMs: 30.4, place: "203.0.113.9, port 50001" };
  const cause = "met at 203.0.113.9, port 50001; what is sent comes back in 30\u00a0ms.";
  for (const way of WAYS) expect(words.wayFinding(way, trial), "ok", cause);
  expect(words.wayFinding("direct", { ...trial, place: "" }), "ok", "is met; what");
});

test("every way that doesn't says why and what helps", () => {
  const expected = [
    [{ ending: "no_webrtc" }, WAYS, "no WebRTC", "Use a current"],
    [{ ending: "refused", sentence: "No room." }, WAYS, "No room.", "Tell"],
    [{ ending: "no_answer" }, WAYS, "doesn’t answer an offer", "Tell"],
    [{ ending: "no_echo" }, WAYS, "as large as a picture’s", "tunnel"],
    [{ ending: "no_way" }, ["direct"], "No UDP comes through", "NEXUS_UDP_PORTS"],
    [{ ending: "no_way" }, ["udp", "tcp", "tls"], "doesn’t lead", "TURN_PEERS"],
    [{ ending: "no_candidate" }, ["direct"], "no address of its own", "WebRTC"],
    [{ ending: "no_candidate" }, ["udp"], "nothing over UDP", "another network"],
    [{ ending: "no_candidate" }, ["tcp"], "nothing over TCP", "another network"],
    [{ ending: "no_candidate" }, ["tls"], "certificate isn’t trusted", "another"],
    [{ ending: "no_candidate", errorCode: 401 }, ["udp", "tcp", "tls"],
      "refuses this page’s key", "TURN_SECRET"],
  ];
  for (const [trial, ways, cause, cure] of expected) {
    for (const way of ways) {
      expect(words.wayFinding(way, trial), "failed", cause, cure);
      const helped = words.wayFinding(way, trial, true);
      expect(helped, "warning", cause, "Nothing has to be done");
    }
  }
});

test("what wasn't tried says so", () => {
  expect(words.NO_TURN, "not_configured", "no such way", "set it up");
  expect(words.NOT_TRIED, "failed", "without the WebSocket", "See there");
  expect(words.NO_REPORT, "failed", "says nothing of itself", "in a minute");
});

const GOOD = { outcome: "ok", cause: "Good.", cure: "" };
const BAD = { outcome: "failed", cause: "Bad.", cure: "Mend it." };

function verdict(changes) {
  const well = { secure: GOOD, socket: GOOD, ways: { direct: GOOD }, server: [GOOD] };
  return words.verdict({ ...well, ...changes });
}

test("the verdict names what matters most", () => {
  const said = [
    [{}, "ok", "reaches the server directly"],
    [{ ways: { direct: BAD, udp: BAD, tls: GOOD } }, "ok", "through TURN over TLS"],
    [{ ways: { direct: BAD, udp: GOOD, tls: GOOD } }, "ok", "through TURN over UDP"],
    [{ ways: { direct: BAD, udp: BAD } }, "failed", "can’t reach the server"],
    [{ ways: {}, socket: BAD }, "failed", "can’t talk"],
    [{ server: [GOOD, BAD] }, "failed", "something is missing there"],
    [{ secure: BAD, socket: BAD }, "failed", "stays closed"],
  ];
  for (const [changes, outcome, sentence] of said) {
    const found = verdict(changes);
    assert.equal(found.outcome, outcome);
    assert.ok(found.sentence.includes(sentence), found.sentence);
  }
});

test("the report says where, what and what helps", () => {
  const where = { address: "https://emporium.example.org/doctor/", browser: "Mosaic",
    at: new Date(0) };
  const text = reportText(where, "All is lost.", [
    { name: "WebSocket", finding: GOOD },
    { name: "Direct way", finding: BAD },
  ]);
  assert.equal(text, [
    "Connection report of https://emporium.example.org/doctor/, 1970-01-01T00:00:00.000Z",
    "Mosaic", "", "All is lost.", "",
    "Good: WebSocket. Good.",
    "Failed: Direct way. Bad.\n    Mend it.", "",
  ].join("\n"));
});
