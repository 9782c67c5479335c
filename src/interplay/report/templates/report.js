"use strict";
(() => {
  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const short = (value) => {
    if (value === null || value === undefined || !isFinite(value)) return "–";
    const size = Math.abs(value);
    const options = size >= 1000 ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: 4 };
    const text = size > 0 && size < 1e-3 ? value.toExponential(2) : value.toLocaleString("en-US", options);
    return text.replaceAll("-", "−");
  };
  const dataIn = (element) => JSON.parse(element.querySelector(":scope > script[type='application/json']").textContent);

  // --- charts: values under the pointer, lines that can be hidden ---------------------------------------------------
  const nearest = (xs, x) => {
    let best = 0;
    for (let place = 1; place < xs.length; place++) if (Math.abs(xs[place] - x) < Math.abs(xs[best] - x)) best = place;
    return best;
  };

  const describe = (chart, data, x) => {
    const tip = make("div", "tip");
    const shown = data.lines.filter((line) => !chart.hiddenLines.has(line.label));
    if (!shown.length) return null;
    const at = shown[0].x[nearest(shown[0].x, x)];
    tip.append(make("div", "at", `${short(at)} ${data.name}`));
    for (const line of shown) {
      const place = nearest(line.x, at);
      const row = make("div", `c${line.color}`);
      const around = line.low && line.low[place] !== null ? ` [${short(line.low[place])}, ${short(line.high[place])}]` : "";
      row.append(make("i"), data.lines.length > 1 ? `${line.label} ` : "", make("b", "", short(line.y[place])), around);
      tip.append(row);
      if (shown.length > 1 || chart.classList.contains("no-seeds")) continue;
      for (const [name, values] of Object.entries(line.seeds)) tip.append(make("div", "at", `${name}  ${short(values[place])}`));
    }
    return { tip, at };
  };

  const point = (chart, data, x) => {
    const canvas = chart.querySelector(".canvas");
    canvas.querySelectorAll(".cross, .tip").forEach((old) => old.remove());
    if (x === null) return;
    const found = describe(chart, data, x);
    if (!found) return;
    const share = (found.at - data.x[0]) / (data.x[1] - data.x[0]);
    const cross = make("div", "cross");
    cross.style.left = `${share * 100}%`;
    canvas.append(cross, found.tip);
    const room = canvas.clientWidth, wide = found.tip.offsetWidth, place = share * room;
    const left = place + 14 + wide <= room ? place + 14 : place - 14 - wide;
    found.tip.style.left = `${Math.max(Math.min(left, room - wide), Math.min(0, room - wide))}px`;
  };

  const startChart = (chart) => {
    const data = dataIn(chart);
    const canvas = chart.querySelector(".canvas");
    const xs = data.lines.length ? data.lines[0].x : [];
    let place = xs.length - 1;
    chart.hiddenLines = new Set();
    const follow = (event) => {
      const box = canvas.getBoundingClientRect();
      point(chart, data, data.x[0] + ((event.clientX - box.left) / box.width) * (data.x[1] - data.x[0]));
    };
    canvas.addEventListener("pointermove", follow);
    canvas.addEventListener("pointerdown", follow);
    canvas.addEventListener("pointerleave", () => point(chart, data, null));
    chart.addEventListener("blur", () => point(chart, data, null));
    chart.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1 };
      if (!(event.key in moves) || !xs.length) return;
      event.preventDefault();
      place = Math.max(0, Math.min(xs.length - 1, place + moves[event.key]));
      point(chart, data, xs[place]);
    });
  };

  const startKey = (key) => {
    const chart = key.closest("figure").querySelector(".chart");
    if (!chart) return;
    key.addEventListener("click", () => {
      const shown = key.getAttribute("aria-pressed") !== "true";
      key.setAttribute("aria-pressed", String(shown));
      if ("seeds" in key.dataset) chart.classList.toggle("no-seeds", !shown);
      const lines = chart.querySelectorAll("g[data-line]");
      const own = lines.length === 1 ? [lines[0]] : [...lines].filter((line) => line.dataset.line === key.dataset.line);
      if ("seeds" in key.dataset) return;
      for (const line of own) {
        line.classList.toggle("off", !shown);
        if (shown) chart.hiddenLines.delete(line.dataset.line); else chart.hiddenLines.add(line.dataset.line);
      }
    });
  };

  // --- replays: play, pause, step, scrub ----------------------------------------------------------------------------
  const FRAMES_PER_SECOND = 8;
  const parser = new DOMParser();

  class Player {
    constructor(root, replays) {
      this.root = root;
      this.replays = replays;
      this.find = (name) => root.querySelector(`.${name}`);
      this.timer = null;
      replays.forEach((replay, place) => this.find("choose").append(new Option(replay.label, String(place))));
      this.find("choose").hidden = replays.length < 2;
      this.find("choose").addEventListener("change", (event) => this.choose(Number(event.target.value)));
      this.find("scrub").addEventListener("input", (event) => { this.pause(); this.show(Number(event.target.value)); });
      this.find("play").addEventListener("click", () => this.toggle());
      this.find("rate").addEventListener("change", () => { if (this.timer) this.play(); });
      root.addEventListener("keydown", (event) => this.key(event));
      this.choose(Number(root.dataset.start));
    }

    choose(place) {
      this.pause();
      this.replay = this.replays[place];
      this.find("choose").value = String(place);
      this.find("about").textContent = this.replay.about;
      this.find("scrub").max = String(this.replay.frames.length - 1);
      this.spark();
      this.show(0);
    }

    show(frame) {
      this.frame = frame;
      const text = this.replay.frames[frame].map((part) => this.replay.parts[part]).join("") + "</svg>";
      const drawing = parser.parseFromString(text.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'), "image/svg+xml");
      const [, , width, height] = (drawing.documentElement.getAttribute("viewBox") || "").split(/[\s,]+/).map(Number);
      this.find("stage").style.aspectRatio = width > 0 && height > 0 ? Math.min(Math.max(width / height, 0.6), 2.4) : 1;
      this.find("stage").replaceChildren(document.importNode(drawing.documentElement, true));
      this.find("scrub").value = String(frame);
      this.find("counter").textContent = `frame ${frame + 1} / ${this.replay.frames.length}`;
      const cursor = this.find("spark").querySelector(".cursor");
      const at = this.share(frame) * 1000;
      if (cursor) { cursor.setAttribute("x1", at); cursor.setAttribute("x2", at); }
      this.rewards(frame);
    }

    share(frame) { return this.replay.frames.length > 1 ? frame / (this.replay.frames.length - 1) : 0; }

    rewards(frame) {
      const all = this.replay.rewards, row = all[frame] || [];
      const equal = row.length > 1 && all.every((each) => each.every((reward) => reward === each[0]));
      const mean = (values) => values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
      const total = all.slice(0, frame + 1).reduce((sum, each) => sum + mean(each), 0);
      const entries = equal ? [["every agent", row[0]]] : row.map((reward, agent) => [`agent ${agent}`, reward]);
      if (all.length) entries.push(["return so far", total]);
      this.find("rewards").replaceChildren(...entries.map(([name, value]) => {
        const chip = make("span");
        chip.append(make("small", "", name), short(value));
        return chip;
      }));
    }

    spark() {
      const means = this.replay.rewards.map((row) => row.reduce((sum, value) => sum + value, 0) / Math.max(row.length, 1));
      this.find("spark").style.display = means.length > 1 ? "" : "none";
      const low = Math.min(0, ...means), high = Math.max(0, ...means), up = (value) => 96 - (92 * (value - low)) / (high - low || 1);
      const draw = (tag, attributes) => {
        const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
        for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
        return element;
      };
      const points = means.map((value, frame) => `${(this.share(frame) * 1000).toFixed(1)} ${up(value).toFixed(1)}`);
      this.find("spark").replaceChildren(
        draw("line", { class: "zero", x1: 0, x2: 1000, y1: up(0), y2: up(0) }),
        draw("path", { d: points.length ? `M${points.join("L")}` : "" }),
        draw("line", { class: "cursor", x1: 0, x2: 0, y1: 0, y2: 100 }),
      );
    }

    play() {
      const last = this.replay.frames.length - 1;
      if (this.frame >= last) this.show(0);
      clearInterval(this.timer);
      this.label("Pause");
      this.timer = setInterval(() => {
        if (this.frame >= last) this.pause(); else this.show(this.frame + 1);
      }, 1000 / (FRAMES_PER_SECOND * Number(this.find("rate").value)));
    }

    pause() { clearInterval(this.timer); this.timer = null; this.label("Play"); }
    toggle() { if (this.timer) this.pause(); else this.play(); }
    label(word) { this.find("play").textContent = word; this.find("play").setAttribute("aria-label", word); }
    step(by) { this.pause(); this.show(Math.max(0, Math.min(this.replay.frames.length - 1, this.frame + by))); }

    key(event) {
      const own = event.target.tagName;
      if (own === "SELECT" || event.ctrlKey || event.metaKey || event.altKey) return;
      const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
      if (event.key === " " && own !== "BUTTON") { event.preventDefault(); this.toggle(); }
      else if (event.key in moves && own !== "INPUT") { event.preventDefault(); this.step(moves[event.key]); }
    }
  }

  const startTheater = (theater) => {
    const replays = dataIn(theater);
    const players = [...theater.querySelectorAll(".player")].map((root) => new Player(root, replays));
    const all = theater.querySelector(".all");
    if (!all) return;
    all.addEventListener("click", () => {
      const playing = players.some((player) => player.timer);
      players.forEach((player) => (playing ? player.pause() : player.play()));
      all.textContent = playing ? "Play all" : "Pause all";
      all.setAttribute("aria-label", all.textContent);
    });
  };

  document.querySelectorAll(".chart[tabindex]").forEach(startChart);
  document.querySelectorAll(".key").forEach(startKey);
  document.querySelectorAll("[data-theater]").forEach(startTheater);
})();
