"use strict";
// What was found, by op: as the table of the page, and as the report that `onebit verify` writes.
{
  // JSON has no infinity and no NaN: they are written as `onebit` reads them.
  const number = (x) => (Number.isFinite(x) ? x : String(x).replace("Infinity", "inf"));

  class Report {
    #rows = new Map();
    #manifest;
    #changed = new Set();
    /** Checks that were compared or failed. */
    done = 0;

    constructor(manifest) {
      this.#manifest = manifest;
      for (const { op, case: name, why } of manifest.leftOut) this.#row(op).unsupported.push({ case: name, why });
    }

    #row(op) {
      let row = this.#rows.get(op);
      if (!row) {
        row = { cases: new Set(), outputs: 0, ties: 0, worst: undefined, failures: [], unsupported: [] };
        this.#rows.set(op, row);
      }
      this.#changed.add(op);
      return row;
    }

    /** Counts a check with the worst element of each of its outputs. */
    push(check, found) {
      const row = this.#row(check.op);
      row.cases.add(check.case);
      this.done++;
      for (const { ties, error, ...worst } of found) {
        const fraction = error ? Infinity : worst.fraction;
        const record = this.#record(check, { ...worst, fraction }, error);
        row.outputs++;
        row.ties += ties;
        if (fraction > 1) row.failures.push(record);
        if (!(row.worst?.fraction >= fraction)) row.worst = record;
      }
    }

    /** Counts a check that ended with an error. */
    fail(check, message) {
      const row = this.#row(check.op);
      row.cases.add(check.case);
      this.done++;
      row.worst = this.#record(check, { fraction: Infinity, at: 0, got: 0, expected: 0 }, message);
      row.failures.push(row.worst);
    }

    #record(check, worst, error) {
      return { case: check.case, kernels: check.kernels, step: check.step, ...worst, error };
    }

    get failures() {
      return [...this.#rows.values()].reduce((n, row) => n + row.failures.length, 0);
    }

    /** The report as `onebit verify --json` writes it. */
    toJSON(device) {
      const written = (r) => r && { ...r, fraction: number(r.fraction), got: number(r.got), expected: number(r.expected) };
      const ops = {};
      for (const [op, row] of [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1))) {
        ops[op] = {
          ...row,
          cases: row.cases.size,
          worst: written(row.worst),
          failures: row.failures.map(written),
        };
      }
      const { version, seed } = this.#manifest;
      return { version, seed, devices: [{ device, ops }] };
    }

    /** Brings the rows of the table up to date. */
    show(body) {
      for (const op of this.#changed) {
        const id = `op-${op}`;
        const row = this.#rows.get(op);
        const old = document.getElementById(id);
        const now = rowElement(id, op, row);
        if (old) old.replaceWith(now);
        else body.insertBefore(now, [...body.children].find((e) => e.id > id) ?? null);
      }
      this.#changed.clear();
    }
  }

  const element = (name, className, ...children) => {
    const e = document.createElement(name);
    if (className) e.className = className;
    e.append(...children);
    return e;
  };

  const rowElement = (id, op, row) => {
    const [word, className] =
      row.failures.length > 0 ? ["wrong", "bad"] : row.outputs > 0 ? ["right", "good"] : ["not run", "other"];
    const tr = element("tr", "", Object.assign(element("th", "", op), { scope: "row" }));
    tr.id = id;
    const worst = row.worst;
    const where = worst ? `${worst.case}; ${worst.step}; ${worst.kernels}` : "";
    const cell = element("td", "", where);
    list(cell, "bad", `${row.failures.length} wrong`, row.failures.map(sentence));
    list(cell, "other", `${row.unsupported.length} left out`, row.unsupported.map((u) => `${u.case}: ${u.why}`));
    tr.append(
      element("td", className, word),
      ...[row.cases.size, row.outputs, row.ties].map((n) => element("td", "number", String(n))),
      element("td", "number", worst ? short(worst.fraction) : ""),
      cell,
    );
    return tr;
  };

  const list = (cell, className, summary, lines) => {
    if (lines.length === 0) return;
    const details = element("details", className, element("summary", "", summary));
    details.append(element("ul", "", ...lines.map((l) => element("li", "", l))));
    cell.append(details);
  };

  const sentence = (r) =>
    `${r.case}; ${r.step}; ${r.kernels}: ` +
    (r.error ?? `element ${r.at} is ${r.got}, expected ${r.expected}, ${short(r.fraction)} of the bound`);

  const short = (x) => (x === Infinity ? "∞" : x === 0 ? "0" : x.toPrecision(2));

  onebit.Report = Report;
}
