"use strict";
// Images from a file or the camera, brought to the model's size, and what it says of them.
{
  const { model } = onebit;
  const at = (id) => document.getElementById(id);
  const [height, width, channels] = model.input;
  const canvas = at("seen");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");

  const say = (text, bad = false) => {
    at("state").textContent = text;
    at("state").className = bad ? "bad" : "";
  };

  /** Shows what the model sees. */
  const draw = (bytes) => {
    const image = context.createImageData(width, height);
    for (let i = 0; i < width * height; i++) {
      const [r, g, b] = channels === 1 ? [bytes[i], bytes[i], bytes[i]] : bytes.subarray(3 * i);
      image.data.set([r, g, b, 255], 4 * i);
    }
    context.putImageData(image, 0, 0);
  };

  const show = (outputs, milliseconds) => {
    if (model.classes.length === 0) return showFeatures(outputs, milliseconds);
    const rows = onebit.byProbability(outputs).slice(0, 5).map(({ number, share }) => {
      const row = document.createElement("tr");
      const bar = document.createElement("div");
      bar.style.width = `${100 * share}%`;
      const cell = (content) => row.insertCell().append(content);
      cell(model.classes[number] ?? `${number}`);
      cell(bar);
      cell(`${(100 * share).toFixed(1)} %`);
      return row;
    });
    at("classes").replaceChildren(...rows);
    say(`${milliseconds.toFixed(1)} ms from image to classes`);
  };

  /** What a network that learned without labels gives: numbers, each a bar of its size among them. */
  const showFeatures = (outputs, milliseconds) => {
    const largest = Math.max(...outputs.map(Math.abs));
    const rows = Array.from(outputs.slice(0, 16), (x, number) => {
      const row = document.createElement("tr");
      const bar = document.createElement("div");
      bar.style.width = `${(100 * Math.abs(x)) / (largest || 1)}%`;
      const cell = (content) => row.insertCell().append(content);
      cell(`feature ${number}`);
      cell(bar);
      cell(x.toFixed(4));
      return row;
    });
    at("classes").replaceChildren(...rows);
    say(`${milliseconds.toFixed(1)} ms from image to ${outputs.length} features`);
  };

  const main = async () => {
    document.title = model.title;
    at("title").textContent = model.title;
    const runner = await onebit.Runner.open(model);
    const size = `${width} x ${height} x ${channels}`;
    at("facts").textContent = `${(model.bytes / 1024).toFixed(1)} KiB, images ${size}, on ${runner.name}`;
    say("Ready.");

    const look = async (bytes) => {
      draw(bytes);
      const start = performance.now();
      show(await runner.run(bytes), performance.now() - start);
    };
    const open = async (file) => {
      try {
        await look(await onebit.bytesOfFile(model, file));
      } catch (e) {
        say(`${file.name}: ${e.message}`, true);
      }
    };
    at("file").onchange = (e) => e.target.files[0] && open(e.target.files[0]);
    const drop = at("drop");
    drop.ondragover = (e) => {
      e.preventDefault();
      drop.className = "over";
    };
    drop.ondragleave = () => (drop.className = "");
    drop.ondrop = (e) => {
      e.preventDefault();
      drop.className = "";
      if (e.dataTransfer.files[0]) open(e.dataTransfer.files[0]);
    };

    const video = at("video");
    const stop = () => {
      video.srcObject.getTracks().forEach((t) => t.stop());
      video.srcObject = null;
      at("camera").textContent = "Camera";
    };
    at("camera").onclick = async () => {
      if (video.srcObject) return stop();
      try {
        video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
        await video.play();
      } catch (e) {
        return say(`no camera: ${e.message}`, true);
      }
      at("camera").textContent = "Stop";
      while (video.srcObject) {
        await look(onebit.bytesOf(model, video, video.videoHeight, video.videoWidth));
        await new Promise(requestAnimationFrame);
      }
    };
  };

  main().catch((e) => say(e.message, true));
}
