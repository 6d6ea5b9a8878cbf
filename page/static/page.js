// Follows the server's events and shows them.

import { byId, count, dollars, element, milliseconds, minutes, setRows, setText } from "./elements.js";
import { RideForm } from "./form.js";
import { ZoneMap } from "./map.js";

const STALE_MILLISECONDS = 3_000;
const RECONNECT_MILLISECONDS = 2_000;
const REASONS = 4;
const FIGURES = {
  in_per_second: ["rides in per second", count],
  out_per_second: ["predictions out per second", count],
  rides_in: ["rides in", count],
  predictions_out: ["predictions out", count],
  p50: ["put to readable, p50", milliseconds],
  p99: ["put to readable, p99", milliseconds],
  iterator_age: ["iterator age", milliseconds],
  outstanding: ["outstanding", count],
  dead_lettered: ["dead letters", count],
  duplicates: ["duplicates removed", count],
  ended: ["rides ended", count],
};
const OPTIONAL = new Set(["ended", "outstanding"]);

const form = new RideForm();
const map = new ZoneMap((zone) => form.pick(zone));
let epoch = null;
let heard = performance.now();
let live = false;
let paused = false;

const figures = Object.fromEntries(
  Object.entries(FIGURES).map(([name, [label]]) => {
    const value = element("dd", {}, "–");
    byId("figures").append(element("div", { id: `figure-${name}` }, element("dt", {}, label), value));
    return [name, value];
  }),
);

function showFigures(values) {
  for (const [name, [, format]] of Object.entries(FIGURES)) {
    setText(figures[name], values ? format(values[name]) : "–");
    byId(`figure-${name}`).hidden = OPTIONAL.has(name) && !values?.[name];
  }
  const areRead = values?.dead_lettered !== null;
  setText(byId("no-letters"), areRead ? "None." : "Not read: DEAD_LETTERS= of make page names their place.");
}

function route(zones) {
  if (!zones) return "–";
  return zones.map((zone) => map.names.get(String(zone))?.replace(/,[^,]*$/, "") ?? `zone ${zone}`).join(" → ");
}

function showRecent(predictions) {
  if (paused) return;
  const body = byId("recent").tBodies[0];
  setRows(body, predictions.map((each) => [
    { text: each.ride },
    { text: each.text ?? route(each.route) },
    { text: minutes(each.duration), number: true },
    { text: each.low === null ? "–" : `${each.low.toFixed(1)} to ${each.high.toFixed(1)}`, number: true },
    { text: dollars(each.tip), number: true },
    { text: milliseconds(each.milliseconds), number: true },
  ]));
  // When it happened, for whoever measures how long it took to be shown: benchmarks/page_latency.py.
  predictions.forEach((each, at) => {
    body.rows[at].dataset.arrived = each.arrived ?? "";
    body.rows[at].dataset.read = each.read;
  });
}

function error(found, format) {
  if (!found) return { text: "–", number: true };
  const sign = found.bias > 0 ? "+" : "−";
  return { text: format(found.absolute), small: `bias ${sign}${format(Math.abs(found.bias))}`, number: true };
}

function showVersions(versions) {
  setRows(byId("versions").tBodies[0], versions.map((each) => [
    {
      text: `${each.champion ? "champion" : "challenger"} ${each.version.slice(0, 12)}`,
      small: `${each.model} on ${each.stream}`,
    },
    { text: `${(100 * each.share).toFixed(0)} %`, small: count(each.count), number: true },
    { text: count((each.duration ?? each.tip)?.rides ?? 0), number: true },
    error(each.duration, minutes),
    error(each.tip, dollars),
  ]));
}

function showDeadLetters({ reasons, last }) {
  const more = reasons.slice(REASONS).reduce((sum, [, number]) => sum + number, 0);
  byId("reasons").replaceChildren(
    ...reasons.slice(0, REASONS).map(([reason, number]) => element("li", {}, `${reason}: ${count(number)}`)),
    ...(more ? [element("li", {}, `other reasons: ${count(more)}`)] : []),
  );
  byId("letters").hidden = last.length === 0;
  byId("no-letters").hidden = last.length > 0;
  setRows(byId("letters").tBodies[0], last.map((each) => [
    { text: each.arrived.slice(11, 19), small: "UTC" },
    { text: each.preview, small: each.event_id ?? "" },
  ]));
}

function showAbout(about) {
  setText(byId("about"), `${about.input_stream} → ${about.output_streams.join(", ")} at ${about.endpoint}`);
  byId("put").hidden = !about.can_put;
  byId("failure").hidden = about.failure === null;
  setText(byId("failure"), about.failure ?? "");
}

const SHOW = {
  about: showAbout,
  dead_letters: showDeadLetters,
  figures: showFigures,
  recent: showRecent,
  versions: showVersions,
};

function receive(event) {
  const [server] = event.lastEventId.split("-");
  let isMapNew = server !== epoch;
  if (isMapNew) map.clear(); // another server's state has nothing to do with the last one's
  epoch = server;
  heard = performance.now();
  showState();
  for (const [name, value] of Object.entries(JSON.parse(event.data))) {
    if (name.startsWith("zone.")) {
      map.set(name.slice(5), value);
      isMapNew = true;
    } else {
      SHOW[name]?.(value);
    }
  }
  if (isMapNew) map.draw();
}

function showState() {
  const silent = performance.now() - heard;
  live = silent < STALE_MILLISECONDS && epoch !== null;
  document.body.className = live ? "live" : "stale";
  setText(byId("status"), live ? "Live" : epoch === null ? "Connecting" : "Stale, reconnecting");
  setText(byId("since"), live ? "" : `for ${Math.floor(silent / 1000)} s`);
}

function connect() {
  const source = new EventSource("/events");
  source.addEventListener("message", receive);
  source.addEventListener("error", () => {
    // It connects again by itself, with the last event's id; not after an answer like 503.
    if (source.readyState === EventSource.CLOSED) setTimeout(connect, RECONNECT_MILLISECONDS);
  });
}

byId("pause").addEventListener("click", ({ currentTarget: button }) => {
  paused = !paused;
  map.paused = paused;
  button.setAttribute("aria-pressed", String(paused));
});

setInterval(showState, 500);
await map.load();
form.connect(map);
connect();
