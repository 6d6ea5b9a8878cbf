// What every part of the page writes with. Text goes in as text, never as HTML.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  Object.assign(made, properties);
  made.append(...children);
  return made;
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Replace a table's rows by others; cells that are the same are left alone, so that a selection or a
// screen reader's place in the table stays.
export function setRows(body, rows) {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  rows.forEach((cells, at) => {
    const row = body.rows[at] ?? body.insertRow();
    cells.forEach(({ text, small = "", number = false }, column) => {
      let cell = row.cells[column];
      if (!cell) {
        cell = column ? element("td") : element("th", { scope: "row" });
        cell.className = number ? "number" : "";
        cell.append(element("span"), element("span", { className: "small" }));
        row.append(cell);
      }
      setText(cell.firstChild, text);
      setText(cell.lastChild, small);
    });
  });
}

const whole = new Intl.NumberFormat("en-US");
export const count = (value) => (value === null ? "–" : whole.format(Math.round(value)));
export const minutes = (value) => (value === null ? "–" : `${value.toFixed(1)} min`);
export const dollars = (value) => (value === null ? "–" : `$${value.toFixed(2)}`);

export function milliseconds(value) {
  if (value === null) return "–";
  return value < 10_000 ? `${whole.format(Math.round(value))} ms` : `${whole.format(Math.round(value / 1000))} s`;
}
