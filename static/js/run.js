// A run's live page: server-sent events bring new points and progress, and say which parts to fetch anew.
(() => {
  const MOST_POINTS = 4000; // then the charts are fetched anew, thinned by the server
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

  // As the filter `duration` of the pages.
  const duration = (exact) => {
    if (exact < 9.95) return `${exact.toFixed(1)} s`;
    const seconds = Math.round(exact);
    const minutes = Math.floor(seconds / 60);
    const hours = Math.floor(minutes / 60);
    const days = Math.floor(hours / 24);
    const two = (number) => String(number).padStart(2, "0");
    if (!minutes) return `${seconds} s`;
    if (!hours) return `${minutes} min ${two(seconds % 60)} s`;
    if (!days) return `${hours} h ${two(minutes % 60)} min`;
    return `${days} d ${hours % 24} h`;
  };

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

  const listen = () => {
    const address = document.getElementById("charts")?.dataset.runStream;
    if (!address) return;
    const state = document.getElementById("state").dataset.stateKey;
    source = new EventSource(`${address}&state=${encodeURIComponent(state)}`);
    const on = (name, act) => source.addEventListener(name, (event) => act(JSON.parse(event.data)));
    source.onopen = () => showLive(true);
    source.onerror = () => showLive(false);
    on("metrics", ({ points }) => {
      if (!charts.addPoints(points) || charts.longest() > MOST_POINTS) refresh(["charts"]);
    });
    on("progress", showProgress);
    on("refresh", ({ parts }) => refresh(parts));
    on("end", () => {
      source.close();
      refresh(["state", "tables", "records", "charts"]);
    });
  };

  document.addEventListener("DOMContentLoaded", () => {
    listen();
    tick();
    setInterval(tick, 1000);
    const find = document.querySelector("[data-find]");
    find?.addEventListener("input", () => {
      const wanted = find.value.toLowerCase();
      for (const name of document.getElementById(find.dataset.find).querySelectorAll("dt")) {
        const value = name.nextElementSibling;
        const hide = !`${name.textContent} ${value.textContent}`.toLowerCase().includes(wanted);
        name.hidden = value.hidden = hide;
      }
    });
  });
  // A retry on this page makes an ended run live again.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "state") tick();
    if (event.target.id === "charts" && source?.readyState === EventSource.CLOSED) listen();
  });
  window.addEventListener("pagehide", () => source?.close());
  window.addEventListener("pageshow", (event) => event.persisted && listen()); // back from the browser's memory
})();
