// Run before the session page: whatever it connects to, it connects through the bench's
// wire, for which `throughWire` writes the answer, and the server learns no other way.
window.connections = [];
const { setRemoteDescription } = RTCPeerConnection.prototype;
RTCPeerConnection.prototype.setRemoteDescription = async function (answer) {
  window.connections.push(this);
  const sdp = await window.throughWire(answer.sdp);
  return setRemoteDescription.call(this, { type: "answer", sdp });
};
const { send } = WebSocket.prototype;
WebSocket.prototype.send = function (text) {
  const message = JSON.parse(text);
  if (message.type === "candidate" && message.candidate) return;
  if (message.type === "offer") {
    message.sdp = message.sdp.replaceAll(/^a=candidate:.*\r\n/gm, "");
  }
  send.call(this, JSON.stringify(message));
};
window.framesSent = async () => {
  const stats = await window.connections.at(-1).getStats();
  const sent = [...stats.values()].filter(({ type }) => type === "outbound-rtp");
  return sent.reduce((sum, { framesSent }) => sum + framesSent, 0);
};
