"use strict";
// Loads data files one after the other, runs their checks, and shows or sends what came out.
{
  /** Checks under way at once: while one is read back, others compile and run. */
  const AT_ONCE = 8;
  /** A device that was lost is opened again, but not for ever. */
  const MOST_LOST = 5;

  const at = (id) => document.getElementById(id);

  // Served by `onebit verify --browser`, which wants the report; else the page was opened by hand.
  const sends = new URLSearchParams(location.search).has("report");
  const send = (path, value) => fetch(path, { method: "POST", body: JSON.stringify(value) });

  /** A script of the folder, which calls `onebit[hook]` with its content. */
  const load = (file, hook) =>
    new Promise((resolve, reject) => {
      const script = document.createElement("script");
      let content;
      onebit[hook] = (c) => (content = c);
      const fail = () => reject(new Error(`${file} cannot be loaded: is the folder complete?`));
      script.onerror = fail;
      script.onload = () => {
        script.remove();
        delete onebit[hook];
        content === undefined ? fail() : resolve(content);
      };
      script.src = file;
      document.head.append(script);
    });

  /** Runs checks on one device after the other. */
  class Runner {
    #opening;
    #lost = 0;

    device() {
      if (this.#lost === MOST_LOST) throw new Error(`the device was lost ${MOST_LOST} times`);
      return (this.#opening ??= onebit.Device.open());
    }

    /** Ends with the device, and with all kernels that it keeps. */
    async close() {
      const opening = this.#opening;
      this.#opening = undefined;
      (await opening)?.destroy();
    }

    async check(check, file, report) {
      let opening;
      try {
        opening = this.device();
        const device = await opening;
        if (check.compile) {
          await device.compile(check.compile.map((t) => file.texts[t]));
          report.push(check, []);
          return;
        }
        const expected = check.outputs.map((o) => ({ want: file.arrays[o.want], bound: file.arrays[o.bound] }));
        const wanted = check.outputs.map((o, i) => onebit.wordsOf(o, expected[i].want.length));
        const made = await device.run(check, file.texts, file.arrays, wanted);
        report.push(check, check.outputs.map((o, i) => onebit.compare(o, made[i], expected[i].want, expected[i].bound)));
      } catch (e) {
        report.fail(check, e.message);
        if (e instanceof onebit.DeviceGone && opening === this.#opening) {
          this.#lost++;
          await this.close();
        }
      }
    }
  }

  const browserName = () => {
    const found = ["Firefox", "Edg", "OPR", "HeadlessChrome", "Chrome", "Version"]
      .map((name) => navigator.userAgent.match(new RegExp(`${name}/\\d+`)))
      .find(Boolean);
    return found ? found[0].replace("/", " ").replace("Version", "Safari") : navigator.userAgent;
  };

  const main = async () => {
    const manifest = await load("manifest.js", "manifest");
    const report = new onebit.Report(manifest);
    const runner = new Runner();
    const adapter = (await runner.device()).name;
    const name = `browser: ${browserName()} / ${adapter}`;
    for (const [term, text] of [
      ["content", manifest.title],
      ["browser", browserName()],
      ["adapter", adapter],
      ["onebit", manifest.version],
    ]) {
      at("facts").append(
        Object.assign(document.createElement("dt"), { textContent: term }),
        Object.assign(document.createElement("dd"), { textContent: text }),
      );
    }
    const started = performance.now();
    const show = () => {
      report.show(at("rows"));
      at("progress").max = manifest.checks;
      at("progress").value = report.done;
      const seconds = ((performance.now() - started) / 1000).toFixed(0);
      const wrong = report.failures === 0 ? "none wrong" : `${report.failures} wrong`;
      at("state").textContent = `${report.done} of ${manifest.checks} steps, ${wrong}, ${seconds} s`;
      at("state").className = report.failures > 0 ? "bad" : report.done === manifest.checks ? "good" : "";
      if (sends) send("progress", { done: report.done, total: manifest.checks });
    };
    show();
    const timer = setInterval(show, 300);

    for (const { name: fileName } of manifest.files) {
      const file = await load(fileName, "data");
      file.arrays = file.arrays.map(onebit.unpack);
      const rest = file.checks.values();
      const worker = async () => {
        for (const check of rest) await runner.check(check, file, report);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      await runner.close();
    }

    clearInterval(timer);
    show();
    const result = report.toJSON(name);
    if (sends) await send("report", { done: report.done, total: manifest.checks, report: result });
    at("save").disabled = false;
    at("save").onclick = () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([JSON.stringify(result, null, 2)], { type: "application/json" }));
      link.download = "onebit-browser.json";
      link.click();
      URL.revokeObjectURL(link.href);
    };
  };

  main().catch((e) => {
    at("state").textContent = e.message;
    at("state").className = "bad";
    if (sends) send("failed", { message: e.message });
  });
}
