// The camera of a browser that is measured: its picture tells, in milliseconds, when it
// was drawn, as `apps/inference/starter/marker.py` writes and reads a number. Runs in the
// page before its own scripts, which get it from `getUserMedia`.
(() => {
  const WIDTH = 640;
  const HEIGHT = 480;
  const STRIP = 20;
  const BITS = 12;
  const FRAME_MS = 1000 / 30;

  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });

  /** @param {number} value @param {number} places */
  const bitsOf = (value, places) =>
    [...value.toString(2).padStart(places, "0")].map(Number);

  const draw = () => {
    const now = Date.now();
    context.fillStyle = "#345";
    context.fillRect(0, 0, WIDTH, HEIGHT);
    context.fillStyle = "#db7";
    context.fillRect((now / 4) % WIDTH, HEIGHT / 3, WIDTH / 8, HEIGHT / 4);
    const time = bitsOf(now % 2 ** BITS, BITS);
    const ones = time.reduce((sum, bit) => sum + bit, 0) % 4;
    const cells = [1, 0, ...time, ...bitsOf(ones, 2)];
    cells.forEach((bit, index) => {
      context.fillStyle = bit ? "#fff" : "#000";
      const left = (index * WIDTH) / cells.length;
      context.fillRect(left, HEIGHT - STRIP, WIDTH / cells.length, STRIP);
    });
  };

  let drawnAt = 0;
  /** @param {number} at */
  const drawInTime = (at) => {
    requestAnimationFrame(drawInTime);
    // Half of a screen's frame early is nearer than one and a half late.
    if (at - drawnAt < FRAME_MS - 8) return;
    drawnAt = at;
    draw();
  };

  navigator.mediaDevices.getUserMedia = async () => {
    requestAnimationFrame(drawInTime);
    return canvas.captureStream();
  };
})();
