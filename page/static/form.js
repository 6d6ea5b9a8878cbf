// A ride put by hand, and its prediction.

import { byId, dollars, element, milliseconds, minutes } from "./elements.js";

const FIELDS = { pickup: "from", dropoff: "to" };

export class RideForm {
  #map = null;
  #next = "pickup";

  connect(map) {
    this.#map = map;
    byId("zone-names").append(
      ...[...map.names].map(([zone, name]) => element("option", { value: `${zone} ${name}` })),
    );
    for (const [id, kind] of Object.entries(FIELDS)) {
      byId(id).addEventListener("input", () => map.select(kind, String(this.#zone(id))));
    }
    document.querySelector("#put form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#put(event.submitter);
    });
  }

  pick(zone) {
    if (byId("put").hidden) return;
    byId(this.#next).value = `${zone} ${this.#map.names.get(zone)}`;
    this.#map.select(FIELDS[this.#next], zone);
    this.#next = this.#next === "pickup" ? "dropoff" : "pickup";
  }

  // A number, or a name or its beginning; NaN if no zone is meant.
  #zone(id) {
    const text = byId(id).value.trim();
    if (/^\d+/.test(text)) return Number.parseInt(text, 10);
    const wanted = text.toLowerCase();
    const found = text && [...this.#map.names].find(([, name]) => name.toLowerCase().startsWith(wanted));
    return found ? Number(found[0]) : Number.NaN;
  }

  async #put(button) {
    const miles = byId("miles").value.trim();
    const ride = {
      PULocationID: this.#zone("pickup"),
      DOLocationID: this.#zone("dropoff"),
      trip_distance: miles === "" ? 0 : Number(miles),
    };
    const labels = { PULocationID: "From zone", DOLocationID: "To zone", trip_distance: "Miles" };
    const unreadable = Object.keys(ride).find((name) => Number.isNaN(ride[name]));
    if (unreadable) {
      const allowed = unreadable === "trip_distance" ? "a number from 0 to 1000" : "a zone's number from 1 to 265, or its name";
      this.#answer(`${labels[unreadable]} is not readable; allowed: ${allowed}`, true);
      return;
    }
    button.disabled = true;
    this.#answer("Waiting for its prediction", false);
    const began = performance.now();
    try {
      const response = await fetch("/rides", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(ride),
      });
      const found = response.headers.get("Content-Type")?.startsWith("application/json")
        ? await response.json()
        : { error: await response.text() };
      if (response.ok) this.#answer(this.#sentence(found, performance.now() - began), false);
      else this.#answer(found.error, true);
    } catch {
      this.#answer("The page's server does not respond", true);
    } finally {
      button.disabled = false;
    }
  }

  #sentence(found, took) {
    const range = found.low === null ? "" : ` (${found.low.toFixed(1)} to ${found.high.toFixed(1)})`;
    const values = found.text ?? `${minutes(found.duration)}${range}, tip ${dollars(found.tip)}`;
    return `${values}. Round trip: ${milliseconds(took)}`;
  }

  #answer(text, wrong) {
    byId("answer").classList.toggle("wrong", wrong);
    byId("answer").textContent = text;
  }
}
