// A document's token map. Only what is near the window is in the page: blocks of tokens, each under its number, between
// two spacers; their tokens come in windows as one scrolls. Text is set as text, never as markup. The rule in the form
// says which positions are boxed: a threshold is compared here, shares are asked for. What is set stands in the address.
(() => {
  const KEPT_WINDOWS = 30;
  const SPARE_BLOCKS = 3;
  const FIRST_GUESS = 180;
  const COUNT_AFTER = 150;

  document.addEventListener("DOMContentLoaded", () => {
    const data = JSON.parse(document.getElementById("token-map-data").textContent);
    const map = document.getElementById("token-map");
    const here = document.getElementById("token-here");
    const form = document.getElementById("rule");
    const [above, below] = [document.createElement("div"), document.createElement("div")];
    const levels = Object.entries(data.levels);
    const blockCount = Math.ceil(data.tokens / data.block);
    const heights = new Array(blockCount).fill(0); // 0: not measured
    const shown = new Map(); // number of a block -> its element
    const windows = new Map(); // first token -> its window, or the promise of it
    let guess = FIRST_GUESS;
    let active = data.token;
    map.append(above, below);
    windows.set(data.first.start, data.first);

    // Numbers and words.
    const whole = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
    const rule = () => ({ keep: form.elements.keep.value, at: Number(form.elements.at.value) });
    const query = () => {
      const { keep, at } = rule();
      return new URLSearchParams(keep === "run" ? { keep } : { keep, at: at.toFixed(2) });
    };
    const hexed = (hex) => hex.replace(/(..)(?=.)/g, "$1 ");
    const describe = (token) => {
      const found = windowOf(token);
      if (!found) return "";
      const at = token - found.start;
      const nats = found.nats[at];
      const parts = [`Token ${whole(token)}: “${found.texts[at].replaceAll("\n", "")}”`, `bytes ${hexed(found.bytes[at]) || "none"}`];
      if (nats === null || !found.ranks[at]) return [...parts, "nothing is predicted here"].join(" · ");
      const level = levels.filter(([, over]) => nats > over).map(([name]) => name).pop() ?? "below easy";
      parts.push(`${nats.toFixed(3)} nats`, level);
      if (found.highest) parts.push(`highest probability ${(100 * found.highest[at]).toFixed(1)} %`);
      parts.push(`rank ${whole(found.ranks[at])}`, ...(isChosen(found, at) ? ["chosen"] : []));
      return parts.join(" · ");
    };

    // Windows of tokens. The oldest that nobody looks at are let go.
    const startOf = (token) => Math.floor(token / data.window) * data.window;
    const windowOf = (token) => {
      const found = windows.get(startOf(token));
      return found instanceof Promise ? undefined : found;
    };
    const fetchWindow = (start) => {
      if (!windows.has(start)) {
        const asked = query();
        const coming = fetch(`${data.address}tokens.json?start=${start}&${asked}`)
          .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(answer.statusText))))
          .then((found) => {
            if (windows.get(start) !== coming) return;
            windows.set(start, found);
            letGo();
            render();
          })
          .catch(() => windows.get(start) === coming && windows.delete(start)); // the next look tries again
        windows.set(start, coming);
      }
      return windows.get(start);
    };
    const letGo = () => {
      const needed = new Set([...shown.keys()].map((block) => startOf(block * data.block)).concat(startOf(active)));
      for (const start of windows.keys()) {
        if (windows.size <= KEPT_WINDOWS) return;
        if (!needed.has(start)) windows.delete(start);
      }
    };

    // Marks of a token.
    const isChosen = (found, at) => {
      const { keep, at: value } = rule();
      if (keep !== "threshold") return found.chosenSet.has(found.start + at);
      return found.ranks[at] > 0 && Math.fround(found.nats[at]) >= value;
    };
    const shade = (nats) => {
      if (nats === null) return "none";
      const over = levels.filter(([, edge]) => nats > edge).length;
      return over ? `s${over + 1}` : nats > 0.1 ? "s1" : "s0";
    };
    const classOf = (found, at, token) => {
      const marks = ["tok", shade(found.ranks[at] ? found.nats[at] : null)];
      if (isChosen(found, at)) marks.push("chosen");
      if (token === active) marks.push("active");
      return marks.join(" ");
    };

    // Blocks.
    const fill = (element, block) => {
      const found = windowOf(block * data.block);
      if (!found) return void fetchWindow(startOf(block * data.block));
      found.chosenSet ??= new Set(found.chosen);
      const number = document.createElement("span");
      number.className = "tok-number";
      number.setAttribute("aria-hidden", "true");
      number.textContent = whole(block * data.block);
      const parts = [number];
      const end = Math.min((block + 1) * data.block, data.tokens);
      for (let token = block * data.block; token < end; token += 1) {
        const part = document.createElement("span");
        part.id = `t${token}`;
        part.setAttribute("role", "option");
        part.setAttribute("aria-selected", String(token === active));
        part.className = classOf(found, token - found.start, token);
        const text = found.texts[token - found.start];
        part.textContent = text;
        if (!text.trim()) part.setAttribute("aria-label", text.length > 1 ? `${text.length} spaces` : "space"); // read out
        parts.push(part);
      }
      element.replaceChildren(...parts);
      element.style.minHeight = "";
      element.dataset.filled = "true";
      element.setAttribute("aria-busy", "false");
    };
    const make = (block) => {
      const element = document.createElement("div");
      element.className = "tok-block";
      element.setAttribute("role", "group");
      element.setAttribute("aria-label", `From token ${whole(block * data.block)} on`);
      element.setAttribute("aria-busy", "true");
      element.style.minHeight = `${heights[block] || guess}px`;
      return element;
    };
    const heightOf = (block) => heights[block] || guess;
    const offsetOf = (block) => {
      let sum = 0;
      for (let number = 0; number < block; number += 1) sum += heightOf(number);
      return sum;
    };
    const visible = () => {
      const [top, bottom] = [map.scrollTop, map.scrollTop + map.clientHeight];
      let [sum, first] = [0, 0];
      while (first < blockCount - 1 && sum + heightOf(first) <= top) sum += heightOf(first++);
      let last = first;
      while (last < blockCount - 1 && sum < bottom) sum += heightOf(last++);
      return [Math.max(0, first - SPARE_BLOCKS), Math.min(blockCount - 1, last + SPARE_BLOCKS)];
    };
    const render = () => {
      if (!blockCount) return map.setAttribute("aria-busy", "false");
      const [first, last] = visible();
      for (const [block, element] of shown) {
        if (block >= first && block <= last) continue;
        element.remove();
        shown.delete(block);
      }
      let before = above;
      for (let block = first; block <= last; block += 1) {
        let element = shown.get(block);
        if (!element) {
          element = make(block);
          shown.set(block, element);
          before.after(element);
        }
        if (!element.dataset.filled) fill(element, block);
        before = element;
      }
      measure();
      above.style.height = `${offsetOf(first)}px`;
      below.style.height = `${offsetOf(blockCount) - offsetOf(last + 1)}px`;
      map.setAttribute("aria-busy", String(![...shown.values()].every((element) => element.dataset.filled)));
      showActive();
    };
    // What is measured above the window moves the text below it: the place that is read stays where it is.
    const measure = () => {
      const top = map.scrollTop;
      let moved = 0;
      let sum = offsetOf(Math.min(...shown.keys()));
      for (const block of [...shown.keys()].sort((a, b) => a - b)) {
        const element = shown.get(block);
        const was = heightOf(block);
        if (element.dataset.filled) heights[block] = element.getBoundingClientRect().height;
        if (sum + was <= top) moved += heightOf(block) - was;
        sum += was;
      }
      const known = heights.filter(Boolean);
      const unknownAbove = heights.slice(0, Math.min(...shown.keys())).filter((height) => !height).length;
      const mean = known.length ? known.reduce((a, b) => a + b) / known.length : guess;
      moved += unknownAbove * (mean - guess);
      guess = mean;
      if (Math.abs(moved) > 0.5) {
        above.style.height = `${offsetOf(Math.min(...shown.keys()))}px`;
        map.scrollTop = top + moved;
      }
    };

    let frame = null;
    map.addEventListener("scroll", () => {
      frame ??= requestAnimationFrame(() => {
        frame = null;
        render();
      });
    });
    addEventListener("resize", () => {
      heights.fill(0);
      render();
    });

    // The token that is looked at.
    const showActive = () => {
      const element = document.getElementById(`t${active}`);
      element ? map.setAttribute("aria-activedescendant", element.id) : map.removeAttribute("aria-activedescendant");
    };
    const bringIntoView = (token) => {
      const block = Math.floor(token / data.block);
      if (!shown.get(block)?.dataset.filled) {
        map.scrollTop = offsetOf(block);
        render();
      }
      document.getElementById(`t${token}`)?.scrollIntoView({ block: "nearest" });
    };
    const goTo = async (token) => {
      await fetchWindow(startOf(token));
      const before = document.getElementById(`t${active}`);
      active = token;
      if (before) {
        before.classList.remove("active");
        before.setAttribute("aria-selected", "false");
      }
      bringIntoView(token);
      const element = document.getElementById(`t${token}`);
      element?.classList.add("active");
      element?.setAttribute("aria-selected", "true");
      showActive();
      here.textContent = describe(token);
    };
    // The nearest token in a direction that passes a test, fetching what lies between.
    const seek = async (from, step, passes) => {
      for (let token = from + step; token >= 0 && token < data.tokens; token += step) {
        const found = windowOf(token) ?? (await fetchWindow(startOf(token)), windowOf(token));
        if (!found) return;
        found.chosenSet ??= new Set(found.chosen);
        if (passes(found, token - found.start)) return goTo(token);
      }
    };
    const isPosition = (found, at) => found.ranks[at] > 0;
    const open = (token) => {
      const address = new URL(location);
      address.searchParams.set("token", token);
      history.replaceState(null, "", address);
      window.htmx.ajax("GET", `${data.address}positions/${token}/`, { target: "#position", swap: "innerHTML" });
    };
    const keys = {
      ArrowRight: () => seek(active, 1, isPosition),
      ArrowLeft: () => seek(active, -1, isPosition),
      n: () => seek(active, 1, isChosen),
      p: () => seek(active, -1, isChosen),
      Home: () => goTo(0),
      End: () => goTo(data.tokens - 1),
      Enter: () => open(active),
    };
    let moving = Promise.resolve();
    map.addEventListener("keydown", (event) => {
      const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!act || event.ctrlKey || event.metaKey || event.altKey || !data.tokens) return;
      event.preventDefault();
      event.stopPropagation();
      moving = moving.then(act);
    });
    const tokenOf = (event) => {
      const element = event.target.closest(".tok[id]");
      return element && map.contains(element) ? Number(element.id.slice(1)) : null;
    };
    map.addEventListener("mouseover", (event) => {
      const token = tokenOf(event);
      if (token === null) return;
      event.target.title = describe(token);
    });
    map.addEventListener("click", (event) => {
      const token = tokenOf(event);
      if (token !== null) goTo(token).then(() => open(token));
    });

    // The rule: its counts, its boxes, its place in the address.
    const atLeast = (counts, hundredths) => counts.slice(hundredths).reduce((a, b) => a + b, 0);
    const write = (name, kept, byLevel, about) => {
      const row = document.querySelector(`[data-counts="${name}"]`);
      for (const cell of row.querySelectorAll("[data-level]")) {
        const count = cell.dataset.level === "kept" ? kept : byLevel[cell.dataset.level];
        const isAbout = about && cell.dataset.level !== "kept" && count !== null && count !== undefined;
        cell.textContent = `${isAbout ? "≈ " : ""}${whole(count)}`;
      }
    };
    const countHere = (hundredths) => {
      for (const name of ["document", "split"]) {
        const { counts, levels: all } = data[name];
        const kept = counts ? atLeast(counts, hundredths) : null;
        // Whoever is chosen by entropy is among the most uncertain: of a level all, or all the chosen.
        const within = Object.entries(all).map(([level, count]) => [level, kept === null ? null : Math.min(count, kept)]);
        write(name, kept, Object.fromEntries(within), false);
      }
    };
    let counting = null;
    const countThere = () => {
      clearTimeout(counting);
      counting = setTimeout(async () => {
        const asked = query().toString();
        const answer = await fetch(`${data.address}counts.json?${asked}`);
        if (!answer.ok || asked !== query().toString()) return;
        const found = await answer.json();
        for (const name of ["document", "split"]) {
          write(name, found[name].kept, found[name].by_difficulty, found[name].is_about);
        }
        windows.clear();
        refill();
      }, COUNT_AFTER);
    };
    const refill = () => {
      for (const element of shown.values()) delete element.dataset.filled;
      render();
    };
    const address = () => {
      const { keep, at } = rule();
      const page = new URL(location);
      page.searchParams.delete("at");
      for (const [name, value] of query()) page.searchParams.set(name, value);
      history.replaceState(null, "", page);
      for (const link of document.querySelectorAll("[data-rule-link]")) link.search = `?${query()}`;
      const link = document.getElementById("new-run");
      if (!link) return;
      const chosen = { threshold: { min_entropy_nats: at.toFixed(2) }, run: {} }[keep] ?? { keep_share: at.toFixed(2) };
      const fields = keep === "run" ? {} : { keep, ...chosen };
      link.href = `${data.newRun}?${new URLSearchParams({ like: data.run, ...fields })}`;
    };
    const say = () => {
      const { keep, at } = rule();
      const isThreshold = keep === "threshold";
      document.getElementById("at-field").hidden = keep === "run";
      document.getElementById("at-label").textContent = isThreshold ? "Threshold" : "Share";
      document.getElementById("at-words").textContent = isThreshold ? `${at.toFixed(2)} nats` : `${Math.round(100 * at)} %`;
    };
    const change = () => {
      say();
      address();
      if (rule().keep !== "threshold") return countThere();
      countHere(Math.round(100 * rule().at));
      for (const element of shown.values()) {
        for (const part of element.querySelectorAll(".tok[id]")) {
          const token = Number(part.id.slice(1));
          const found = windowOf(token);
          if (found) part.classList.toggle("chosen", isChosen(found, token - found.start));
        }
      }
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.elements.at.addEventListener("input", change);
    form.elements.keep.addEventListener("change", () => {
      const isThreshold = rule().keep === "threshold";
      form.elements.at.max = isThreshold ? form.elements.at.dataset.thresholdEnd : "1";
      form.elements.at.value = isThreshold ? "1" : "0.2";
      change();
    });

    address();
    render();
    if (active) goTo(active);
  });
})();
