// A run's live page: server-sent events bring new points and progress, and say which parts to fetch again.
(() => {
  const MOST_POINTS = 4000; // then the charts are fetched again, thinned by the server
  let source = null;

  const refresh = (parts) => {
    for (const part of parts) htmx.trigger(document.body, `refresh-${part}`);
  };

  const put = (name, text) => {
    const place = document.querySelector(`[data-live="${name}"]`);
    if (place) place.textContent = text;
  };

  const showProgress = ({ step, total, what, share, left }) => {
    const whole = new Intl.NumberFormat("en");
    const bar = document.querySelector("[data-live-bar]");
    const hasTotal = document.querySelector('[data-live="total"]') !== null;
    if (!bar || Boolean(total) !== hasTotal) return refresh(["state"]);
    put("step", step === null ? "–" : whole.format(step));
    if (total) put("total", whole.format(total));
    put("what", what ? ` · ${what}` : "");
    put("left", left ? `${left} left` : "");
    put("share", share === null ? "–" : `${Math.round(100 * share)} %`);
    bar.value = share ?? 0;
  };

  // As `rpt_core.words.duration`, which writes those that are over.
  const duration = (exact) => {
    if (exact < 9.95) return `${(Math.floor(10 * exact + 0.5) / 10).toFixed(1)} s`;
    const seconds = Math.floor(exact + 0.5);
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    const days = Math.floor(hours / 24);
    const two = (number) => String(number).padStart(2, "0");
    if (!minutes) return `${seconds} s`;
    if (!hours) return `${minutes} min ${two(seconds % 60)} s`;
    if (!days) return `${hours} h ${two(minutes % 60)} min`;
    return `${days} d ${hours % 24} h`;
  };

  window.inWords = { duration };

  const began = new WeakMap(); // when each duration that goes on was zero, by this browser's clock
  const tick = () => {
    for (const place of document.querySelectorAll("[data-ticks]")) {
      if (!began.has(place)) began.set(place, Date.now() - 1000 * place.dataset.ticks);
      place.textContent = duration((Date.now() - began.get(place)) / 1000);
    }
  };

  const showLive = (isLive) => {
    const mark = document.querySelector("[data-live-mark]");
    if (!mark) return;
    mark.classList.toggle("off", !isLive);
    mark.lastElementChild.textContent = isLive ? "live" : "connecting again";
  };

  // A browser comes back by itself after a break, but not after a refusal: the server may have been busy or away.
  const FIRST_WAIT_MS = 3000;
  const LONGEST_WAIT_MS = 60_000;
  let refusals = 0;
  let lastKey = ""; // "attempt-step" of the last points that this page has got
  let again = null;
  const listenLater = () => {
    const wait = Math.min(FIRST_WAIT_MS * 2 ** refusals++, LONGEST_WAIT_MS);
    clearTimeout(again);
    again = setTimeout(listen, wait * (0.75 + Math.random() / 2)); // not all viewers in the same moment
  };

  const listen = () => {
    const address = document.getElementById("live")?.dataset.runStream;
    if (!address || !isLive()) return;
    clearTimeout(again);
    source?.close();
    const state = document.getElementById("state").dataset.stateKey;
    const query = new URLSearchParams(address.split("?")[1]);
    query.set("state", state);
    if (lastKey) query.set("at", lastKey);
    source = new EventSource(`${address.split("?")[0]}?${query}`);
    const own = source;
    const on = (name, act) =>
      own.addEventListener(name, (event) => {
        if (event.lastEventId) lastKey = event.lastEventId;
        act(JSON.parse(event.data));
      });
    source.onopen = () => {
      refusals = 0;
      showLive(true);
    };
    source.onerror = () => {
      showLive(false);
      if (own === source && own.readyState === EventSource.CLOSED) listenLater();
    };
    on("metrics", ({ points }) => {
      const { metricsHere, metricsElsewhere } = document.getElementById("charts").dataset;
      const here = metricsHere?.split(" ");
      const elsewhere = metricsElsewhere?.split(" ") ?? [];
      const isShown = (metric) => (here ? here.includes(metric) : !elsewhere.includes(metric));
      if (!charts.addPoints(points, isShown) || charts.longest() > MOST_POINTS) refresh(["charts"]);
    });
    on("progress", showProgress);
    on("refresh", ({ parts }) => refresh(parts));
    on("end", () => {
      source.close();
      refresh(["state", "tables", "records", "charts"]);
      followLog();
    });
  };

  // The log is fetched only while somebody looks at its end: further up it stands still, to be read.
  const LOG_EVERY_MS = 3000;
  const followLog = () => {
    const lines = document.getElementById("log-lines");
    const isRead = lines && lines.scrollTop + lines.clientHeight < lines.scrollHeight - 8;
    if (document.getElementById("log") && !document.hidden && !isRead) htmx.trigger("#log", "refresh-log");
  };
  const showEnd = () => {
    const lines = document.getElementById("log-lines");
    if (lines) lines.scrollTop = lines.scrollHeight;
  };
  const isLive = () => document.getElementById("state")?.dataset.isLive !== undefined;

  // Addresses from when all of this was one page.
  const TABS = { tables: "evaluations", "charts-section": "curves", records: "files", "events-section": "log", "log-section": "log", "config-section": "config" };
  const leadOn = () => {
    const name = location.hash.slice(1);
    const tab = TABS[name] ?? (name.startsWith("table-") ? "evaluations" : null);
    if (tab && !document.querySelector(`nav.tabs a:first-child:not([aria-current])`)) location.replace(`${tab}/${location.hash}`);
  };

  // What a reader has folded and unfolded stays so when the part around it is fetched again.
  const folds = new Map();
  document.addEventListener("toggle", ({ target }) => target.dataset?.fold && folds.set(target.dataset.fold, target.open), true);
  const keepFolds = () => {
    for (const fold of document.querySelectorAll("details[data-fold]")) {
      if (folds.has(fold.dataset.fold)) fold.open = folds.get(fold.dataset.fold);
    }
  };

  document.addEventListener("DOMContentLoaded", () => {
    leadOn();
    showEnd();
    setInterval(() => isLive() && followLog(), LOG_EVERY_MS);
    listen();
    tick();
    setInterval(tick, 1000);
    const find = document.querySelector("[data-find]");
    find?.addEventListener("input", () => {
      const wanted = find.value.toLowerCase();
      for (const name of document.getElementById(find.dataset.find).querySelectorAll("dt")) {
        const setting = name.parentElement;
        setting.hidden = !setting.textContent.toLowerCase().includes(wanted);
      }
    });
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "state") tick();
    if (event.target.id === "log") showEnd();
    keepFolds();
    // A retry elsewhere makes an ended run live again.
    if (event.target.id === "state" && source?.readyState === EventSource.CLOSED) listen();
  });
  window.addEventListener("pagehide", () => {
    clearTimeout(again);
    source?.close();
  });
  window.addEventListener("pageshow", (event) => event.persisted && listen()); // back from the browser's memory
})();
