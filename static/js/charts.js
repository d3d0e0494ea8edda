// Draws the page's figures with Plotly, in the colours of the theme, and draws them again when the theme changes.
// A figure is drawn when it comes near the window, one in each frame, so that a page with many answers at once. What
// changes while it is far away (new points, the theme) waits for that too. Before printing, all are drawn. A plot stays
// (hx-preserve) when its part of the page is fetched again, and takes what is new in place. Plotly is large: it is fetched
// when the page has its first figure.
(() => {
  // The buttons are named one by one: Plotly's own set has one that sends a chart to a server of theirs.
  const CONFIG = { displaylogo: false, responsive: true, modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]] };
  const config = (figure) => ({ ...CONFIG, toImageButtonOptions: { filename: figure.id, scale: 2 } });
  const ADDRESS = document.currentScript.dataset.plotly; // a report that is one file has it within
  const figures = new Map();

  let fetching = null;
  const fetchPlotly = () =>
    (fetching ??= window.Plotly ? Promise.resolve() : new Promise((done) => {
      const script = document.createElement("script");
      script.src = ADDRESS;
      script.onload = done;
      script.onerror = () => (fetching = null); // the next figure tries again
      document.head.append(script);
    }));

  // Colours come from the page's theme, and for a file from a part of the page that is light in every theme.
  let ground = document.documentElement;
  const css = (name) => getComputedStyle(ground).getPropertyValue(`--${name}`).trim();
  const onPaper = (make) => {
    ground = document.createElement("div");
    ground.dataset.bsTheme = "light";
    document.body.append(ground);
    try {
      return make();
    } finally {
      ground.remove();
      ground = document.documentElement;
    }
  };

  const faded = (hex, alpha) => {
    const [r, g, b] = [1, 3, 5].map((start) => parseInt(hex.slice(start, start + 2), 16));
    return `rgba(${r}, ${g}, ${b}, ${alpha})`;
  };

  const trace = (given) => {
    const colour = css(given.meta.colour);
    if (given.meta.band) return { ...given, line: { width: 0 }, fillcolor: faded(colour, 0.16) };
    if (given.meta.raw) return { ...given, line: { width: 1, color: faded(colour, 0.25) } };
    const drawn = {
      ...given,
      line: { width: given.meta.fit ? 1.5 : 1.75, ...given.line, color: given.meta.fit ? faded(colour, 0.75) : colour },
      marker: { size: 5.5, ...given.marker, color: given.type === "bar" ? faded(colour, 0.8) : colour },
    };
    if (given.error_y) drawn.error_y = { ...given.error_y, color: faded(colour, 0.55), thickness: 1.2, width: 3 };
    if (given.error_y && given.type === "bar") drawn.error_y.color = css("ink-muted");
    return drawn;
  };

  const axis = (given) => ({
    spikecolor: css("line-strong"),
    spikethickness: 1,
    spikedash: "solid",
    ...given,
    gridcolor: css("grid"),
    linecolor: css("line-strong"),
    zerolinecolor: css("line-strong"),
    tickcolor: css("line-strong"),
    tickfont: { color: css("axis"), size: 11 },
    title: { ...given.title, font: { color: css("axis"), size: 11.5 }, standoff: 8 },
    automargin: true,
    fixedrange: false,
  });

  // Few steps: without this, Plotly puts ticks between whole numbers and rounds them to the same one.
  const wholeTicks = (given, data) => {
    const xs = data.flatMap((line) => line.x);
    const isShort = given.xaxis.tickformat === ",d" && Math.max(...xs) - Math.min(...xs) < 8;
    return isShort ? { dtick: 1 } : {};
  };

  // What happened at which step, on the charts over a run's steps: a thin line, and a point that tells more.
  const MARK_COLOURS = { resumed: "violet", checkpoint: "ink-faint", evaluation: "series-3", warning: "amber", alarm: "red" };
  const marks = (data) => {
    const found = document.getElementById("marks");
    const xs = data.flatMap((line) => line.x);
    if (!found || !xs.length || !data.some((line) => line.meta.metric)) return {};
    const shown = JSON.parse(found.textContent).filter(({ step }) => step >= Math.min(...xs) && step <= Math.max(...xs));
    return {
      shapes: shown.map(({ step, kind }) => ({
        type: "line", xref: "x", yref: "paper", x0: step, x1: step, y0: 0, y1: 1, layer: "below",
        line: { width: 1, dash: "dot", color: faded(css(MARK_COLOURS[kind]), 0.55) },
      })),
      annotations: shown.map(({ step, kind, words }) => ({
        xref: "x", yref: "paper", x: step, y: 0, yanchor: "bottom", text: "▴", showarrow: false, hovertext: words,
        font: { size: 10, color: css(MARK_COLOURS[kind]) },
        hoverlabel: { bgcolor: css("surface"), bordercolor: css("line-strong"), font: { color: css("ink"), size: 12 } },
      })),
    };
  };

  const layout = (given, data) => ({
    ...given,
    ...marks(data),
    xaxis: { ...axis(given.xaxis), ...wholeTicks(given, data), showgrid: false, showline: true },
    yaxis: { zeroline: false, ...axis(given.yaxis), nticks: 6 },
    paper_bgcolor: css("surface"), // that of the card; a file without it is hard to read on another ground
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, color: css("ink"), size: 12 },
    margin: { l: 16, r: 16, t: 14, b: 16 },
    hovermode: given.hovermode ?? "x unified",
    hoverlabel: { bgcolor: css("surface"), bordercolor: css("line-strong"), font: { color: css("ink"), size: 12 } },
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, xanchor: "left", font: { size: 11.5, color: css("ink-muted") }, bgcolor: "rgba(0,0,0,0)" },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("line-strong"), activecolor: css("ink-muted") },
    uirevision: "kept", // zoom stays when points come in
  });

  const plotOf = (id) => document.querySelector(`[data-figure="${CSS.escape(id)}"] .plot`);

  const draw = (figure, plot) => {
    figure.isStale = false;
    Plotly.react(plot, figure.data.map(trace), layout(figure.layout, figure.data), config(figure)).then(() => {
      // Read out, its labels would be a heap of numbers: the plot has a name, and beside it stands a caption.
      for (const part of plot.querySelectorAll(".main-svg")) part.setAttribute("aria-hidden", "true");
      plot.dataset.drawn = "yes";
      if (!plot.dataset.follows) plot.on("plotly_click", (press) => follow(figure.id, plot, press));
      plot.dataset.follows = "yes";
    });
  };

  // A point leads to the list of what it stands for. All lines answer at its step, so the nearest one in height is meant.
  const follow = (id, plot, { points, event }) => {
    const known = figures.get(id)?.place;
    const height = event.clientY - plot.getBoundingClientRect().top;
    const away = (point) => Math.abs(point.yaxis._offset + point.yaxis.d2p(point.y) - height);
    const [nearest] = [...points].sort((a, b) => away(a) - away(b));
    if (!nearest || nearest.data.meta?.is_deaf) return;
    const place = nearest.data.meta?.places?.[nearest.pointNumber] || known; // a point's own, or the figure's
    if (!place) return;
    const more = nearest.data.meta?.query;
    // Where an axis is none of steps, the point itself says its step.
    location.assign(place.replaceAll("{x}", nearest.customdata ?? nearest.x) + (more ? `&${more}` : ""));
  };

  const near = new WeakSet();
  let frame = null;
  const drawNext = () => {
    frame = null;
    if (!window.Plotly) return;
    const waiting = [...figures.values()].filter((figure) => figure.isStale && near.has(plotOf(figure.id)));
    if (waiting.length) draw(waiting[0], plotOf(waiting[0].id));
    if (waiting.length > 1) schedule();
  };
  const schedule = () => (frame ??= requestAnimationFrame(drawNext));
  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) isIntersecting ? near.add(target) : near.delete(target);
      schedule();
    },
    { rootMargin: "75% 0px" },
  );

  const change = (figure) => {
    figure.isStale = true;
    delete plotOf(figure.id)?.dataset.drawn;
    schedule();
  };

  const drawAll = () => {
    if (!window.Plotly) return figures.size && fetchPlotly().then(drawAll);
    for (const figure of figures.values()) {
      const plot = plotOf(figure.id);
      if (figure.isStale && plot?.checkVisibility()) draw(figure, plot); // not in a fold that is closed
    }
  };

  // The figures of one part of the page; the others keep the points that they have got meanwhile.
  const load = (source) => {
    for (const [id, figure] of figures) {
      if (figure.source === source.id) figures.delete(id);
    }
    for (const figure of JSON.parse(source.textContent)) {
      figures.set(figure.id, { ...figure, source: source.id, isStale: true });
      const plot = plotOf(figure.id);
      if (!plot) continue;
      // On narrow screens the legend has a row for each line, and the plot's height makes room for them.
      plot.style.setProperty("--lines", figure.data.filter((line) => line.showlegend !== false).length);
      watcher.observe(plot);
    }
    if (figures.size) fetchPlotly().then(schedule);
  };
  const loadWithin = (part) => part?.querySelectorAll('script[type="application/json"][id^="figures"]').forEach(load);

  // Adds a run's new points to the lines of their metrics. False when a metric that is to be shown has no line yet.
  const addPoints = (points, isShown) => {
    const known = new Set();
    const touched = new Set();
    for (const figure of figures.values()) {
      for (const line of figure.data) {
        const metric = line.meta.metric;
        if (!metric) continue;
        known.add(metric);
        for (const { step, values } of points) {
          if (!(metric in values) || (line.x.length && step <= line.x[line.x.length - 1])) continue;
          line.x.push(step);
          line.y.push(values[metric]);
          touched.add(figure);
        }
        if (line.x.length > 60) line.mode = "lines";
      }
    }
    touched.forEach(change);
    return points.every(({ values }) => Object.keys(values).every((metric) => known.has(metric) || !isShown(metric)));
  };

  // A figure as a file, made here: no request leaves the page.
  const FILE = { width: 1000, height: 560 };
  const SCALE = { png: 2, svg: 1 };
  const asBlob = (address, format) => {
    const content = address.slice(address.indexOf(",") + 1);
    if (format === "svg") return new Blob([decodeURIComponent(content)], { type: "image/svg+xml" });
    return new Blob([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], { type: "image/png" });
  };
  const store = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  };
  const exportAs = async (id, format) => {
    const figure = figures.get(id);
    if (!figure) return;
    await fetchPlotly();
    const drawn = onPaper(() => ({ data: figure.data.map(trace), layout: layout(figure.layout, figure.data) }));
    const address = await Plotly.toImage(
      { data: drawn.data, layout: { ...drawn.layout, ...FILE }, config: { staticPlot: true } },
      { format, ...FILE, scale: SCALE[format] },
    );
    store(asBlob(address, format), `${id}.${format}`);
  };
  document.addEventListener("click", ({ target }) => {
    const button = target.closest("[data-export]");
    if (button) exportAs(button.dataset.of, button.dataset.export);
  });

  const live = () => [...figures.values()].flatMap((figure) => figure.data).filter((line) => line.meta.metric);
  const longest = () => Math.max(0, ...live().map((line) => line.x.length));

  window.charts = { addPoints, longest, drawAll };
  document.addEventListener("DOMContentLoaded", () => loadWithin(document));
  document.addEventListener("themechange", () => figures.forEach(change));
  window.addEventListener("beforeprint", drawAll);
  document.addEventListener("htmx:afterSwap", (event) => {
    if (["charts", "tables"].includes(event.target.id)) loadWithin(document.getElementById(event.target.id));
  });
})();
