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

  const showLive = (isLive) => {
    const mark = document.querySelector("[data-live-mark]");
    if (!mark) return;
    mark.classList.toggle("off", !isLive);
    mark.lastElementChild.textContent = isLive ? "live" : "connecting again";
  };

  const listen = () => {
    const address = document.getElementById("charts")?.dataset.runStream;
    if (!address) return;
    source = new EventSource(address);
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
    if (event.target.id === "charts" && source?.readyState === EventSource.CLOSED) listen();
  });
  window.addEventListener("pagehide", () => source?.close());
})();
