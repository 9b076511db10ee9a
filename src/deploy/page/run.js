"use strict";
// The one global of this page. model.js hands the model to it.
const onebit = {};

/** A packed model on this browser's WebGPU: buffers and pipelines are made once, an image runs through all commands. */
onebit.Runner = class {
  static async open(model) {
    if (!navigator.gpu) {
      throw new Error("this browser has no WebGPU: take a newer one, or switch it on (chrome://flags, enable-unsafe-webgpu)");
    }
    const adapter =
      (await navigator.gpu.requestAdapter({ powerPreference: "high-performance" })) ??
      (await navigator.gpu.requestAdapter({ forceFallbackAdapter: true }));
    if (!adapter) throw new Error("this browser found no WebGPU adapter: its graphics driver may be blocked or missing");
    const device = await adapter.requestDevice();
    const runner = new onebit.Runner();
    Object.assign(runner, { model, device, busy: Promise.resolve() });
    const { vendor, architecture, description } = adapter.info;
    runner.name = [vendor, architecture, description].filter(Boolean).join(" ") || "an adapter without a name";
    await runner.prepare();
    return runner;
  }

  async prepare() {
    const { model, device } = this;
    const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const buffers = model.buffers.map((words) =>
      device.createBuffer({ size: 4 * Math.max(1, words), usage: STORAGE | COPY_SRC | COPY_DST }),
    );
    for (const [place, text] of model.constants) {
      const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
      device.queue.writeBuffer(buffers[place], 0, bytes);
    }
    const modules = model.texts.map((code) => device.createShaderModule({ code }));
    const pipelines = new Map();
    const pipeline = (command) => {
      const key = JSON.stringify([command.text, command.constants]);
      if (!pipelines.has(key)) {
        const compute = { module: modules[command.text], entryPoint: "main", constants: command.constants };
        pipelines.set(key, device.createComputePipelineAsync({ layout: "auto", compute }));
      }
      return pipelines.get(key);
    };
    this.commands = await Promise.all(
      model.commands.map(async (command) => {
        if (command.copy) return { copy: command.copy.map((b) => buffers[b]) };
        const made = await pipeline(command);
        const entries = command.buffers.map((b, binding) => ({ binding, resource: { buffer: buffers[b] } }));
        const group = device.createBindGroup({ layout: made.getBindGroupLayout(0), entries });
        return { pipeline: made, group, workgroups: command.workgroups };
      }),
    );
    this.image = buffers[model.image];
    this.logits = buffers[model.logits];
    this.staging = device.createBuffer({ size: 4 * model.outputs, usage: COPY_DST | MAP_READ });
  }

  /** The outputs for an image: bytes in the order of rows, columns and channels. */
  run(bytes) {
    // One image at a time: they share their buffers.
    const made = this.busy.then(() => this.#run(bytes));
    this.busy = made.catch(() => {});
    return made;
  }

  async #run(bytes) {
    const { device, model } = this;
    const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    padded.set(bytes);
    device.queue.writeBuffer(this.image, 0, padded);
    const encoder = device.createCommandEncoder();
    let pass;
    for (const command of this.commands) {
      if (command.copy) {
        pass?.end();
        pass = undefined;
        encoder.copyBufferToBuffer(command.copy[0], 0, command.copy[1], 0, command.copy[1].size);
        continue;
      }
      pass ??= encoder.beginComputePass();
      pass.setPipeline(command.pipeline);
      pass.setBindGroup(0, command.group);
      pass.dispatchWorkgroups(...command.workgroups);
    }
    pass?.end();
    encoder.copyBufferToBuffer(this.logits, 0, this.staging, 0, 4 * model.outputs);
    device.queue.submit([encoder.finish()]);
    await this.staging.mapAsync(GPUMapMode.READ);
    const outputs = new Float32Array(this.staging.getMappedRange().slice());
    this.staging.unmap();
    return outputs;
  }
};

/** Classes and their probabilities, the likeliest first. */
onebit.byProbability = (outputs) => {
  const largest = Math.max(...outputs);
  const powers = Array.from(outputs, (y) => Math.exp(y - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p, number) => ({ number, share: p / sum })).sort((a, b) => b.share - a.share || a.number - b.number);
};
