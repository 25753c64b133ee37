// Two cameras that are drawn: each shows one bright patch, elsewhere in each shape.
window.cameras = {};
for (const [deviceId, facingMode, width, height] of [
  ["back", "environment", 640, 480], ["front", "user", 480, 480],
]) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  window.cameras[deviceId] = { deviceId, facingMode, canvas };
}

// As shares of the picture: x, y, width, height.
window.patchOf = ({ width, height }) => {
  if (width > height) return [0.125, 0.25, 0.25, 0.125];
  return width < height ? [0.5, 0.625, 0.375, 0.125] : [0.625, 0.125, 0.25, 0.5];
};

setInterval(() => {
  for (const { canvas } of Object.values(window.cameras)) {
    const { width, height } = canvas;
    const context = canvas.getContext("2d");
    context.fillStyle = "#283048";
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#ffffff";
    const [x, y, across, down] = window.patchOf(canvas);
    context.fillRect(x * width, y * height, across * width, down * height);
  }
}, 33);

navigator.mediaDevices.getUserMedia = async ({ video }) => {
  const { deviceId, facingMode, canvas } = window.cameras[video.deviceId?.exact ?? "back"];
  const stream = canvas.captureStream();
  const [track] = stream.getVideoTracks();
  const settings = track.getSettings.bind(track);
  track.getSettings = () => ({ ...settings(), deviceId, facingMode });
  return stream;
};
navigator.mediaDevices.enumerateDevices = async () =>
  Object.keys(window.cameras).map((deviceId) => (
    { kind: "videoinput", deviceId, label: `The ${deviceId} one` }));

// Every box as it is drawn, as a share of the picture that is shown at that moment.
window.drawn = [];
addEventListener("DOMContentLoaded", () => {
  const [overlay, video] = ["overlay", "video"].map((id) => document.getElementById(id));
  const record = () => {
    const picture = overlay.getBoundingClientRect();
    const shown = { width: video.videoWidth, height: video.videoHeight };
    const { rotation = "0" } = video.dataset;
    const isOnItsSide = Number(rotation) % 180 !== 0;
    const [across, down] = isOnItsSide
      ? [picture.height, picture.width] : [picture.width, picture.height];
    // Chromium turned the picture after it was drawn on, before we could look.
    if (Math.abs((across * shown.height) / (down * shown.width) - 1) > 0.05) return;
    const mirrored = video.classList.contains("mirrored");
    for (const { box: [x1, y1, x2, y2] } of JSON.parse(overlay.dataset.boxes)) {
      window.drawn.push({ shown, rotation: Number(rotation), mirrored, box: [
        (x1 - picture.x) / picture.width, (y1 - picture.y) / picture.height,
        (x2 - picture.x) / picture.width, (y2 - picture.y) / picture.height,
      ], patch: window.patchOf(shown) });
    }
  };
  new MutationObserver(record).observe(overlay, { attributeFilter: ["data-boxes"] });
  // What such a picture is left with.
  video.addEventListener("resize", () => requestAnimationFrame(record));
});

// The picture alone, without all that lies over it and may be bright, too.
const bare = new CSSStyleSheet();
bare.replaceSync(`.bare :is(
  #overlay, .strip, .verdict, .controls, .worker, .message) {
  opacity: 0 !important; transition: none !important }`);
document.adoptedStyleSheets = [bare];
