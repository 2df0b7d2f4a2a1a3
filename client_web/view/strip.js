/**
 * The last seconds of the microphone, a bar for each packet; where the server heard speech they are coloured.
 *
 * `bars` is pure. The server's marks are on its clock of the sound, which is the page's own count of what it sent:
 * so the colour says exactly which packets the server means, however late it says so.
 */

const BAR = 3; // px, its gap included

/** [{height: 0..1, spoken}] for so many of the newest levels, oldest first. */
export function bars(levels, marks, count) {
  return levels.slice(-count).map(({ level, ms }) => ({
    height: level,
    spoken: ms !== null && marks.some((mark) => mark.startMs <= ms && (mark.endMs === null || ms < mark.endMs)),
  }));
}

export class Strip {
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = canvas.getContext("2d");
  }

  draw(levels, marks) {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * scale)) this.canvas.width = Math.round(width * scale);
    if (this.canvas.height !== Math.round(height * scale)) this.canvas.height = Math.round(height * scale);
    this.pen.setTransform(scale, 0, 0, scale, 0, 0);
    this.pen.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.canvas);
    const [accent, quiet] = [style.color, style.getPropertyValue("--quiet")];
    const shown = bars(levels, marks, Math.floor(width / BAR));
    shown.forEach(({ height: loud, spoken }, at) => {
      const tall = Math.max(1.5, loud * height);
      this.pen.fillStyle = spoken ? accent : quiet;
      this.pen.globalAlpha = spoken ? 1 : 0.55;
      this.pen.fillRect(width - (shown.length - at) * BAR, (height - tall) / 2, BAR - 1, tall);
    });
    this.pen.globalAlpha = 1;
  }
}
