"use strict";
// This browser's WebGPU: kernels, and the replay of a step.
{
  // What buffers hold before inputs are written: no kernel may rely on zeros, and what it does not write shows. It is
  // a NaN, a large integer, and a mixture of bits.
  const POISON = 0x7fc5ea15;

  // Slots of the buffer of scalars.
  const SCALARS = 256;

  /** How long one step may take, in milliseconds, before the device is given up. */
  const PATIENCE = 120_000;

  /** An error after which the device is of no use. */
  class DeviceGone extends Error {}

  class Device {
    #device;
    #gone;
    // Kernels by text, then by constants: a text is compiled once.
    #modules = new Map();

    /** The adapter for people. */
    name;

    constructor(device, name) {
      this.#device = device;
      this.name = name;
      this.#gone = device.lost.then((lost) => {
        throw new DeviceGone(`the device was lost while this and other steps ran: ${lost.message || lost.reason}`);
      });
      this.#gone.catch(() => {});
    }

    static async open() {
      if (!navigator.gpu) {
        throw new Error(
          "this browser has no WebGPU: take a newer one, or switch it on (chrome://flags, enable-unsafe-webgpu)",
        );
      }
      const adapter =
        (await navigator.gpu.requestAdapter({ powerPreference: "high-performance" })) ??
        (await navigator.gpu.requestAdapter({ forceFallbackAdapter: true }));
      if (!adapter) throw new Error("this browser found no WebGPU adapter: its graphics driver may be blocked or missing");
      const { vendor, architecture, device, description } = adapter.info;
      const name = [vendor, architecture, device, description].filter(Boolean).join(" ") || "an adapter without a name";
      return new Device(await adapter.requestDevice(), name);
    }

    destroy() {
      this.#device.destroy();
    }

    /** Does what a check says; the words of its outputs. */
    run(check, texts, arrays, wanted) {
      return this.#watched(this.#replay(check, texts, arrays, wanted));
    }

    /** Sees that this browser takes texts as shaders. */
    compile(texts) {
      return this.#watched(Promise.all(texts.map((t) => this.#module(t))));
    }

    async #watched(work) {
      let timer;
      const late = new Promise((_, reject) => {
        const message = `not done after ${PATIENCE / 1000} s`;
        timer = setTimeout(() => reject(new DeviceGone(message)), PATIENCE);
      });
      try {
        return await Promise.race([work, this.#gone, late]);
      } finally {
        clearTimeout(timer);
      }
    }

    async #replay(check, texts, arrays, wanted) {
      const pipelines = await Promise.all(
        check.commands.map((c) => (c.copy ? undefined : this.#pipeline(c, texts[c.text]))),
      );
      const owned = [];
      let staging, thrown;
      // Scopes are a stack of the whole device: nothing may be awaited between push and pop.
      this.#device.pushErrorScope("out-of-memory");
      this.#device.pushErrorScope("validation");
      try {
        staging = this.#submit(check, pipelines, arrays, wanted, owned);
      } catch (e) {
        thrown = e;
      }
      const scopes = [this.#device.popErrorScope(), this.#device.popErrorScope()];
      try {
        const error = (await Promise.all(scopes)).find(Boolean) ?? thrown;
        if (error) throw new Error(error.message);
        await staging.mapAsync(GPUMapMode.READ);
        const words = new Uint32Array(staging.getMappedRange().slice());
        let at = 0;
        return wanted.map((n) => words.subarray(at, (at += n)));
      } finally {
        owned.forEach((b) => b.destroy());
      }
    }

    /** Starts the work of a check; the buffer that its outputs are copied to. Every buffer goes into `owned`. */
    #submit(check, pipelines, arrays, wanted, owned) {
      const { STORAGE, UNIFORM, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
      const own = (words, usage, fill) => {
        const buffer = this.#device.createBuffer({ size: 4 * words, usage, mappedAtCreation: fill !== undefined });
        owned.push(buffer);
        if (fill) {
          fill(new Uint32Array(buffer.getMappedRange()));
          buffer.unmap();
        }
        return buffer;
      };
      const buffers = check.buffers.map((words, b) =>
        own(words, STORAGE | COPY_SRC | COPY_DST, (content) => {
          content.fill(POISON);
          for (const input of check.inputs) if (input.buffer === b) content.set(arrays[input.words]);
        }),
      );
      const scalars =
        check.scalars === null ? undefined : own(SCALARS, UNIFORM, (content) => content.set(arrays[check.scalars]));
      const encoder = this.#device.createCommandEncoder();
      this.#encode(encoder, check, pipelines, buffers, scalars);
      const staging = own(Math.max(1, sum(wanted)), COPY_DST | MAP_READ);
      let at = 0;
      check.outputs.forEach((output, i) => {
        encoder.copyBufferToBuffer(buffers[output.buffer], 0, staging, at, 4 * wanted[i]);
        at += 4 * wanted[i];
      });
      this.#device.queue.submit([encoder.finish()]);
      return staging;
    }

    #encode(encoder, check, pipelines, buffers, scalars) {
      let pass;
      check.commands.forEach((c, i) => {
        if (c.copy) {
          pass?.end();
          pass = undefined;
          const [from, to] = c.copy.map((b) => buffers[b]);
          encoder.copyBufferToBuffer(from, 0, to, 0, to.size);
          return;
        }
        pass ??= encoder.beginComputePass();
        pass.setPipeline(pipelines[i]);
        const entry = (buffer, binding) => ({ binding, resource: { buffer } });
        const group = (index, bound) => {
          const layout = pipelines[i].getBindGroupLayout(index);
          pass.setBindGroup(index, this.#device.createBindGroup({ layout, entries: bound.map(entry) }));
        };
        group(0, c.buffers.map((b) => buffers[b]));
        if (c.scalars) group(1, [scalars]);
        pass.dispatchWorkgroups(...c.workgroups);
      });
      pass?.end();
    }

    #pipeline(command, text) {
      let known = this.#modules.get(text);
      if (!known) {
        known = { module: this.#module(text), pipelines: new Map() };
        this.#modules.set(text, known);
      }
      const key = JSON.stringify(command.constants);
      let pipeline = known.pipelines.get(key);
      if (!pipeline) {
        pipeline = this.#compile(command, known.module);
        known.pipelines.set(key, pipeline);
      }
      return pipeline;
    }

    async #module(text) {
      this.#device.pushErrorScope("validation");
      const module = this.#device.createShaderModule({ code: text });
      const scope = this.#device.popErrorScope();
      const info = await module.getCompilationInfo();
      const wrong = info.messages.filter((m) => m.type === "error");
      const line = (n) => (text.split("\n")[n - 1] ?? "").trim();
      if (wrong.length > 0) {
        throw new Error(wrong.map((m) => `line ${m.lineNum} \`${line(m.lineNum)}\`: ${m.message}`).join("; "));
      }
      const error = await scope;
      if (error) throw new Error(error.message);
      return module;
    }

    async #compile(command, module) {
      try {
        return await this.#device.createComputePipelineAsync({
          layout: "auto",
          compute: { module: await module, entryPoint: "main", constants: command.constants },
        });
      } catch (e) {
        throw new Error(`${command.name} does not compile: ${e.message}`);
      }
    }
  }

  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

  onebit.Device = Device;
  onebit.DeviceGone = DeviceGone;
}
