/**
 * Draws the time line of one turn: a figure that folds, with its times in words below.
 *
 * Where everything lies is `waterfall.js`'s business. Before the times are known the figure keeps its place
 * empty, so that nothing jumps when they come.
 */

import { duration, layout, sentence, stages } from "../waterfall.js";
import { make, makeSvg } from "./dom.js";

const WIDTH = 320;
const LEFT = 58; // of the bars; their names stand before it
const ROW = 18;
const TOP = 4;
const FOOT = 18;

export class WaterfallView {
  constructor() {
    this.summary = make("summary", {}, "Where the time goes");
    this.frame = make("div", { class: "frame" });
    this.list = make("dl", { class: "stages" });
    this.root = make("details", { class: "timing" }, this.summary, this.frame, this.list);
    this.root.open = matchMedia("(min-width: 62rem)").matches;
    this.drawn = "";
  }

  /** `times`: null while they are not known. */
  update(times, speech) {
    this.root.hidden = times === null && !speech.expected;
    const key = JSON.stringify([times, speech]);
    if (!times || key === this.drawn) return;
    this.drawn = key;
    const told = stages(times);
    const end = told.at(-1);
    this.summary.replaceChildren(...(end ? [make("b", {}, duration(end.ms)), ` until the ${end.name === "heard here" ? "first sound here" : end.name}`] : []));
    this.frame.replaceChildren(draw(layout(times, speech), sentence(times)));
    this.list.replaceChildren(
      ...told.map(({ name, ms }) => make("div", {}, make("dt", {}, name), make("dd", {}, duration(ms)))),
    );
  }
}

function draw({ lanes, ticks, from, to }, words) {
  const height = TOP + lanes.length * ROW + FOOT;
  const x = (ms) => LEFT + ((ms - from) / (to - from)) * (WIDTH - LEFT);
  const picture = makeSvg("svg", { class: "waterfall", viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": words });
  const shown = ticks.filter((ms) => x(ms) > LEFT + 10 && x(ms) < WIDTH - 16); // whose labels have room
  for (const ms of ticks) {
    const at = x(ms).toFixed(1);
    picture.append(makeSvg("line", { class: ms ? "grid" : "zero", x1: at, x2: at, y1: TOP, y2: TOP + lanes.length * ROW }));
  }
  for (const ms of shown) {
    const label = tick(ms, to - from) + (ms === shown.at(-1) ? unit(to - from) : "");
    picture.append(makeSvg("text", { x: x(ms).toFixed(1), y: height - 5, "text-anchor": "middle" }, label));
  }
  lanes.forEach((lane, row) => {
    const y = TOP + row * ROW;
    picture.append(makeSvg("text", { x: 0, y: y + 12.5 }, lane.name));
    for (const bar of lane.bars) picture.append(shape(bar, x, y));
  });
  return picture;
}

/** A bar; an end that is cut off is open, as a bracket is. */
function shape({ kind, from, to, openLeft, openRight }, x, y) {
  const left = x(from);
  const right = Math.max(left + 1.5, x(to));
  const slant = 5;
  const points = [
    [left + (openLeft ? slant : 0), y + 3],
    [right, y + 3],
    [right - (openRight ? slant : 0), y + ROW - 3],
    [left, y + ROW - 3],
  ];
  return makeSvg("polygon", { class: `bar ${kind}`, points: points.map((point) => point.map((n) => n.toFixed(1)).join(",")).join(" ") });
}

/** Seconds where the line is longer than one, else milliseconds. */
function tick(ms, range) {
  return String(range > 1000 ? ms / 1000 : ms).replace("-", "\u2212");
}

function unit(range) {
  return range > 1000 ? " s" : " ms";
}
