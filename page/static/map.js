// The map of the taxi zones, its legend, and the same values as a table.

import { byId, count, dollars, element, minutes, setRows } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const LEVELS = 6;
const METRICS = [
  { format: (value) => `${value} min`, bounds: () => [5, 10, 15, 20, 30] },
  { format: (value) => `$${value}`, bounds: () => [1, 2, 3, 4, 6] },
  { format: (value) => `${value}`, bounds: logarithmic },
];

// Rides differ by orders of magnitude from zone to zone, and with the rate.
function logarithmic(values) {
  const most = Math.max(2, ...values);
  const bounds = Array.from({ length: LEVELS - 1 }, (_, at) => Math.ceil(most ** ((at + 1) / LEVELS)));
  return bounds.map((bound, at) => Math.max(bound, at + 2));
}

export class ZoneMap {
  #paths = new Map();
  #titles = new Map();
  #values = new Map();
  #metric = 0;
  #legend = "";

  constructor(picked) {
    byId("metric").addEventListener("change", (event) => {
      this.#metric = Number(event.target.value);
      this.draw();
    });
    byId("map").addEventListener("click", (event) => {
      const zone = event.target.dataset?.zone;
      if (zone) picked(zone);
    });
    byId("zones").addEventListener("toggle", () => this.#table());
    this.names = new Map();
    this.paused = false;
  }

  async load() {
    const response = await fetch("/static/zones.json");
    const { viewBox, zones } = await response.json();
    const svg = byId("map");
    svg.setAttribute("viewBox", viewBox);
    for (const [zone, [borough, name, shape]] of Object.entries(zones)) {
      this.names.set(zone, name === borough || !borough ? name : `${name}, ${borough}`);
      if (!shape) continue;
      const path = document.createElementNS(SVG, "path");
      const title = document.createElementNS(SVG, "title");
      path.setAttribute("d", shape);
      path.setAttribute("class", "zone");
      path.dataset.zone = zone;
      path.append(title);
      path.addEventListener("pointerenter", () => this.#name(zone));
      svg.append(path);
      this.#paths.set(zone, path);
      this.#titles.set(zone, title);
    }
    this.draw();
  }

  set(zone, values) {
    if (values) this.#values.set(zone, values);
    else this.#values.delete(zone);
  }

  clear() {
    this.#values.clear();
  }

  select(kind, zone) {
    for (const path of this.#paths.values()) path.classList.remove(kind);
    this.#paths.get(zone)?.classList.add(kind);
  }

  draw() {
    const { bounds, format } = METRICS[this.#metric];
    const known = [...this.#values.values()].map((values) => values[this.#metric]);
    const limits = bounds(known.filter((value) => value !== null));
    for (const [zone, path] of this.#paths) {
      const value = this.#values.get(zone)?.[this.#metric] ?? null;
      const level = value === null ? null : limits.filter((limit) => value >= limit).length;
      for (let at = 0; at < LEVELS; at += 1) path.classList.toggle(`level-${at}`, at === level);
    }
    this.#draw_legend(limits.map(format));
    this.#table();
  }

  #draw_legend(limits) {
    const texts = [
      `below ${limits[0]}`,
      ...limits.slice(1).map((limit, at) => `${limits[at]} to ${limit}`),
      `${limits.at(-1)} and more`,
    ];
    if (texts.join() === this.#legend) return;
    this.#legend = texts.join();
    byId("legend").replaceChildren(
      ...texts.map((text, at) => element("span", {}, element("i", { className: `level-${at}` }), text)),
      element("span", {}, element("i", { className: "none" }), "no rides"),
    );
  }

  #name(zone) {
    const [duration, tip, rides] = this.#values.get(zone) ?? [null, null, 0];
    const figures = rides ? `: ${minutes(duration)}, ${dollars(tip)}, rides: ${count(rides)}` : ": no rides";
    this.#titles.get(zone).textContent = `${zone} ${this.names.get(zone)}${figures}`;
  }

  #table() {
    const details = byId("zones");
    if (!details.open || this.paused) return;
    const rows = [...this.#values].sort(([, a], [, b]) => b[2] - a[2]);
    setRows(details.querySelector("tbody"), rows.map(([zone, [duration, tip, rides]]) => [
      { text: `${zone} ${this.names.get(zone) ?? ""}` },
      { text: minutes(duration), number: true },
      { text: dollars(tip), number: true },
      { text: count(rides), number: true },
    ]));
  }
}
