// @ts-check
/**
 * Wires the doctor's page: examines what can be examined without a question, and the
 * camera when it is asked to. Each part shows its own trouble; none waits for another
 * that it doesn't need.
 *
 * @typedef {import("./socket.js").Way} Way
 * @typedef {import("./words.js").Finding} Finding
 */
import { acquireCamera, CameraError, releaseCamera } from "../session/camera.js";
import { reportText } from "./report.js";
import { DoctorSocket } from "./socket.js";
import { gather, tryWay } from "./trial.js";
import * as view from "./view.js";
import * as words from "./words.js";

/** @type {{websocket_path: string, server_path: string}} */
const config = JSON.parse(view.element("page-config").textContent ?? "{}");
const url = new URL(config.websocket_path, window.location.href);
url.protocol = url.protocol === "https:" ? "wss:" : "ws:";

/** @type {Record<Exclude<Way, "direct">, RegExp>} which addresses of the server's list */
const RELAYS = { udp: /^turn:.*=udp$/, tcp: /^turn:.*=tcp$/, tls: /^turns:/ };

const BROWSER_ROWS = {
  "secure": "Secure page",
  "socket": "WebSocket",
  "candidates": "Addresses of this browser",
  "direct": "Direct way, over UDP",
  "udp": "TURN over UDP",
  "tcp": "TURN over TCP",
  "tls": "TURN over TLS",
};

async function examine() {
  view.element("again").setAttribute("aria-disabled", "true");
  document.body.dataset.examining = "yes";
  view.showVerdict("running", "Examining the way to the server…");
  for (const id of Object.keys(BROWSER_ROWS)) view.showState(id, "running");
  const secure = words.secureFinding({
    isSecure: window.isSecureContext,
    address: window.location.origin,
  });
  view.showFinding("secure", secure);
  const [server, { socket, ways }] = await Promise.all([
    examineServer(),
    examineConnections(),
  ]);
  const { outcome, sentence } = words.verdict({ secure, socket, ways, server });
  view.showVerdict(outcome, sentence);
  view.announce(`Examined. ${sentence}`);
  document.body.dataset.examining = "no";
  view.element("again").removeAttribute("aria-disabled");
}

/** @returns {Promise<Finding[]>} */
async function examineServer() {
  view.clearRows("server");
  view.addRow("server", "server-answer", "Server");
  view.showState("server-answer", "running");
  try {
    const response = await fetch(config.server_path);
    if (!response.ok) throw new Error(String(response.status));
    const { findings, is_staff: isStaff } = await response.json();
    view.clearRows("server");
    document.body.dataset.staff = isStaff ? "yes" : "no";
    for (const [at, { name, ...finding }] of findings.entries()) {
      view.addRow("server", `server-${at}`, name);
      view.showFinding(`server-${at}`, finding);
    }
    return findings;
  } catch {
    const finding = words.NO_REPORT;
    view.showFinding("server-answer", finding);
    return [finding];
  }
}

/** @returns {Promise<{socket: Finding, ways: Partial<Record<Way, Finding>>}>} */
async function examineConnections() {
  const socket = new DoctorSocket(url.href);
  const isOpen = await socket.open();
  const roundTripMs = isOpen ? await socket.ping() : null;
  const finding = words.socketFinding({
    isOpen,
    roundTripMs,
    busy: socket.busy,
    httpAnswers: isOpen || (await httpAnswers()),
  });
  view.showFinding("socket", finding);
  await examineCandidates(socket.iceServers);
  const ways = finding.outcome === "ok" ? await tryAll(socket) : untried();
  socket.close();
  return { socket: finding, ways };
}

async function httpAnswers() {
  try {
    return (await fetch("/healthz")).ok;
  } catch {
    return false;
  }
}

/** @param {RTCIceServer[]} iceServers */
async function examineCandidates(iceServers) {
  if (!("RTCPeerConnection" in window)) {
    view.showFinding("candidates", words.candidatesFinding([], false));
    return;
  }
  const connection = new RTCPeerConnection({ iceServers });
  connection.createDataChannel("doctor");
  const { candidates } = await gather(connection);
  connection.close();
  const hasTurn = iceServers.length > 0;
  view.showFinding("candidates", words.candidatesFinding(candidates, hasTurn));
}

/** @param {DoctorSocket} socket */
async function tryAll(socket) {
  const direct = tryWay({}, (sdp) => socket.offer("direct", sdp));
  const relays = await Promise.all(
    /** @type {Exclude<Way, "direct">[]} */ (Object.keys(RELAYS)).map(async (way) => {
      return [way, await tryRelay(socket, way)];
    }),
  );
  /** @type {Partial<Record<Way, Finding>>} */
  const ways = Object.fromEntries(relays);
  const helped = Object.values(ways).some(({ outcome }) => outcome === "ok");
  ways.direct = words.wayFinding("direct", await direct, helped);
  view.showFinding("direct", ways.direct);
  return ways;
}

/**
 * @param {DoctorSocket} socket
 * @param {Exclude<Way, "direct">} way
 */
async function tryRelay(socket, way) {
  const iceServers = socket.iceServers
    .map((server) => ({
      ...server,
      urls: [server.urls].flat().filter((address) => RELAYS[way].test(address)),
    }))
    .filter(({ urls }) => urls.length > 0);
  /** @type {Finding} */
  let finding = words.NO_TURN;
  if (iceServers.length > 0) {
    const trial = await tryWay(
      { iceServers, iceTransportPolicy: "relay" },
      (sdp) => socket.offer(way, sdp),
    );
    finding = words.wayFinding(way, trial);
  }
  view.showFinding(way, finding);
  return finding;
}

function untried() {
  const ways = /** @type {Way[]} */ (["direct", "udp", "tcp", "tls"]);
  for (const way of ways) view.showFinding(way, words.NOT_TRIED);
  return {};
}

async function examineCamera() {
  view.showState("camera", "running", "Allow the camera when your browser asks.");
  try {
    const camera = await acquireCamera();
    const { width, height } = camera.track.getSettings();
    const { label } = camera.track;
    releaseCamera(camera);
    view.showFinding("camera", words.cameraFinding({ label, width, height }));
  } catch (error) {
    if (!(error instanceof CameraError)) throw error;
    view.showFinding("camera", words.cameraFailure(error.reason));
  }
}

async function copyReport() {
  const where = {
    address: window.location.href,
    browser: navigator.userAgent,
    at: new Date(),
  };
  const verdict = view.element("verdict-words").textContent ?? "";
  const text = reportText(where, verdict, view.findings());
  try {
    await navigator.clipboard.writeText(text);
    view.announce("The report is copied.");
    view.element("copied").textContent = "Copied.";
  } catch {
    // No clipboard on a page that isn't secure: the visitor copies it.
    /** @type {HTMLTextAreaElement} */
    const field = view.element("report");
    field.value = text;
    field.hidden = false;
    field.select();
    view.element("copied").textContent = "Copy it from here:";
  }
}

for (const [id, name] of Object.entries(BROWSER_ROWS)) view.addRow("browser", id, name);
view.addRow("camera-list", "camera", "Camera");
view.showState("camera", "waiting", "Your browser asks you whether this page may use it.");
view.element("again").addEventListener("click", () => {
  if (document.body.dataset.examining === "no") examine();
});
view.element("try-camera").addEventListener("click", examineCamera);
view.element("copy").addEventListener("click", copyReport);
examine();
