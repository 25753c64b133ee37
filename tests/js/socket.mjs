/** A browser's WebSocket, played: what was sent, and what the server says. */
export class Socket {
  static OPEN = 1;
  /** @type {Socket[]} */
  static all = [];
  readyState = Socket.OPEN;
  sent = [];
  constructor() {
    Socket.all.push(this);
  }
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.readyState = 3;
  }
  says(message) {
    this.onmessage({ data: JSON.stringify(message) });
  }
}
